import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Reason } from '../../../policy/reasons.ts';
import type { RulesetDestination, RulesetRule } from '../../../policy/ruleset.ts';
import { startFixture, tokenPlaceholder, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  startPlainOrigin,
  type Origin,
  type TestCa,
} from './origin.ts';
import { compose, composeWith, openSocket, openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let secure: Origin;
let plain: Origin;
let fixture: Fixture;

const rule = { policy: 'team', name: 'any', action: 'Allow' } as const;

before(async () => {
  ca = await createTestCa();
  secure = await startOrigin(ca);
  plain = await startPlainOrigin();
});
after(async () => {
  await secure.close();
  await plain.close();
  ca.close();
});
beforeEach(async () => {
  plain.received.length = 0;
  secure.received.length = 0;
  fixture = await startFixture({ ca, origin: secure });
  swap();
});
afterEach(() => fixture.close());

/** `secure` and `plain` are the same name on two ports. */
function swap(changes: Partial<RulesetRule> = {}, plainChanges: Partial<RulesetDestination> = {}): void {
  const common = { names: [originName], cidrs: ['127.0.0.0/8'] };
  const tls = { ...common, port: secure.port, scheme: 'https', caBundle: ca.authority.certPem } as const;
  fixture.swap({
    guards: [],
    grants: [
      { ...rule, destination: 'secure' },
      { ...rule, name: 'plain', destination: 'plain', ...changes },
    ],
    destinations: { secure: tls, plain: { ...common, port: plain.port, scheme: 'http', ...plainChanges } },
  });
}

const placeOf = ({ port }: Origin): string => `${originName}:${port}`;

async function overProxy(url: string, head = ''): Promise<Answer> {
  const socket = await openSocket(fixture.port);
  const place = url.split('/')[2] ?? '';
  const answer = await send(socket, compose('GET', place, url, head));
  socket.destroy();
  return answer;
}

async function inTunnel(to: Origin): Promise<Answer> {
  const socket: Socket = await openTunnel(fixture, to.port);
  const answer = await send(socket, compose('GET', placeOf(to), '/x'));
  socket.destroy();
  return answer;
}

describe('plain HTTP is refused', () => {
  const cases: Record<string, [() => Promise<Answer>, Reason]> = {
    'to a destination of TLS': [() => overProxy(`http://${placeOf(secure)}/x`), 'no_grant'],
    'and TLS to a destination of plain HTTP, by a whole URL': [
      () => overProxy(`https://${placeOf(plain)}/x`),
      'no_grant',
    ],
    'and TLS to a destination of plain HTTP, through CONNECT': [() => inTunnel(plain), 'no_grant'],
    'to a host that rules name': [
      () => {
        fixture.swap({ guards: [], grants: [{ ...rule, hosts: [originName] }] });
        return overProxy(`http://${originName}/x`);
      },
      'no_grant',
    ],
    'N: to an address that the destination does not open': [
      () => {
        swap({}, { cidrs: ['10.0.0.0/8'] });
        return overProxy(`http://${placeOf(plain)}/x`);
      },
      'destination_blocked',
    ],
    'N: to loopback where the destination is a Service': [
      () => {
        swap({}, { cidrs: null });
        return overProxy(`http://${placeOf(plain)}/x`);
      },
      'destination_blocked',
    ],
    'with a credential of ours': [
      () => {
        swap({ credential: 'token' });
        return overProxy(`http://${placeOf(plain)}/x`);
      },
      'credential_ceiling',
    ],
    'with a placeholder, which nothing would replace': [
      () => overProxy(`http://${placeOf(plain)}/x`, `Authorization: Bearer ${tokenPlaceholder}\r\n`),
      'credential_ambiguous',
    ],
  };
  for (const [title, [request, code]] of Object.entries(cases)) {
    test(title, async () => {
      const answer = await request();
      assert.equal(answer.problem?.code, code, answer.body);
      assert.deepEqual([plain.received.length, secure.received.length], [0, 0]);
    });
  }
});

describe('plain HTTP where an AgentDestination says so', () => {
  test('goes out as it was decided, without TLS, and is recorded as http', async () => {
    const answer = await overProxy(`http://${placeOf(plain)}/x?q=1`, 'Authorization: Bearer own\r\n');
    assert.equal(answer.body, 'hello');
    const [request] = plain.received;
    assert.equal(request?.url, '/x?q=1');
    assert.equal(request.headers.host, placeOf(plain));
    assert.equal(request.headers.authorization, 'Bearer own');
    const record = await fixture.record();
    assert.equal(record.request?.scheme, 'http');
  });

  test('keeps connections apart from those of TLS, and uses them again', async () => {
    const before = plain.connections();
    for (let at = 0; at < 3; at += 1) {
      assert.equal((await overProxy(`http://${placeOf(plain)}/x`)).status, 200);
      assert.equal((await inTunnel(secure)).status, 200);
    }
    assert.equal(plain.connections() - before, 1);
    assert.equal(secure.received.length, 3);
  });

  test('has its bodies read and sent like others', async () => {
    const body = { types: ['Json'], maxBytes: 1024, fields: { '/a': { equals: '1' } } } as const;
    swap({ body });
    const socket = await openSocket(fixture.port);
    const url = `http://${placeOf(plain)}/x`;
    const post = (text: string): string => composeWith(placeOf(plain), url, 'application/json', text);
    assert.equal((await send(socket, post('{"a":"2"}'))).status, 403);
    assert.equal((await send(socket, post('{"a":"1"}'))).status, 200);
    assert.deepEqual(
      plain.received.map((request) => request.body),
      ['{"a":"1"}'],
    );
    socket.destroy();
  });

  test('to a port where nobody listens is upstream_unreachable', async () => {
    const gone = await startPlainOrigin();
    await gone.close();
    swap({}, { port: gone.port });
    assert.equal((await overProxy(`http://${placeOf(gone)}/x`)).problem?.code, 'upstream_unreachable');
  });
});
