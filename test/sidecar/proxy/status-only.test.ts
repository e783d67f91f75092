import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import type { RulesetRule } from '../../../policy/ruleset.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  type Answer as Answering,
  type Origin,
  type TestCa,
} from './origin.ts';
import { compose, openTunnel, send } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let place = '';
let answering: Answering;

const write: RulesetRule = {
  policy: 'team',
  name: 'write',
  action: 'Allow',
  destination: 'origin',
  paths: ['/events'],
  statusOnly: true,
};
const read: RulesetRule = {
  policy: 'team',
  name: 'read',
  action: 'Allow',
  destination: 'origin',
  paths: ['/events'],
};

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (...args) => answering(...args) });
  place = `${originName}:${origin.port}`;
});
after(async () => {
  await origin.close();
  ca.close();
});
beforeEach(async () => {
  origin.received.length = 0;
  fixture = await startFixture({ ca, origin, ruleset: { grants: [write], guards: [] } });
});
afterEach(() => fixture.close());

const secret = 'what the agent must not read';

/** Every byte that came, without the connection's own header lines. */
async function rawAnswer(method = 'GET'): Promise<string> {
  const socket = await openTunnel(fixture, origin.port);
  const bytes: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => bytes.push(chunk));
  socket.write(compose(method, place, '/events'));
  await fixture.record();
  // Whatever came after the end of the answer would be here before the answer to this.
  socket.write(compose('GET', place, '/elsewhere'));
  const text = (): string => Buffer.concat(bytes).toString('latin1');
  await waitFor(
    { what: 'the next answer', timeoutMs: 10_000, everyMs: 5 },
    async () => socket.destroyed || text().includes('no_grant'),
  );
  socket.destroy();
  const [before = ''] = text().split('HTTP/1.1 403');
  return before.replace(/^(?:Connection|Keep-Alive): .*\r\n/gm, '');
}

describe('of an answer the agent gets the status alone', () => {
  const content = { 'content-type': 'text/plain', etag: `"${secret}"`, 'set-cookie': secret };
  const cases: Record<string, [Answering, string]> = {
    'when it has a body': [(_m, response) => response.writeHead(200, content).end(secret), '200 OK'],
    'when it comes in chunks': [
      (_m, response) => {
        response.writeHead(201, content).write(secret);
        setTimeout(() => response.end(secret), 30);
      },
      '201 Created',
    ],
    'when it says why not': [(_m, response) => response.writeHead(403, content).end(secret), '403'],
    'when it has a reason of its own': [
      (_m, response) => response.writeHead(422, secret, content).end(secret),
      '422',
    ],
    'when it redirects': [(_m, response) => response.writeHead(302, { location: secret }).end(), '302'],
    'when it asks for a login': [
      (_m, response) => response.writeHead(401, { 'www-authenticate': secret }).end(secret),
      '401',
    ],
    'when it has hints before it': [
      (_m, response) => {
        response.writeEarlyHints({ link: `</${encodeURIComponent(secret)}>; rel=preload` });
        response.writeHead(200, content).end(secret);
      },
      '200 OK',
    ],
    'when it has trailers': [
      (_m, response) => {
        response.writeHead(200, { trailer: 'x-t' });
        response.write(secret);
        response.addTrailers({ 'x-t': secret });
        response.end();
      },
      '200 OK',
    ],
  };
  for (const [title, [answer, status]] of Object.entries(cases)) {
    test(title, async () => {
      // The refusal of the request that follows is a 403, too.
      answering = answer;
      const text = status === '403' ? await firstHead() : await rawAnswer();
      assert.match(text, new RegExp(`^HTTP/1.1 ${status}[^\\r]*\\r\\ncontent-length: 0\\r\\n(?:\\r\\n)?$`));
    });
  }

  /** The head of the answer, lines of the connection's own left out. */
  async function firstHead(): Promise<string> {
    const socket = await openTunnel(fixture, origin.port);
    const { rawHead, body } = await send(socket, compose('GET', place, '/events'));
    socket.destroy();
    return `${rawHead.replace(/^(?:Connection|Keep-Alive): .*(?:\r\n|$)/gm, '')}${body}`;
  }

  for (const [method, status] of [
    ['GET', 204],
    ['GET', 304],
    ['HEAD', 200],
    ['DELETE', 204],
  ] as const) {
    test(`when it is ${status} to ${method}`, async () => {
      answering = (_m, response) => response.writeHead(status, { etag: `"${secret}"` }).end();
      const text = await rawAnswer(method);
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} [^\\r]*\\r\\n(?:content-length: 0\\r\\n)?\\r\\n$`));
      if (status === 204) assert.doesNotMatch(text, /content-length/);
    });
  }

  test('and not even that when it breaks off', async () => {
    answering = (_m, response) => {
      response.writeHead(200, { 'content-length': 100 }).write(secret);
      setTimeout(() => response.destroy(), 50);
    };
    assert.equal(await rawAnswer(), '');
    assert.equal(fixture.records[0]?.refusal?.reason, 'upstream_unreachable');
  });

  test('while what came is counted', async () => {
    answering = (_m, response) => response.end('x'.repeat(300_000));
    const socket = await openTunnel(fixture, origin.port);
    const { status, body } = await send(socket, compose('GET', place, '/events'));
    assert.deepEqual([status, body], [200, '']);
    socket.destroy();
    const record = await fixture.record();
    assert.deepEqual([record.responseBytes, record.upstreamStatus, record.status], [300_000, 200, 200]);
  });

  test('also where another rule would return more', async () => {
    fixture.swap({ grants: [read, write] });
    answering = (_m, response) => response.end(secret);
    assert.doesNotMatch(await rawAnswer(), /must not/);
  });
});

describe('P-11: a policy that comes to return the status alone', () => {
  beforeEach(() => fixture.swap({ grants: [read] }));

  test('while the upstream is dialled is obeyed: nothing is sent', async () => {
    fixture.beforeDial(() => fixture.swap({ grants: [write] }));
    answering = (_m, response) => response.end(secret);
    const socket = await openTunnel(fixture, origin.port);
    const { problem } = await send(socket, compose('GET', place, '/events'));
    assert.equal(problem?.code, 'policy_stale');
    assert.equal(origin.received.length, 0);
    socket.destroy();
  });

  test('while the answer is awaited cuts the request', async () => {
    answering = () => fixture.swap({ grants: [write] });
    const socket = await openTunnel(fixture, origin.port);
    const { problem } = await send(socket, compose('GET', place, '/events'));
    assert.equal(problem?.code, 'policy_stale');
    socket.destroy();
  });
});
