import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const advice = 'install it from https://go.dev/dl/ and put its bin folder on PATH';

// Everything a user's shell may set that would change what is built or where its modules come from, except
// GOPROXY and its kin, which are how companies reach the modules at all.
function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOWORK: 'off', GO111MODULE: 'on' };
}

/** Throws, naming what to install, unless the Go that runs in `folder` is at least what its go.mod asks for. */
export async function requireGo(folder: string, purpose: string): Promise<void> {
  const needed = /^go (\S+)$/m.exec(await readFile(join(folder, 'go.mod'), 'utf8'))?.[1] ?? '1.26.0';
  // Run inside the module, where a Go of 1.21 or later fetches the toolchain that is asked for, if it may.
  const answer = spawnSync('go', ['version'], { cwd: folder, env: goEnvironment(), encoding: 'utf8' });
  if (answer.error !== undefined) {
    throw new Error(
      `Go ${needed} or newer is needed to build ${purpose}, and no \`go\` was found: ${advice}`,
    );
  }
  const found = /go version go(\d+(?:\.\d+)*)/.exec(answer.stdout)?.[1];
  if (found === undefined || isOlder(found, needed)) {
    const what = found ?? `unreadable (${(answer.stderr + answer.stdout).trim()})`;
    throw new Error(
      `Go ${needed} or newer is needed to build ${purpose}, but \`go version\` is ${what}: ${advice}`,
    );
  }
}

export function isOlder(version: string, than: string): boolean {
  const left = version.split('.').map(Number);
  const right = than.split('.').map(Number);
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Runs `go`, keeps what it says in `logFile`, answers its standard output and throws with the log's end. */
export function runGo(
  args: readonly string[],
  options: { readonly cwd: string; readonly logFile: string; readonly timeoutMs: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('go', args, {
      cwd: options.cwd,
      env: goEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    });
    const log = createWriteStream(options.logFile, { flags: 'a' });
    let output = '';
    let tail = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log.write(chunk);
      tail = (tail + chunk).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      log.end();
      if (code === 0) return resolve(output);
      const how =
        signal === null ? `exited with ${code}` : `was stopped by ${signal} (limit ${options.timeoutMs} ms)`;
      reject(new Error(`go ${args.join(' ')} ${how}\n${tail}`));
    });
  });
}
