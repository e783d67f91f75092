// Whom the sidecar trusts: the public roots and the destination's CA, whatever its surroundings say.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from './program.ts';
import { startFixture } from '../proxy/fixture.ts';
import { createTestCa, originName, startOrigin, type TestCa } from '../proxy/origin.ts';
import { openTunnel, send } from '../proxy/raw-client.ts';

let ca: TestCa;
let rogue: TestCa;

before(async () => {
  [ca, rogue] = await Promise.all([createTestCa(), createTestCa()]);
});
after(() => {
  ca.close();
  rogue.close();
});

test('T-01: a destination without a CA bundle is checked against the public roots', async () => {
  const origin = await startOrigin(ca);
  const destination = {
    names: [originName],
    port: origin.port,
    scheme: 'https',
    cidrs: ['127.0.0.0/8'],
  } as const;
  const fixture = await startFixture({ ca, origin, ruleset: { destinations: { origin: destination } } });
  const tunnel = await openTunnel(fixture, origin.port);
  const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  assert.equal(answer.problem?.code, 'upstream_untrusted');
  tunnel.destroy();
  await fixture.close();
  await origin.close();
});

test('K-24: variables that widen what Node trusts change nothing', async (context) => {
  const origin = await startOrigin(rogue);
  context.after(() => origin.close());
  const script = join(ca.folder, 'dial.mjs');
  const root = new URL('../../../sidecar/', import.meta.url).href;
  writeFileSync(
    script,
    `import { createAddressGuard } from '${root}dns/addresses.ts';
    import { createResolver } from '${root}dns/resolver.ts';
    import { createDialler } from '${root}proxy/dialler.ts';
    const dial = createDialler({ resolver: createResolver({ overrides: { '${originName}': '127.0.0.1' } }), guard: createAddressGuard() });
    const destination = { names: [], port: 0, scheme: 'https', cidrs: ['127.0.0.0/8'] };
    await dial({ host: '${originName}', port: ${origin.port}, scheme: 'https', destination }).then(
      (socket) => { console.log('connected'); socket.destroy(); },
      (error) => console.log(error.refusal.reason),
    );`,
  );
  const { certPath } = rogue.authority;
  const trust = `NODE_EXTRA_CA_CERTS=${certPath} SSL_CERT_FILE=${certPath} NODE_OPTIONS=--use-openssl-ca`;
  const widened = [...trust.split(' '), 'NODE_TLS_REJECT_UNAUTHORIZED=0'];
  const output = await run('env', [...widened, process.execPath, script]);
  assert.equal(output, 'upstream_untrusted\n');
});

test("a certificate of the destination's CA is trusted", async () => {
  const origin = await startOrigin(ca);
  const fixture = await startFixture({ ca, origin });
  const tunnel = await openTunnel(fixture, origin.port);
  const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  assert.equal(answer.status, 200);
  tunnel.destroy();
  await fixture.close();
  await origin.close();
});
