import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { agentEnvironment } from '../../../operator/injector/env.ts';
import { podPaths, sidecarPorts } from '../../../policy/contract.ts';
import { findCommand } from '../../cluster/packages.ts';
import { startInterceptingProxy, type InterceptingProxy } from '../../support/intercepting-proxy.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrider-clients-'));
const trust = join(folder, 'trust');
let proxy: InterceptingProxy;
const local = createServer((_, response) => response.end('direct'));
let localPort = 0;

before(async () => {
  for (const name of [trust, join(folder, 'keys'), join(folder, 'go')]) mkdirSync(name, { recursive: true });
  proxy = await startInterceptingProxy(trust, join(folder, 'keys'));
  await new Promise<void>((resolve) => void local.listen(0, '127.0.0.1', () => resolve()));
  localPort = (local.address() as AddressInfo).port;
  writeFileSync(join(folder, 'Get.java'), java);
  writeFileSync(join(folder, 'go/main.go'), go);
});
after(() => {
  proxy?.close();
  local.close();
  local.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

/** What the injector sets, but for where the pod's files and ports are. */
function injectedEnvironment(): Record<string, string> {
  const here = (value: string): string =>
    value.replaceAll(podPaths.trust, trust).replaceAll(String(sidecarPorts.proxy), String(proxy.port));
  const { env } = agentEnvironment({ name: 'agent' }, []);
  return {
    PATH: `${process.env['PATH']}:/usr/bin`,
    HOME: folder,
    GOCACHE: join(homedir(), '.cache/go-build'), // or Go compiles its standard library anew
    GOFLAGS: '-mod=mod',
    ...Object.fromEntries(env.map(({ name, value = '' }) => [name, here(value)])),
  };
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: injectedEnvironment(), cwd: folder, timeout: 120_000 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command}: ${stderr || error.message}`));
    });
  });
}

const nodeFetch = 'fetch(process.argv[1]).then((answer) => answer.text()).then(console.log)';
const nodeGet = `
  const url = process.argv[1];
  require(url.startsWith('https') ? 'https' : 'http')
    .get(url, (answer) => answer.pipe(process.stdout));`;
const python = `
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())`;
const requests = `
import sys, requests
print(requests.get(sys.argv[1], timeout=20).text)`;
const java = `
import java.net.*; import java.net.http.*;
class Get { public static void main(String[] a) throws Exception {
  System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(),
    HttpResponse.BodyHandlers.ofString()).body()); } }`;
const go = `package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
  answer, err := http.Get(os.Args[1])
  if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
  body, _ := io.ReadAll(answer.Body)
  fmt.Println(string(body))
}`;

interface Client {
  readonly command: string;
  /** What must succeed before; where it cannot, the client is reported as not run. */
  readonly needs?: readonly string[];
  /** What is run, where it is not the command itself. */
  readonly runs?: string;
  readonly args: (url: string) => string[];
}

const clients: Record<string, Client> = {
  curl: { command: 'curl', args: (url) => ['-sS', '--max-time', '20', url] },
  'Node’s fetch': { command: process.execPath, args: (url) => ['-e', nodeFetch, url] },
  'Node’s http and https': { command: process.execPath, args: (url) => ['-e', nodeGet, url] },
  'Python’s urllib': { command: 'python3', args: (url) => ['-c', python, url] },
  'Python’s requests': {
    command: 'python3',
    args: (url) => ['-c', requests, url],
    needs: ['-c', 'import requests'],
  },
  Java: { command: 'java', args: (url) => [join(folder, 'Get.java'), url] },
  Go: {
    command: 'go',
    needs: ['build', '-o', join(folder, 'get'), join(folder, 'go/main.go')],
    runs: join(folder, 'get'),
    args: (url) => [url],
  },
};

for (const [name, { command, needs, runs = command, args }] of Object.entries(clients)) {
  const missing = findCommand(command) === undefined && !command.includes('/');
  describe(name, { skip: missing && `${name} NOT RUN: ${command} is not installed` }, () => {
    test(`finds the sidecar and trusts its CA, and reaches its own pod without it (K-25)`, async (t) => {
      if (needs !== undefined) {
        const absent = await run(command, needs).then(
          () => null,
          (error: Error) => error,
        );
        if (absent !== null) return t.skip(`${name} NOT RUN: ${absent.message.slice(0, 100)}`);
      }
      proxy.seen.length = 0;
      const answers: Record<string, string> = {};
      for (const url of ['https://api.example.test/a', 'http://api.example.test/b']) {
        answers[url] = (await run(runs, args(url))).trim();
      }
      for (const host of ['localhost', '127.0.0.1']) {
        answers[host] = (await run(runs, args(`http://${host}:${localPort}/`))).trim();
      }
      assert.deepEqual(answers, {
        'https://api.example.test/a': 'through the proxy',
        'http://api.example.test/b': 'through the proxy',
        localhost: 'direct',
        '127.0.0.1': 'direct',
      });
      return assert.deepEqual(proxy.seen, [
        'GET https://api.example.test/a',
        'GET http://api.example.test/b',
      ]);
    });
  });
}

describe('git', { skip: findCommand('git') === undefined && 'git NOT RUN: git is not installed' }, () => {
  test('finds the sidecar and trusts its CA', async () => {
    proxy.seen.length = 0;
    await run('git', ['ls-remote', 'https://git.example.test/acme/docs.git']);
    assert.match(proxy.seen[0] ?? '', /^GET https:\/\/git\.example\.test\/acme\/docs\.git\/info\/refs/);
  });
});
