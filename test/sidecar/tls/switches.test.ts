// T-01, T-06, K-20, K-24: no variable and no signal of Node's or OpenSSL's changes whom the sidecar trusts or what it tells; run
// with the flags of the image.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadSidecarImage } from '../../../bench/sidecar-image.ts';
import { createPodFolders, startPod } from '../pod.ts';
import { createTestCa, type TestCa } from '../proxy/origin.ts';

let ca: TestCa;
let folder = '';

before(async () => {
  ca = await createTestCa();
  folder = mkdtempSync(join(tmpdir(), 'outrider-switches-'));
  createPodFolders(join(folder, 'run'));
  writeFileSync(
    join(folder, 'weak.cnf'),
    'openssl_conf=o\n[o]\nssl_conf=s\n[s]\nsystem_default=d\n[d]\nCipherString=ALL:@SECLEVEL=0\n',
  );
});
after(() => {
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});

const { nodeFlags } = loadSidecarImage();
const start = (environment: Record<string, string>, more: readonly string[] = []) =>
  startPod({
    root: join(folder, 'run'),
    operator: '127.0.0.1:1',
    operatorCa: ca.authority.certPem,
    environment,
    nodeFlags: [...nodeFlags, ...more],
  });

const keyLog = (): string => join(folder, 'keys.log');
const switches: Record<string, () => Record<string, string>> = {
  'verification turned off': () => ({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
  'another CA': () => ({ NODE_EXTRA_CA_CERTS: ca.authority.certPath }),
  'other roots': () => ({ SSL_CERT_FILE: ca.authority.certPath }),
  'a folder of other roots': () => ({ SSL_CERT_DIR: ca.folder }),
  'the roots of the system': () => ({ NODE_USE_SYSTEM_CA: '1' }),
  "OpenSSL's configuration": () => ({ OPENSSL_CONF: join(folder, 'weak.cnf') }),
  'a log of keys by variable': () => ({ SSLKEYLOGFILE: keyLog() }),
  'a log of keys by option': () => ({ NODE_OPTIONS: `--tls-keylog=${keyLog()}` }),
  'an older TLS by option': () => ({ NODE_OPTIONS: '--tls-min-v1.0' }),
  'an inspector': () => ({ NODE_OPTIONS: '--inspect=127.0.0.1:0' }),
  'debug output': () => ({ NODE_DEBUG: 'tls,http' }),
};

describe('T-06, K-24: it does not start with', () => {
  for (const [title, environment] of Object.entries(switches)) {
    test(title, async () => {
      const pod = await start(environment());
      assert.match(pod.stderr(), /"code":"ENVIRONMENT_FORBIDDEN"/);
      assert.equal(await pod.end('SIGKILL'), 1);
      assert.equal(existsSync(keyLog()), false);
    });
  }
});

test('K-20: SIGUSR1 opens no inspector and ends nothing, under the flags of the image', async () => {
  const pod = await start({});
  process.kill(pod.process.pid ?? 0, 'SIGUSR1');
  await sleep(300);
  assert.doesNotMatch(pod.stderr(), /Debugger|inspector/i);
  assert.equal(await pod.health('/livez'), 200);
  await pod.end('SIGKILL');
});
