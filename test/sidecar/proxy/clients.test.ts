import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { trustFiles } from '../../../policy/contract.ts';
import type { Problem } from '../../../sidecar/proxy/respond.ts';
import { writeTrustStore } from '../../../sidecar/tls/trust-store.ts';
import { missing } from '../tls/program.ts';
import { startFixture, token, tokenPlaceholder, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Answer, type Origin, type TestCa } from './origin.ts';

// The clients that agents are made of, as their users run them: proxy and trust by variables alone.

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let folder = '';
let url = '';
let answering: Answer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-clients-'));
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (...args) => answering(...args) });
  fixture = await startFixture({ ca, origin });
  writeTrustStore({ directory: folder, certificatePem: fixture.caPem });
  url = `https://${originName}:${origin.port}`;
});
after(async () => {
  await fixture.close();
  await origin.close();
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  answering = (message, response) => response.end(`hello to ${message.method}`);
  origin.received.length = 0;
});

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As in an injected container: nothing but proxy and trust tells the client about us. */
function run(program: string, args: readonly string[]): Promise<Output> {
  const proxy = `http://127.0.0.1:${fixture.port}`;
  const bundle = join(folder, trustFiles.bundle);
  const java = join(folder, trustFiles.javaKeyStore);
  const javaOptions = [
    `-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=${fixture.port}`,
    `-Djavax.net.ssl.trustStore=${java} -Djavax.net.ssl.trustStorePassword=changeit`,
  ];
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NODE_USE_ENV_PROXY: '1',
    NODE_EXTRA_CA_CERTS: join(folder, trustFiles.ca),
    SSL_CERT_FILE: bundle,
    CURL_CA_BUNDLE: bundle,
    GIT_SSL_CAINFO: bundle,
    JAVA_TOOL_OPTIONS: javaOptions.join(' '),
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
    child.stdin?.end();
  });
}

const authorization = `Authorization: Bearer ${tokenPlaceholder}`;

const pythonGet = (path: string): string =>
  [
    'import sys, urllib.request, urllib.error',
    `request = urllib.request.Request("${url}${path}", headers={"Authorization": "Bearer ${tokenPlaceholder}"})`,
    'try:',
    '  print(urllib.request.urlopen(request, timeout=10).read().decode())',
    'except urllib.error.HTTPError as error:',
    '  print(error.read().decode())',
  ].join('\n');

const nodeGet = (path: string): string =>
  `fetch('${url}${path}', { headers: { authorization: 'Bearer ${tokenPlaceholder}' } })
    .then((response) => response.text()).then(console.log)`;

const javaGet = (path: string): string => `
import java.net.*; import java.net.http.*;
public class Get {
  public static void main(String[] args) throws Exception {
    HttpClient client = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
    HttpRequest request = HttpRequest.newBuilder(URI.create("${url}${path}"))
      .header("Authorization", "Bearer ${tokenPlaceholder}").build();
    System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}`;

function javaFile(path: string): string {
  const file = join(folder, 'Get.java');
  writeFileSync(file, javaGet(path));
  return file;
}

const clients: Record<string, { skip: string | false; get: (path: string) => Promise<Output> }> = {
  curl: {
    skip: missing('curl', '--version'),
    get: (path) => run('curl', ['-sS', '-H', authorization, url + path]),
  },
  'Python urllib': {
    skip: missing('python3', '--version'),
    get: (path) => run('python3', ['-c', pythonGet(path)]),
  },
  'Node fetch': { skip: false, get: (path) => run(process.execPath, ['-e', nodeGet(path)]) },
  'Java HttpClient': {
    skip: missing('java', '-version'),
    get: (path) => run('java', [javaFile(path)]),
  },
};

for (const [client, { skip, get }] of Object.entries(clients)) {
  describe(client, { skip: skip === false ? false : skip }, () => {
    test('reads why it was refused', async () => {
      const { stdout, stderr } = await get('/elsewhere');
      const problem = JSON.parse(stdout || 'null') as Problem | null;
      assert.equal(problem?.code, 'no_grant', stderr);
      assert.equal(problem.closest?.field, 'paths');
      assert.equal(origin.received.length, 0);
    });

    test('gets an answer with the credential it does not hold', async () => {
      const { stdout, stderr } = await get('/token/x');
      assert.equal(stdout.trim(), 'hello to GET', stderr);
      assert.equal(origin.received[0]?.headers.authorization, `Bearer ${token}`);
    });
  });
}

describe('curl, more closely', { skip: missing('curl', '--version') }, () => {
  test('learns of a refused upload before it sends it', async () => {
    const file = join(folder, 'upload');
    writeFileSync(file, Buffer.alloc(3_000_000, 'x'));
    const { stdout } = await run('curl', [
      '-sS',
      '-H',
      'Expect: 100-continue',
      '-T',
      file,
      `${url}/elsewhere`,
    ]);
    assert.equal((JSON.parse(stdout) as Problem).code, 'no_grant');
  });

  test('reads why a body that is already under way was refused', async () => {
    const file = join(folder, 'upload');
    writeFileSync(file, Buffer.alloc(3_000_000, 'x'));
    const { stdout, stderr } = await run('curl', ['-sS', '-H', 'Expect:', '-T', file, `${url}/elsewhere`]);
    assert.equal((JSON.parse(stdout || '{}') as Problem).code, 'no_grant', stderr);
  });

  test('uploads with 100 Continue', async () => {
    const file = join(folder, 'upload');
    writeFileSync(file, Buffer.alloc(3_000_000, 'x'));
    const { stdout, stderr } = await run('curl', ['-sS', '-T', file, `${url}/token/upload`]);
    assert.equal(stdout, 'hello to PUT', stderr);
    assert.equal(origin.received[0]?.body.length, 3_000_000);
    assert.equal(origin.received[0].headers.expect, undefined);
  });

  test('H-34: resumes a download, since Range is kept', async () => {
    answering = (message, response) => {
      response.writeHead(206, { 'content-range': 'bytes 2-4/5' });
      response.end(`${message.headers.range}`);
    };
    const { stdout } = await run('curl', ['-sS', '-r', '2-4', `${url}/token/file`]);
    assert.equal(stdout, 'bytes=2-4');
  });

  test('fails plainly where the policy opens no plain HTTP', async () => {
    const { stdout } = await run('curl', ['-sS', `http://${originName}/token/x`]);
    assert.equal((JSON.parse(stdout) as Problem).code, 'no_grant');
  });
});

describe('git', { skip: missing('git', '--version') }, () => {
  test('asks with its placeholder inside Basic and arrives with the credential', async () => {
    answering = (_message, response) => {
      response.setHeader('content-type', 'application/x-git-upload-pack-advertisement');
      response.end(
        '001e# service=git-upload-pack\n0000003f1111111111111111111111111111111111111111 HEAD\0 agent=test\n0000'.replace(
          '003f',
          (4 + 40 + 1 + 4 + 1 + 11 + 1).toString(16).padStart(4, '0'),
        ),
      );
    };
    const remote = `https://x-access-token:${tokenPlaceholder}@${originName}:${origin.port}/token/repository`;
    const { stdout, stderr } = await run('git', ['-c', 'protocol.version=0', 'ls-remote', remote]);
    assert.match(stdout, /^1{40}\tHEAD/, stderr);
    assert.ok(origin.received.every(({ headers }) => headers.authorization === `Bearer ${token}`));
  });
});
