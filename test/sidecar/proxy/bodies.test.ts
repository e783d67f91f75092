import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reason } from '../../../policy/reasons.ts';
import type { RulesetRule } from '../../../policy/ruleset.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, token, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import {
  compose,
  composeWith,
  expectClosed,
  openTunnel,
  readAnswer,
  send,
  type Answer,
} from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let early: Origin;
let fixture: Fixture;
let place = '';

const maxBytes = 64 * 1024;
const json = 'application/json';
const form = 'application/x-www-form-urlencoded';

const grants: RulesetRule[] = [
  {
    policy: 'team',
    name: 'refund',
    action: 'Allow',
    destination: 'origin',
    methods: ['POST'],
    paths: ['/refunds'],
    body: { types: ['Json', 'Form'], maxBytes, fields: { '/amount': { min: 1, max: 100 } } },
    credential: 'token',
  },
  {
    policy: 'team',
    name: 'tools',
    action: 'Allow',
    destination: 'origin',
    paths: ['/mcp'],
    mcp: { tools: [{ name: 'search_*' }] },
  },
  { policy: 'team', name: 'git', action: 'Allow', destination: 'origin', paths: ['/acme/**'] },
];
const plain: RulesetRule = { policy: 'team', name: 'plain', action: 'Allow', destination: 'origin' };
/** A guard holds on any port, where a grant of the form means 443. */
const guards: RulesetRule[] = [
  {
    policy: 'team',
    name: 'main-is-closed',
    action: 'Deny',
    github: {
      operations: ['Push'],
      branches: ['main'],
      hosts: { web: originName, api: 'api.ghe.example.test' },
    },
  },
];

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  early = await startOrigin(ca, { early: true, answer: (message) => message.pause() });
});
after(async () => {
  await origin.close();
  await early.close();
  ca.close();
});
beforeEach(async () => {
  origin.received.length = 0;
  await start();
});
afterEach(() => fixture.close());

async function start(options: { readonly maxReadMs?: number; readonly to?: Origin } = {}): Promise<void> {
  await fixture?.close();
  const { to = origin, ...rest } = options;
  fixture = await startFixture({ ca, origin: to, ruleset: { grants, guards: [] }, ...rest });
  place = `${originName}:${to.port}`;
}

const tunnel = (): Promise<Socket> => openTunnel(fixture, Number(place.split(':')[1]));

async function ask(bytes: string): Promise<Answer> {
  const socket = await tunnel();
  const answer = await send(socket, bytes);
  socket.destroy();
  return answer;
}

function padded(length: number): string {
  const start = '{"amount":5,"note":"';
  return `${start}${'x'.repeat(length - start.length - 2)}"}`;
}

function chunks(...parts: readonly string[]): string {
  return [...parts, ''].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
}

describe('a body that breaks its rule is refused, and nothing of it reaches the upstream', () => {
  const cases: Record<string, [string, string, Reason, number]> = {
    'H-55: an amount above the highest': [json, '{"amount":101}', 'no_grant', 403],
    'an amount that is not there': [json, '{}', 'no_grant', 403],
    'H-55: an amount above the highest in a form': [form, 'amount=101', 'no_grant', 403],
    'H-52: an amount twice': [form, 'amount=5&amount=5', 'no_grant', 403],
    'H-51: an amount twice in JSON': [json, '{"amount":5,"amount":500}', 'body_unreadable', 400],
    'what is not JSON': [json, '{"amount":5', 'body_unreadable', 400],
    'JSON that is not UTF-8': [json, '{"amount":5,"a":"\xff"}', 'body_unreadable', 400],
    'H-50: JSON sent as text': ['text/plain', '{"amount":5}', 'no_grant', 403],
    'a body of one byte too many': [json, padded(maxBytes + 1), 'body_too_large', 413],
    'a body that is much too long': [json, padded(4 * maxBytes), 'body_too_large', 413],
  };
  for (const [title, [type, body, code, status]] of Object.entries(cases)) {
    for (const framing of ['a length', 'chunks']) {
      test(`${title}, with ${framing}`, async () => {
        const half = Math.floor(body.length / 2);
        const head = `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n`;
        const inChunks = chunks(body.slice(0, half), body.slice(half));
        const bytes =
          framing === 'chunks'
            ? compose('POST', place, '/refunds', head, inChunks)
            : composeWith(place, '/refunds', type, body);
        const answer = await ask(bytes);
        assert.deepEqual([answer.problem?.code, answer.status], [code, status], answer.body);
        assert.equal(origin.received.length, 0);
        const words = `${answer.problem?.message} ${answer.problem?.closest?.message}`;
        assert.doesNotMatch(words, /101|500/, 'a value of the body is not repeated');
      });
    }
  }

  test('H-53: a compressed body, by its head', async () => {
    const answer = await ask(
      composeWith(place, '/refunds', json, '{"amount":5}', 'Content-Encoding: gzip\r\n'),
    );
    assert.deepEqual([answer.problem?.code, answer.status], ['body_unreadable', 400]);
  });

  test('M-01: a tool that the rule does not name', async () => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'drop_all' } };
    const answer = await ask(composeWith(place, '/mcp', json, JSON.stringify(message)));
    assert.equal(answer.problem?.closest?.field, 'mcp.tools');
    assert.equal(origin.received.length, 0);
  });
});

describe('H-05: what the head alone can refuse', () => {
  const announced = (path: string, type: string, length: number): string =>
    compose(
      'POST',
      place,
      path,
      `Content-Type: ${type}\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n`,
    );

  const cases: Record<string, () => [string, Reason]> = {
    'a path': () => [announced('/elsewhere', json, 5), 'no_grant'],
    'a media type': () => [announced('/refunds', 'text/plain', 5), 'no_grant'],
    'a length': () => [announced('/refunds', json, maxBytes + 1), 'body_too_large'],
  };
  for (const [title, build] of Object.entries(cases)) {
    test(`${title}: is refused in place of 100 Continue, and no body is waited for`, async () => {
      const [bytes, code] = build();
      const socket = await tunnel();
      const answer = await send(socket, bytes);
      assert.equal(answer.problem?.code, code, answer.rawHead);
      await expectClosed(socket);
      assert.equal((await fixture.record()).requestBytes, 0);
    });
  }

  test('and otherwise 100 Continue comes, then the decision about the body', async () => {
    for (const [body, status] of [
      ['{"amount":500}', 403],
      ['{"amount":5}', 200],
    ] as const) {
      const socket = await tunnel();
      assert.equal((await send(socket, announced('/refunds', json, body.length))).status, 100);
      assert.equal((await send(socket, body, 'POST')).status, status);
      socket.destroy();
    }
    assert.deepEqual(
      origin.received.map(({ body }) => body),
      ['{"amount":5}'],
    );
  });
});

describe('a body that was read', () => {
  for (const [title, length] of Object.entries({ small: 40, 'as long as it may be': maxBytes })) {
    for (const framing of ['a length', 'chunks']) {
      test(`arrives byte for byte when ${title}, with ${framing}`, async () => {
        const body = padded(length);
        const head = `Content-Type: ${json}\r\nTransfer-Encoding: chunked\r\n`;
        const bytes =
          framing === 'chunks'
            ? compose('POST', place, '/refunds', head, chunks(body.slice(0, 7), body.slice(7)))
            : composeWith(place, '/refunds', json, body);
        const answer = await ask(bytes);
        assert.equal(answer.status, 200, answer.body);
        const [request] = origin.received;
        assert.equal(request?.body, body);
        assert.equal(request.headers.authorization, `Bearer ${token}`);
        assert.equal((await fixture.record()).requestBytes, length);
      });
    }
  }

  for (const framing of ['a length', 'chunks']) {
    test(`too far for one rule goes on for another that does not look, with ${framing}`, async () => {
      const looks: RulesetRule = { ...(grants[0] as RulesetRule), name: 'a', paths: ['/any'] };
      fixture.swap({ grants: [looks, { ...plain, name: 'b', paths: ['/any'] }] });
      const body = padded(5 * maxBytes);
      const head = `Content-Type: ${json}\r\nTransfer-Encoding: chunked\r\n`;
      const bytes =
        framing === 'chunks'
          ? compose('POST', place, '/any', head, chunks(body.slice(0, 99_999), body.slice(99_999)))
          : composeWith(place, '/any', json, body);
      assert.equal((await ask(bytes)).status, 200);
      const [request] = origin.received;
      assert.ok(request?.body === body, 'the same bytes');
      assert.equal(request.headers.authorization, undefined);
      const record = await fixture.record();
      assert.deepEqual([record.requestBytes, record.decision?.rule], [body.length, 'b']);
    });
  }

  test('leaves the connection to the next request, after a refusal and after an answer', async () => {
    const socket = await tunnel();
    const statuses: number[] = [];
    for (const amount of [5, 500, 6, 700, 7]) {
      const answer = await send(socket, composeWith(place, '/refunds', json, `{"amount":${amount}}`));
      statuses.push(answer.status);
    }
    assert.deepEqual(statuses, [200, 403, 200, 403, 200]);
    socket.destroy();
  });

  test('H-06: does not mix with requests that came ahead of its answer', async () => {
    const socket = await tunnel();
    socket.write(
      composeWith(place, '/refunds', json, '{"amount":500}') +
        composeWith(place, '/refunds', json, '{"amount":5}') +
        compose('GET', place, '/elsewhere'),
    );
    assert.equal((await readAnswer(socket)).status, 403);
    assert.equal((await readAnswer(socket)).body, 'hello');
    assert.equal((await readAnswer(socket)).problem?.code, 'no_grant');
    socket.destroy();
  });

  test('H-06: that was refused half-way closes the connection: what follows is not read', async () => {
    const socket = await tunnel();
    const body = padded(2 * maxBytes);
    const head = `Content-Type: ${json}\r\nTransfer-Encoding: chunked\r\n`;
    socket.write(compose('POST', place, '/refunds', head, chunks(body).slice(0, maxBytes + 100)));
    const answer = await readAnswer(socket);
    assert.equal(answer.status, 413);
    assert.equal(answer.headers.connection, 'close');
    socket.write(composeWith(place, '/refunds', json, '{"amount":5}'));
    await expectClosed(socket);
    assert.equal(origin.received.length, 0);
  });

  test('is decided by the policy that is in force once it is whole', async () => {
    const socket = await tunnel();
    const bytes = composeWith(place, '/refunds', json, '{"amount":5}');
    socket.write(bytes.slice(0, -3));
    await sleep(100);
    fixture.swap({ halt: { policy: 'stop' } });
    assert.equal((await send(socket, bytes.slice(-3), 'POST')).problem?.code, 'halted');
    socket.destroy();
    assert.equal(origin.received.length, 0);
  });
});

describe('a body that does not come', () => {
  test('in time is refused, and the connection closes', async () => {
    await start({ maxReadMs: 200 });
    const socket = await tunnel();
    const answer = await send(socket, composeWith(place, '/refunds', json, '{"amount":5}').slice(0, -3));
    assert.deepEqual([answer.status, answer.problem?.code], [408, 'request_timeout']);
    await expectClosed(socket);
    assert.equal(origin.received.length, 0);
  });

  test('because the agent left ends the exchange, with no answer and nothing sent', async () => {
    const socket = await tunnel();
    socket.write(composeWith(place, '/refunds', json, '{"amount":5}').slice(0, -3));
    await sleep(100);
    socket.destroy();
    const record = await fixture.record();
    assert.deepEqual([record.status, record.refusal, record.decision], [0, null, null]);
    assert.equal(origin.received.length, 0);
  });

  test('D: because agents leave, at whatever byte, leaves nothing behind', async () => {
    const whole =
      composeWith(place, '/refunds', json, '{"amount":500}') +
      compose(
        'POST',
        place,
        '/refunds',
        `Content-Type: ${json}\r\nTransfer-Encoding: chunked\r\n`,
        '5\r\n{"amo\r\n',
      );
    for (let at = 1; at <= whole.length; at += 5) {
      const socket = await tunnel();
      socket.write(whole.slice(0, at));
      await sleep(at % 3);
      socket.destroy();
    }
    assert.equal((await ask(composeWith(place, '/refunds', json, '{"amount":5}'))).status, 200);
    assert.equal(origin.received.length, 1);
    // Hangs, were an exchange still waiting.
    await fixture.close();
    await start();
  });

  test('because the agent left at a half-closed connection gets no 200', async () => {
    const socket = await tunnel();
    const seen: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => seen.push(chunk));
    socket.end(composeWith(place, '/refunds', json, '{"amount":5}').slice(0, -3));
    await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
    assert.doesNotMatch(Buffer.concat(seen).toString(), /200 OK/);
    assert.equal((await fixture.record()).status, 0);
  });

  for (const [title, when] of Object.entries({ 'is read': 0, 'waits for the secret': 300 })) {
    test(`H-03: because its chunks are broken is refused at once while it ${title}`, async () => {
      fixture.beforeResolve(() => sleep(when));
      const isRead = when === 0;
      // What no rule looks into is still on its way while the secret is fetched.
      if (!isRead) fixture.swap({ grants: grants.map(({ body: _body, ...rule }) => rule), guards: [] });
      const socket = await tunnel();
      const head = `Content-Type: ${json}\r\nTransfer-Encoding: chunked\r\n`;
      socket.write(compose('POST', place, '/refunds', head, '5\r\n{"amo\r\n'));
      await sleep(100);
      const answer = await send(socket, 'zz\r\n', 'POST');
      assert.equal(answer.problem?.code, 'request_malformed');
      await expectClosed(socket);
      assert.equal(origin.received.length, 0);
    });
  }
});

describe('a push', () => {
  beforeEach(() => fixture.swap({ guards }));
  const oid = 'a'.repeat(40);
  const packet = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  const updates = (ref: string): string =>
    `${packet(`${'0'.repeat(40)} ${oid} ${ref}\0 report-status\n`)}0000`;
  const head = 'Content-Type: application/x-git-receive-pack-request\r\n';
  const path = '/acme/docs.git/git-receive-pack';

  test('to a branch that is closed is refused before its pack has come', async () => {
    const socket = await tunnel();
    const bytes = compose(
      'POST',
      place,
      path,
      `${head}Content-Length: 9000000\r\n`,
      updates('refs/heads/main'),
    );
    const answer = await send(socket, bytes);
    assert.deepEqual([answer.problem?.code, answer.problem?.rule], ['denied_by_rule', 'main-is-closed']);
    socket.destroy();
    assert.equal(origin.received.length, 0);
  });

  test('to another arrives byte for byte, however it is cut into pieces', async () => {
    const pack = Buffer.alloc(3 * 1024 * 1024, 'PACK and what follows').toString('latin1');
    const body = updates('refs/heads/agent/x') + pack;
    const socket = await tunnel();
    socket.write(compose('POST', place, path, `${head}Transfer-Encoding: chunked\r\n`));
    for (const byte of body.slice(0, 120)) socket.write(`1\r\n${byte}\r\n`);
    socket.write(Buffer.from(chunks(body.slice(120)), 'latin1'));
    assert.equal((await readAnswer(socket, 'POST')).status, 200);
    assert.ok(origin.received[0]?.body === body, 'the same bytes');
    socket.destroy();
  });

  test('D: whose upstream does not read its pack stops the agent from sending', async () => {
    await start({ to: early });
    fixture.swap({ guards });
    const socket = await tunnel();
    let written = 0;
    socket.write(
      compose(
        'POST',
        place,
        path,
        `${head}Transfer-Encoding: chunked\r\n`,
        chunks(updates('refs/heads/x')).slice(0, -5),
      ),
    );
    const block = Buffer.from(chunks('x'.repeat(65_536)).slice(0, -5), 'latin1');
    const more = (): void => {
      while (written < 256 * 1024 * 1024 && socket.write(block)) written += block.length;
    };
    socket.on('drain', more);
    more();
    let before = -1;
    await waitFor({ what: 'the agent to wait', timeoutMs: 20_000, everyMs: 500 }, async () => {
      const isStill = before === written;
      before = written;
      return isStill;
    });
    assert.ok(written < 24 * 1024 * 1024, `${written} bytes are under way`);
    socket.destroy();
  });
});
