// What clients say to a proxy, and what they do with its no: the habits that the sidecar's entries are made for. Where a
// newer client behaves otherwise this fails, and the reason for an entry's way may be gone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { installedPython, python } from '../../support/python-environment.ts';
import { missing } from '../tls/program.ts';

const execute = promisify(execFile);
const said = 'this-is-why-it-is-refused';
let folder = '';
let proxy: Server;
let port = 0;
let heads: string[] = [];
let environment = '';

const java = `
import java.net.*; import java.net.http.*;
public class Get { public static void main(String[] a) throws Exception {
  System.out.println(HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build()
    .send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString()).body()); } }`;
const urllib = `
import sys, urllib.request, urllib.error
try: urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as error: print(error.read().decode())`;
const requests = 'import sys, requests; print(requests.get(sys.argv[1], timeout=10).text)';
const nodeFetch = 'fetch(process.argv[1]).then((a) => a.text()).then(console.log)';

const clients: Record<
  string,
  { readonly skip?: string | false; readonly command: (url: string) => string[] }
> = {
  curl: { command: (url) => ['curl', '-sS', url] },
  git: { command: (url) => ['git', 'ls-remote', url] },
  'Python’s urllib': { command: (url) => [python, '-c', urllib, url] },
  'Python’s requests': { command: (url) => [join(environment, 'bin/python'), '-c', requests, url] },
  'Node’s fetch': { command: (url) => [process.execPath, '-e', nodeFetch, url] },
  'Java’s HttpClient': {
    skip: missing('javac', '-version'),
    command: (url) => ['java', '-cp', folder, 'Get', url],
  },
};

before(async () => {
  environment = await installedPython(['boto3==1.44.5', 'requests==2.34.2', 'google-auth==2.62.2']);
  folder = await mkdtemp(join(tmpdir(), 'outrider-habits-'));
  await writeFile(join(folder, 'Get.java'), java);
  if (clients['Java’s HttpClient']?.skip === false) {
    await execute('javac', ['-d', folder, join(folder, 'Get.java')], { timeout: 60_000 });
  }
  proxy = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head: Buffer) => {
        heads.push(head.toString('latin1'));
        socket.end(
          `HTTP/1.1 403 Forbidden\r\nContent-Length: ${said.length}\r\nConnection: close\r\n\r\n${said}`,
        );
      });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  ({ port } = proxy.address() as AddressInfo);
});
after(async () => {
  proxy.close();
  await rm(folder, { recursive: true, force: true });
});

async function ask(client: string, url: string): Promise<{ readonly output: string; readonly head: string }> {
  heads = [];
  const [program = '', ...args] = clients[client]?.command(url) ?? [];
  const address = `http://127.0.0.1:${port}`;
  const host = (scheme: string): string => `-D${scheme}.proxyHost=127.0.0.1 -D${scheme}.proxyPort=${port}`;
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    HTTPS_PROXY: address,
    https_proxy: address,
    HTTP_PROXY: address,
    http_proxy: address,
    NODE_USE_ENV_PROXY: '1',
    JAVA_TOOL_OPTIONS: `${host('http')} ${host('https')}`,
  };
  const { stdout, stderr } = await execute(program, args, { env, timeout: 30_000 }).catch(
    (error: { stdout?: string; stderr?: string }) => ({ stdout: '', stderr: '', ...error }),
  );
  return { output: stdout + stderr, head: heads[0] ?? '' };
}

describe('the body of a CONNECT that a proxy refuses is thrown away', () => {
  for (const [client, { skip = false }] of Object.entries(clients)) {
    test(`by ${client}`, { skip }, async () => {
      const { output, head } = await ask(client, 'https://api.example.test/x');
      assert.match(head, /^CONNECT api\.example\.test:443 /);
      assert.ok(!output.includes(said), output);
    });
  }
});

test('Python’s urllib up to 3.11 sends CONNECT as HTTP/1.0, without Host', async (context) => {
  const { stdout } = await execute(python, ['-c', 'import sys; print(sys.version_info < (3, 12))']);
  if (stdout.trim() !== 'True') return context.skip('this Python is newer');
  const { head } = await ask('Python’s urllib', 'https://api.example.test/x');
  assert.match(head, /^CONNECT api\.example\.test:443 HTTP\/1\.0\r\n/);
  return assert.ok(!/^host:/im.test(head), head);
});

test('Node’s fetch sends CONNECT with a Host that lacks the port', async () => {
  const { head } = await ask('Node’s fetch', 'https://api.example.test/x');
  assert.match(head, /^host: api\.example\.test\r$/im);
});

test(
  'Java’s HttpClient asks for HTTP/2 over plain HTTP by Upgrade',
  { skip: missing('javac', '-version') },
  async () => {
    // Not of a proxy: it asks the origin alone, as it does when it is captured.
    heads = [];
    await execute('java', ['-cp', folder, 'Get', `http://127.0.0.1:${port}/x`], { timeout: 30_000 });
    assert.match(heads[0] ?? '', /^upgrade: h2c\r$/im);
    assert.match(heads[0] ?? '', /^http2-settings: /im);
  },
);
