import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunFolder } from './run-folder.ts';

const run_ = promisify(execFile);

export interface ImageRecipe {
  /** Path of a Dockerfile. */
  readonly dockerfile: string;
  /** Folder that COPY reads from. */
  readonly context: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** With its registry, which must be localhost: localhost/outrider-sidecar:dev */
  readonly tag: string;
}

export interface ImageBuilder {
  /** Lets later builds start FROM the image in an OCI archive. */
  addBase(archive: string, tag: string): Promise<void>;
  /** Answers the path of an OCI archive that holds the image under its tag. */
  build(recipe: ImageRecipe): Promise<string>;
}

/** Builds images without Docker and without a registry: buildah, with its storage in the run's folder. */
export async function createImageBuilder(run: RunFolder): Promise<ImageBuilder> {
  const folder = join(run.path, 'images');
  await mkdir(join(folder, 'tmp'), { recursive: true });
  const policyPath = join(folder, 'policy.json');
  await writeFile(policyPath, '{ "default": [{ "type": "insecureAcceptAnything" }] }');
  const buildah = async (command: string, args: readonly string[], timeoutMs: number): Promise<void> => {
    const storage = [
      '--root',
      join(folder, 'root'),
      '--runroot',
      join(folder, 'run'),
      '--storage-driver',
      'vfs',
    ];
    try {
      await run_('buildah', [...storage, command, '--quiet', '--signature-policy', policyPath, ...args], {
        env: { ...run.environment, TMPDIR: join(folder, 'tmp') },
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 16 * 1024 * 1024,
      });
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`buildah ${command} ${args.at(-1) ?? ''} failed:\n${(stdout + stderr).slice(-6000)}`, {
        cause: error,
      });
    }
  };
  let archives = 0;

  return {
    addBase: async (archive, tag) => {
      await buildah('pull', [`oci-archive:${archive}:${tag}`], 60_000);
    },
    build: async (recipe) => {
      const archive = join(folder, `${++archives}.tar`);
      const buildArgs = Object.entries(recipe.buildArgs ?? {}).map(
        ([name, value]) => `--build-arg=${name}=${value}`,
      );
      // chroot, because runc would need privileges that a CI container often lacks.
      const args = ['--isolation', 'chroot', ...buildArgs, '--tag', recipe.tag, '--file', recipe.dockerfile];
      await buildah('bud', [...args, recipe.context], 5 * 60_000);
      await rm(archive, { force: true });
      await buildah(
        'push',
        ['--disable-compression', recipe.tag, `oci-archive:${archive}:${recipe.tag}`],
        60_000,
      );
      return archive;
    },
  };
}
