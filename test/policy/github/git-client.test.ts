// What git itself sends: clone, push, probe, deletion, and a shallow clone's push, to git's own HTTP backend.

import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseRequestTarget } from '../../../policy/canonical.ts';
import { isRefusal } from '../../../policy/refusal.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import { ask } from './asking.ts';

const run = promisify(execFile);
const backend = join(
  spawnSync('git', ['--exec-path'], { encoding: 'utf8' }).stdout?.trim() ?? '',
  'git-http-backend',
);
const hasBackend = spawnSync(backend, [], { env: {} }).error === undefined;
const deadlineMs = 60_000;

describe(
  'git itself',
  { skip: hasBackend ? false : 'git has no HTTP backend here', timeout: deadlineMs },
  () => {
    const seen: CanonicalRequest[] = [];
    let root = '';
    let work = '';
    let origin = '';
    let server: Server;

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'git-client-'));
      work = join(root, 'work');
      await run('git', ['init', '-q', '--bare', join(root, 'acme', 'docs.git')]);
      await run('git', ['-C', join(root, 'acme', 'docs.git'), 'config', 'http.receivepack', 'true']);
      server = createServer((request, response) => void serve(request, response));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme/docs.git`;
      await git(root, 'clone', '-q', origin, work);
    });

    after(async () => {
      server.closeAllConnections();
      server.close();
      await rm(root, { recursive: true, force: true });
    });

    async function git(directory: string, ...args: readonly string[]): Promise<void> {
      const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'protocol.version=2'];
      await run('git', ['-C', directory, ...identity, ...args], {
        env: { PATH: process.env.PATH ?? '', HOME: root, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
        timeout: deadlineMs,
      });
    }

    /** Records the request as github.com's, and hands it to the backend as a CGI script (RFC 3875). */
    async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const body = Buffer.concat(await request.toArray());
      const target = parseRequestTarget(request.url ?? '');
      assert.ok(!isRefusal(target));
      const headers = request.rawHeaders.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text));
      seen.push({
        ...target,
        scheme: 'https',
        host: 'github.com',
        port: 443,
        method: request.method ?? '',
        headers,
        body: body.length === 0 ? { kind: 'none' } : { kind: 'read', bytes: body, isWhole: true },
        placeholder: null,
      });
      const child = spawn(backend, [], {
        env: {
          GIT_PROJECT_ROOT: root,
          GIT_HTTP_EXPORT_ALL: '1',
          REQUEST_METHOD: request.method ?? '',
          PATH_INFO: target.path,
          QUERY_STRING: target.query ?? '',
          CONTENT_TYPE: request.headers['content-type'] ?? '',
          CONTENT_LENGTH: String(body.length),
          HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
          GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        },
      });
      // The backend need not read all of what it answers.
      child.stdin.on('error', () => {});
      child.stdin.end(body);
      const output = Buffer.concat(await child.stdout.toArray());
      const split = output.indexOf('\r\n\r\n');
      for (const line of output.subarray(0, split).toString().split('\r\n')) {
        const [name = '', value = ''] = line.split(': ');
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.end(output.subarray(split + 4));
    }

    /** The field that each request since then misses, under a grant of agent/** in acme/docs. */
    async function fieldsOf(...args: readonly string[]): Promise<(string | null)[]> {
      seen.length = 0;
      await git(work, ...args);
      const form = { repositories: ['acme/docs'], branches: ['agent/**'] };
      return seen.map((request) => ask(form, request)?.field ?? null);
    }

    it('pushes to another branch, which is refused', async () => {
      await git(work, 'commit', '-q', '--allow-empty', '-m', 'first');
      assert.deepEqual(await fieldsOf('push', '-q', 'origin', 'HEAD:refs/heads/main'), [
        null,
        'github.branches',
      ]);
    });

    it('pushes two branches of which one is another, which is refused', async () => {
      const fields = await fieldsOf(
        'push',
        '-q',
        'origin',
        'HEAD:refs/heads/agent/a',
        'HEAD:refs/heads/other',
      );
      assert.deepEqual(fields, [null, 'github.branches']);
    });

    it('pushes a tag, which is refused under branches', async () => {
      await git(work, 'tag', 'v1');
      assert.deepEqual(await fieldsOf('push', '-q', 'origin', 'v1'), [null, 'github.branches']);
    });

    it('pushes to a branch of the list, which is allowed', async () => {
      assert.deepEqual(await fieldsOf('push', '-q', 'origin', 'HEAD:refs/heads/agent/x'), [null, null]);
    });

    it('probes before a push that is large, which is allowed', async () => {
      await writeFile(
        join(work, 'large'),
        Buffer.from(Array.from({ length: 300_000 }, () => Math.random() * 256)),
      );
      await git(work, 'add', 'large');
      await git(work, 'commit', '-q', '-m', 'large');
      const fields = await fieldsOf(
        '-c',
        'http.postBuffer=65536',
        'push',
        '-q',
        'origin',
        'HEAD:refs/heads/agent/x',
      );
      const bodies = seen.map(({ body }) => (body.kind === 'read' ? body.bytes.length : 0));
      assert.deepEqual(
        fields,
        fields.map(() => null),
      );
      assert.ok(bodies.includes(4), `the probe is four bytes, of ${bodies.join(', ')}`);
    });

    it('fetches with a long body, gzipped, which is allowed', async () => {
      const other = join(root, 'other');
      await git(root, 'clone', '-q', '--branch', 'agent/x', origin, other);
      await git(work, 'commit', '-q', '--allow-empty', '-m', 'new');
      await git(work, 'push', '-q', 'origin', 'HEAD:refs/heads/agent/x');
      // Each commit that the server lacks is one more line of what this side has.
      for (let at = 0; at < 80; at += 1) await git(other, 'commit', '-q', '--allow-empty', '-m', `${at}`);
      seen.length = 0;
      await git(other, '-c', 'protocol.version=0', 'fetch', '-q', 'origin');
      assert.deepEqual(
        seen.map((request) => ask({ repositories: ['acme/docs'], operations: ['Read'] }, request)),
        seen.map(() => null),
      );
      assert.ok(
        seen.some(({ headers }) => headers.includes('content-encoding')),
        'one of them is gzipped',
      );
    });

    it('pushes from a shallow clone, which is allowed', async () => {
      const shallow = join(root, 'shallow');
      await git(root, 'clone', '-q', '--depth', '1', '--branch', 'agent/x', origin, shallow);
      await git(shallow, 'commit', '-q', '--allow-empty', '-m', 'shallow');
      seen.length = 0;
      await git(shallow, 'push', '-q', 'origin', 'HEAD:refs/heads/agent/y');
      const form = { repositories: ['acme/docs'], branches: ['agent/**'] };
      assert.deepEqual(
        seen.map((request) => ask(form, request)),
        [null, null],
      );
      const [, pushed] = seen;
      assert.match(
        pushed?.body.kind === 'read' ? Buffer.from(pushed.body.bytes).toString('latin1') : '',
        /shallow/,
      );
    });

    it('deletes a branch of the list, which is allowed, and another, which is not', async () => {
      assert.deepEqual(await fieldsOf('push', '-q', 'origin', ':refs/heads/agent/x'), [null, null]);
      assert.deepEqual(await fieldsOf('push', '-q', 'origin', ':refs/heads/other'), [
        null,
        'github.branches',
      ]);
    });
  },
);
