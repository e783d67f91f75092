import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startOnFreePort } from './free-port.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder, removeRunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';
import type { Vault } from './vault.ts';

const runFile = promisify(execFile);

export interface Postgres {
  readonly port: number;
  /** Runs SQL as the superuser; the rows unaligned, one a line. */
  sql(text: string): Promise<string>;
  /** Whether somebody can log in with it. */
  accepts(username: string, password: string): Promise<boolean>;
  stop(): Promise<void>;
}

const superuser = { name: 'root', password: 'outrider-test-postgres' };

/** A PostgreSQL of its own on loopback, for Vault's database engine to make users in. */
export async function startPostgres(): Promise<Postgres> {
  await requireCommands(['setpriv'], { '/usr/bin/pg_ctlcluster': 'postgresql' });
  const bin = newestBin();
  const run = createRunFolder();
  // Outside of the run folder, which is its owner's alone: PostgreSQL refuses to run as root.
  const data = mkdtempSync(join(tmpdir(), `outrider-postgres-${process.pid}-`));
  const stop = async (): Promise<void> => {
    await removeRunFolder(run.path);
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const asNobody = process.getuid?.() === 0 ? await nobody(data) : [];
    const passwordFile = join(data, 'password');
    writeFileSync(passwordFile, superuser.password, { mode: 0o644 });
    const cluster = join(data, 'cluster');
    const initdb = [join(bin, 'initdb'), '-D', cluster, '-U', superuser.name, '--auth=scram-sha-256'];
    const command = [...asNobody, ...initdb, `--pwfile=${passwordFile}`, '--no-sync'];
    await runFile('env', command, { cwd: data, timeout: 60_000 });

    const psql = async (port: number, name: string, password: string, text: string): Promise<string> => {
      const address = ['-h', '127.0.0.1', '-p', String(port), '-U', name, '-d', 'postgres'];
      const options = {
        env: { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '5' },
        timeout: 10_000,
      };
      return (await runFile('psql', [...address, '-X', '-A', '-t', '-c', text], options)).stdout.trim();
    };
    const { port } = await startOnFreePort('127.0.0.1', async (candidate) => {
      const settings = [
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        'unix_socket_directories=',
        '-c',
        'fsync=off',
      ];
      const args = [...asNobody, join(bin, 'postgres'), '-D', cluster, '-p', String(candidate), ...settings];
      const server = startServer(run, 'postgres', 'env', args);
      await server.waitFor('PostgreSQL', 30_000, () =>
        psql(candidate, superuser.name, superuser.password, 'SELECT 1'),
      );
      return server;
    });
    return {
      port,
      sql: (text) => psql(port, superuser.name, superuser.password, text),
      accepts: (name, password) =>
        psql(port, name, password, 'SELECT 1').then(
          () => true,
          () => false,
        ),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Mounts the database engine at `database/`, with nothing but a connection; roles are the test's. */
export async function enableDatabase(vault: Pick<Vault, 'request'>, postgres: Postgres): Promise<void> {
  await vault.request('POST', 'sys/mounts/database', { type: 'database' });
  await vault.request('POST', 'database/config/postgres', {
    plugin_name: 'postgresql-database-plugin',
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`,
    username: superuser.name,
    password: superuser.password,
    allowed_roles: '*',
  });
}

/** Debian keeps the server's programs out of PATH, a folder for each version. */
function newestBin(): string {
  const root = '/usr/lib/postgresql';
  const versions = readdirSync(root).filter((name) => existsSync(join(root, name, 'bin', 'postgres')));
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  if (newest === undefined) throw new Error(`no PostgreSQL server below ${root}`);
  return join(root, newest, 'bin');
}

async function nobody(folder: string): Promise<readonly string[]> {
  const id = Number((await runFile('id', ['-u', 'nobody'])).stdout);
  chownSync(folder, id, id);
  return ['setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups', '--'];
}
