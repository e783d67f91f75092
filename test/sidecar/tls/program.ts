import { execFile, spawnSync } from 'node:child_process';

/** A reason to skip a test, or false when the program is installed and answers. */
export function missing(program: string, ...probe: readonly string[]): string | false {
  const { error, status } = spawnSync(program, probe, { stdio: 'ignore', timeout: 20_000 });
  return error === undefined && status === 0 ? false : `${program} is not installed`;
}

/** What the program printed; rejects with its stderr when it fails. Asynchronous, since servers run in this process. */
export function run(program: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program}: ${error.message}\n${stdout}\n${stderr}`));
    });
    child.stdin?.end();
  });
}
