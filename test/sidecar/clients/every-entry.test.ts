// Real clients by each of the four entries: over TLS and without, led by the injected variables and, as programs are that
// ignore or unset them, by netfilter and the name server alone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { Problem } from '../../../sidecar/proxy/respond.ts';
import { nodeSkipReason } from '../../cluster/node-availability.ts';
import { requireCommands } from '../../cluster/packages.ts';
import { installedPython, python } from '../../support/python-environment.ts';
import { tokenPlaceholder } from '../proxy/fixture.ts';
import { missing } from '../tls/program.ts';
import { secrets, startClientPod, type ClientPod, type Leading } from './pod.ts';

const execute = promisify(execFile);

interface Way {
  readonly entry: string;
  readonly scheme: 'https' | 'http';
  readonly leading: Leading;
}

const ways: readonly Way[] = [
  { entry: 'absolute', scheme: 'http', leading: 'led' },
  { entry: 'connect', scheme: 'https', leading: 'led' },
  { entry: 'captured_http', scheme: 'http', leading: 'unled' },
  { entry: 'captured_tls', scheme: 'https', leading: 'unled' },
];

interface Client {
  readonly skip?: string | false;
  /** It is captured where others are led. */
  readonly readsNoVariables?: true;
  /** Gets each URL, and prints what it got in a line of its own, refusals too. */
  readonly get: (urls: readonly string[]) => readonly string[];
}

const authorization = `Bearer ${tokenPlaceholder}`;

const urllib = (context: string): string => `
import ssl, sys, urllib.request, urllib.error
context = ssl.create_default_context()
${context}
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
for url in sys.argv[1:]:
  request = urllib.request.Request(url, headers={"Authorization": "${authorization}"} if "/token" in url else {})
  try: print(opener.open(request, timeout=10).read().decode())
  except urllib.error.HTTPError as error: print(error.read().decode())
`;
const requests = `
import sys, requests
for url in sys.argv[1:]:
  print(requests.get(url, headers={"Authorization": "${authorization}"} if "/token" in url else {}, timeout=10).text)
`;
const nodeFetch = `
for (const url of process.argv.slice(1)) {
  const headers = url.includes('/token') ? { authorization: '${authorization}' } : {};
  console.log(await (await fetch(url, { headers })).text());
}`;
const nodeHttp = `
import http from 'node:http'; import https from 'node:https'; import { text } from 'node:stream/consumers';
for (const url of process.argv.slice(1)) {
  const headers = url.includes('/token') ? { authorization: '${authorization}' } : {};
  const answer = await new Promise((resolve, reject) =>
    (url.startsWith('https') ? https : http).get(url, { headers }, resolve).on('error', reject));
  console.log(await text(answer));
}`;
const httpx = `
import sys, httpx2
with httpx2.Client() as client:
  for url in sys.argv[1:]:
    print(client.get(url, headers={"Authorization": "${authorization}"} if "/token" in url else {}).text)
`;
const aiohttp = `
import aiohttp, asyncio, sys
async def main():
  async with aiohttp.ClientSession() as client:
    for url in sys.argv[1:]:
      headers = {"Authorization": "${authorization}"} if "/token" in url else {}
      async with client.get(url, headers=headers) as answer: print(await answer.text())
asyncio.run(main())
`;
const axios = `
import axios from '${import.meta.resolve('axios')}';
for (const url of process.argv.slice(1)) {
  const headers = url.includes('/token') ? { authorization: '${authorization}' } : {};
  const { data } = await axios.get(url, { headers, validateStatus: () => true });
  console.log(typeof data === 'string' ? data : JSON.stringify(data));
}`;
// Of its own accord it asks for HTTP/2: by ALPN over TLS, and by Upgrade: h2c without.
const java = `
import java.net.*; import java.net.http.*;
public class Get {
  public static void main(String[] urls) throws Exception {
    HttpClient client = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
    for (String url : urls) {
      HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
      if (url.contains("/token")) request.header("Authorization", "${authorization}");
      System.out.println(client.send(request.build(), HttpResponse.BodyHandlers.ofString()).body());
    }
  }
}`;

// Static, so that its own resolver asks.
const go = `package main
import ("fmt"; "io"; "net/http"; "os"; "strings")
func main() {
  for _, url := range os.Args[1:] {
    request, _ := http.NewRequest("GET", url, nil)
    if strings.Contains(url, "/token") { request.Header.Set("Authorization", "${authorization}") }
    answer, err := http.DefaultClient.Do(request)
    if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
    body, _ := io.ReadAll(answer.Body)
    fmt.Println(strings.TrimSpace(string(body)))
  }
}`;

let pod: ClientPod;
let environment = '';
let async = '';
/** From 22.21 and 24.5 on Node reads proxy variables. */
const oldNode = '/usr/bin/node';
const skipOldNode =
  missing(oldNode, '-e', 'process.exit(Number(process.versions.node.split(".")[0]) < 22 ? 0 : 1)') &&
  'no older Node is installed';
const skipGo = missing('go', 'version');

const clients: Record<string, Client> = {
  curl: {
    skip: missing('curl', '--version'),
    get: (urls) => {
      const each = urls.map((url) => {
        const header = url.includes('/token') ? ['-H', `Authorization: ${authorization}`] : [];
        return ['-sS', '-w', '\n', ...header, url];
      });
      return ['curl', ...each.flatMap((options, at) => (at > 0 ? ['--next', ...options] : options))];
    },
  },
  'Python’s urllib': { get: (urls) => [python, '-c', urllib(''), ...urls] },
  'Python’s urllib in strict mode': {
    get: (urls) => [python, '-c', urllib('context.verify_flags |= ssl.VERIFY_X509_STRICT'), ...urls],
  },
  'Python’s requests': { get: (urls) => [join(environment, 'bin/python'), '-c', requests, ...urls] },
  'httpx, of which SDKs of LLMs are made': { get: (urls) => [async, '-c', httpx, ...urls] },
  aiohttp: { readsNoVariables: true, get: (urls) => [async, '-c', aiohttp, ...urls] },
  axios: { get: (urls) => [process.execPath, '--input-type=module', '-e', axios, ...urls] },
  'an older Node’s fetch': {
    readsNoVariables: true,
    skip: skipOldNode,
    get: (urls) => [oldNode, '--input-type=module', '-e', nodeFetch, ...urls],
  },
  'Node’s fetch': { get: (urls) => [process.execPath, '--input-type=module', '-e', nodeFetch, ...urls] },
  'Node’s http and https': {
    get: (urls) => [process.execPath, '--input-type=module', '-e', nodeHttp, ...urls],
  },
  'Java’s HttpClient': {
    skip: missing('javac', '-version'),
    get: (urls) => ['java', '-cp', pod.folder, 'Get', ...urls],
  },
  'Go’s net/http': { skip: skipGo, get: (urls) => [join(pod.folder, 'get-by-go'), ...urls] },
};

describe('real clients by every entry', { skip: nodeSkipReason() ?? false }, () => {
  before(async () => {
    environment = await installedPython(['boto3==1.44.5', 'requests==2.34.2', 'google-auth==2.62.2']);
    async = join(await installedPython(['anthropic==2.12.0', 'aiohttp==3.14.5']), 'bin/python');
    await requireCommands(['busybox']);
    pod = await startClientPod(async (folder) => {
      await writeFile(join(folder, 'Get.java'), java);
      if (clients['Java’s HttpClient']?.skip === false) {
        await execute('javac', ['-d', folder, join(folder, 'Get.java')], { timeout: 60_000 });
      }
      if (skipGo === false) {
        await writeFile(join(folder, 'get.go'), go);
        const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
        const build = ['build', '-o', join(folder, 'get-by-go'), join(folder, 'get.go')];
        await execute('go', build, { env, timeout: 300_000 });
      }
      await prepareGit(join(folder, 'git'));
    });
  });
  after(() => pod?.close());

  for (const [client, { skip = false, readsNoVariables, get }] of Object.entries(clients)) {
    for (const { entry: meant, scheme, leading } of ways) {
      const isIgnored = readsNoVariables === true && leading === 'led';
      const entry = isIgnored ? `captured_${scheme === 'https' ? 'tls' : 'http'}` : meant;
      const how = isIgnored ? `${entry}, whatever its variables say,` : entry;
      test(`${client} by ${how} reads why it is refused, and what it is answered`, { skip }, async () => {
        const place = `${scheme}://api.example.test`;
        const allowed = `${place}/${scheme === 'https' ? 'token' : 'plain'}/x`;
        const { stdout, stderr } = await pod.run(leading, get([`${place}/elsewhere`, allowed]));
        const [refused = '', answered] = stdout.trim().split('\n');
        const { records, received } = await pod.seen();
        assert.deepEqual(
          records.map((each) => [each.entry, each.path, each.reason]),
          [
            [entry, '/elsewhere', 'no_grant'],
            [entry, new URL(allowed).pathname, null],
          ],
          stderr,
        );
        assert.equal((JSON.parse(refused) as Problem).code, 'no_grant', stderr);
        assert.equal(answered, 'hello to GET', stderr);
        assert.equal(received.length, 1);
        const { headers, names = [] } = received[0] ?? {};
        assert.equal(new Set(names).size, names.length, 'each header once, in whatever case');
        assert.equal(headers?.authorization, scheme === 'https' ? `Bearer ${secrets.token}` : undefined);
        for (const hop of ['upgrade', 'http2-settings', 'expect', 'proxy-connection', 'proxy-authorization'])
          assert.equal(headers?.[hop], undefined, hop);
      });
    }
  }

  for (const { entry, scheme, leading } of ways) {
    const place = `${scheme}://api.example.test`;

    test(`curl by ${entry} sends a large body after 100 Continue, which nobody upstream is asked for`, async () => {
      await writeFile(join(pod.folder, 'large'), Buffer.alloc(3_000_000, 'x'));
      const command = ['curl', '-sS', '-H', 'Expect: 100-continue', '-T', 'large', `${place}/plain/large`];
      const { stdout, stderr } = await pod.run(leading, command);
      assert.equal(stdout, 'hello to PUT', stderr);
      const { records, received } = await pod.seen();
      assert.deepEqual([records[0]?.entry, received[0]?.bytes], [entry, 3_000_000]);
      assert.equal(received[0]?.headers.expect, undefined);
    });

    test(`curl by ${entry} is refused before it sends a large body`, async () => {
      const command = ['curl', '-sS', '-w', '\n%{size_upload}', '-H', 'Expect: 100-continue'];
      const { stdout } = await pod.run(leading, [...command, '-T', 'large', `${place}/elsewhere`]);
      assert.match(stdout, /"code":"no_grant"[^]*\n0$/);
      await pod.seen();
    });

    test(`curl by ${entry} sends 40 KiB of headers`, async () => {
      const command = ['curl', '-sS', '-H', `Cookie: a=${'x'.repeat(40_000)}`, `${place}/plain/x`];
      const { stdout, stderr } = await pod.run(leading, command);
      assert.equal(stdout, 'hello to GET', stderr);
      const { records, received } = await pod.seen();
      assert.equal(records[0]?.entry, entry);
      assert.equal(received[0]?.headers.cookie?.length, 40_002);
    });

    test(`git by ${entry} clones and pushes, with a probe, chunks and gzip`, async () => {
      const remote = `${scheme}://github.com/acme/${entry}.git`;
      const script = `git clone -q ${remote} ${entry} && cd ${entry} &&
        head -c 3000000 /dev/urandom > large && git add large && ${commit} &&
        git push -q origin HEAD:refs/heads/agent/large && git fetch -q && git ls-remote origin`;
      const { stdout, stderr } = await pod.run(leading, ['sh', '-c', script]);
      assert.match(stdout, /refs\/heads\/agent\/large/, stderr);
      const { records, received } = await pod.seen();
      assert.deepEqual([...new Set(records.map((each) => `${each.entry} ${each.status}`))], [`${entry} 200`]);
      const pushed = received.filter(
        ({ method, url }) => method === 'POST' && url.endsWith('git-receive-pack'),
      );
      assert.deepEqual(
        pushed.map(({ body, bytes }) => (bytes < 10 ? body : bytes > 3_000_000)),
        ['0000', true],
      );
      const isZipped = received.some(({ headers }) => headers['content-encoding'] === 'gzip');
      assert.ok(isZipped, 'a fetch of many branches is zipped');
    });

    // With a proxy it sends the whole https URL in the clear and closes its half: it speaks no CONNECT.
    test(`busybox’s wget by ${entry}`, { skip: entry === 'connect' && 'it speaks none' }, async () => {
      const command = ['busybox', 'wget', '-q', '-O', '-', `${place}/plain/x`];
      const { stdout, stderr } = await pod.run(leading, command);
      assert.equal(stdout, 'hello to GET', stderr);
      assert.equal((await pod.seen()).records[0]?.entry, entry);
    });
  }
});

const identity = '-c user.name=agent -c user.email=agent@example.test';
const commit = `git ${identity} commit -q -m one`;

/** One for each entry; with so many branches that a fetch names enough of them to be zipped. */
async function prepareGit(root: string): Promise<void> {
  for (const { entry } of ways) {
    const folder = join(root, 'acme', `${entry}.git`);
    await mkdir(folder, { recursive: true });
    const script = `git init -q --bare -b main . && git config http.receivepack true &&
      tree=$(git hash-object -t tree -w /dev/null) &&
      for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        git update-ref refs/heads/b$n $(git ${identity} commit-tree -m $n $tree); done &&
      git update-ref refs/heads/main refs/heads/b1`;
    await execute('sh', ['-c', script], { cwd: folder, timeout: 30_000 });
  }
}
