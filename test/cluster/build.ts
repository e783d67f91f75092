import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { requireGo, runGo } from './go.ts';
import { acquireHostLock } from './host-lock.ts';
import { recipes } from './servers.ts';
import type { ServerName, ServerRecipe } from './servers.ts';

// Three times the slowest cold build on two cores: a build that takes longer hangs.
const buildTimeoutMs = 20 * 60_000;
const progressEveryMs = 30_000;

/** Answers the folder that holds a server's binary under each of its names, built first if this user never has. */
export function builtServer(name: ServerName): Promise<string> {
  return builtModule({ name, source: join(import.meta.dirname, name), recipe: recipes[name] });
}

export interface GoModule {
  readonly name: string;
  /** Folder with a go.mod that requires `recipe.module`. */
  readonly source: string;
  readonly recipe: ServerRecipe;
}

/**
 * What was built is keyed by everything that went in, so every clone finds it and a new version never meets an old
 * binary. It appears whole or not at all, and once, however many processes ask at the same time.
 */
export async function builtModule(goModule: GoModule): Promise<string> {
  const { name } = goModule;
  const inputs = await readInputs(goModule);
  const folder = join(cacheFolder('servers'), `${name}-${inputs.key}`);
  if (existsSync(folder)) return folder;

  const lock = await acquireHostLock({
    name: `build ${folder}`,
    timeoutMs: buildTimeoutMs,
    onWait: (holder) => say(`waiting for ${name}, which is being built by ${holder}`),
  });
  try {
    if (!existsSync(folder)) await build(goModule, inputs, folder);
    return folder;
  } finally {
    await lock.release();
  }
}

interface Inputs {
  readonly key: string;
  readonly ldflags: string;
}

async function readInputs({ source, recipe }: GoModule): Promise<Inputs> {
  const hash = createHash('sha256');
  let version = '';
  for (const file of (await readdir(source)).toSorted()) {
    const content = await readFile(join(source, file), 'utf8');
    hash.update(`${file}\0${content}\0`);
    if (file === 'go.mod') version = requiredVersion(content, recipe.module);
  }
  const variables = Object.entries(recipe.variables?.(version) ?? {});
  const ldflags = ['-s', '-w', ...variables.map(([key, value]) => `-X ${key}=${value}`)].join(' ');
  hash.update(JSON.stringify([process.platform, process.arch, recipe.package, recipe.alsoCalled, ldflags]));
  return { key: hash.digest('hex').slice(0, 16), ldflags };
}

function requiredVersion(goMod: string, module: string): string {
  const line = goMod.split('\n').find((candidate) => candidate.includes(`${module} v`));
  const version = line?.trim().split(/\s+/).at(-1);
  if (version === undefined) throw new Error(`no requirement for ${module} in go.mod`);
  return version;
}

async function build({ name, source, recipe }: GoModule, inputs: Inputs, folder: string): Promise<void> {
  // The lock is ours, so what is here was left by a build that was killed.
  const work = `${folder}.unfinished`;
  await rm(work, { recursive: true, force: true });
  await cp(source, join(work, 'source'), { recursive: true });
  await mkdir(join(work, 'bin'));
  await requireGo(join(work, 'source'), name);

  const startedAt = Date.now();
  const elapsed = (): string => duration(Date.now() - startedAt);
  say(`building ${name} (once, about ${recipe.coldMinutes} min on two cores, faster with a warm Go cache) …`);
  const progress = setInterval(() => say(`building ${name}: ${elapsed()} so far`), progressEveryMs);
  try {
    const go = { cwd: join(work, 'source'), logFile: join(work, 'build.log'), timeoutMs: buildTimeoutMs };
    if (recipe.vouchesForItself === true) {
      await runGo(['mod', 'download', recipe.module], go);
      const module = (await runGo(['list', '-m', '-f', '{{.Dir}}', recipe.module], go)).trim();
      await writeFile(join(go.cwd, 'go.sum'), await readFile(join(module, 'go.sum')));
    }
    const output = join(work, 'bin', name);
    const flags = ['-trimpath', '-buildvcs=false', '-ldflags', inputs.ldflags, '-o', output];
    await runGo(['build', ...flags, recipe.package], go);
  } finally {
    clearInterval(progress);
  }
  for (const alias of recipe.alsoCalled ?? []) await symlink(name, join(work, 'bin', alias));
  await rename(join(work, 'bin'), folder);
  await rm(work, { recursive: true, force: true });
  say(`built ${name} in ${elapsed()}`);
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function say(line: string): void {
  process.stderr.write(`cluster: ${line}\n`);
}

if (import.meta.main) {
  const known = Object.keys(recipes) as ServerName[];
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !known.includes(name as ServerName));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(' ')}; there are ${known.join(' ')}`);
  for (const name of known) {
    if (wanted.length === 0 || wanted.includes(name))
      process.stdout.write(`${name} ${await builtServer(name)}\n`);
  }
}
