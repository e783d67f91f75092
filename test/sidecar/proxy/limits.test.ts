import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RulesetLimit, RulesetRule } from '../../../policy/ruleset.ts';
import { startFixture, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  type Answer as Answering,
  type Origin,
  type TestCa,
} from './origin.ts';
import { compose, composeWith, openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let place = '';
let answering: Answering;

const json = 'application/json';

function limited(limit: Partial<RulesetLimit>, rest: Partial<RulesetRule> = {}): RulesetRule {
  const whole = {
    name: 'bound',
    max: 2,
    windowMs: 60_000,
    scope: 'Pod',
    exceeded: 'Deny',
    ...limit,
  } as const;
  const rule = { policy: 'team', name: 'limited', action: 'Allow', destination: 'origin' } as const;
  return { ...rule, paths: ['/limited'], limits: [whole], ...rest };
}

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (...args) => answering(...args) });
});
after(async () => {
  await origin.close();
  ca.close();
});
beforeEach(async () => {
  answering = (_message, response) => response.end('hello');
  origin.received.length = 0;
  fixture = await startFixture({ ca, origin });
  place = `${originName}:${origin.port}`;
});
afterEach(() => fixture.close());

async function ask(bytes: string, port = origin.port): Promise<Answer> {
  const socket = await openTunnel(fixture, port);
  const answer = await send(socket, bytes);
  socket.destroy();
  return answer;
}

const get = (): string => compose('GET', place, '/limited');
const post = (body: object): string => composeWith(place, '/limited', json, JSON.stringify(body));

async function statusesOf(...requests: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  for (const bytes of requests) statuses.push((await ask(bytes)).status);
  return statuses;
}

describe('a limit that is used up', () => {
  test('refuses what goes beyond it, names itself, and says when to try again', async () => {
    fixture.swap({ grants: [limited({})] });
    assert.deepEqual(await statusesOf(get(), get()), [200, 200]);
    const { status, problem, headers } = await ask(get());
    assert.deepEqual([status, problem?.code, problem?.rule], [429, 'limit_exceeded', 'limited']);
    assert.equal(problem?.closest?.field, 'limits[bound]');
    const seconds = Number(headers['retry-after']);
    assert.ok(seconds > 0 && seconds <= 61, `Retry-After: ${seconds}`);
    assert.equal(origin.received.length, 2);
    for (let at = 0; at < 2; at += 1) await fixture.record();
    const { decision } = await fixture.record();
    assert.deepEqual([decision?.action, decision?.reason], ['deny', 'limit_exceeded']);
  });

  test('counts requests at the same time no further than one after the other', async () => {
    fixture.swap({ grants: [limited({ max: 5 })] });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(get())));
    assert.equal(answers.filter(({ status }) => status === 200).length, 5);
    assert.equal(origin.received.length, 5);
  });

  test('of a sum leaves room for smaller amounts', async () => {
    const body = { types: ['Json'], maxBytes: 1024 } as const;
    fixture.swap({ grants: [limited({ sum: '/amount', max: 100 }, { body })] });
    const amounts = [60, 60, 40, 1].map((amount) => post({ amount }));
    assert.deepEqual(await statusesOf(...amounts), [200, 429, 200, 429]);
    assert.deepEqual(
      origin.received.map(({ body: sent }) => sent),
      ['{"amount":60}', '{"amount":40}'],
    );
  });

  test('by one request alone is not worth another try', async () => {
    fixture.swap({ grants: [limited({ sum: '/amount', max: 100 })] });
    const { status, headers } = await ask(post({ amount: 101 }));
    assert.deepEqual([status, headers['retry-after']], [429, undefined]);
    fixture.swap({ grants: [limited({ sum: '/amount', max: 100, windowMs: null })] });
    assert.deepEqual(await statusesOf(post({ amount: 101 }), post({ amount: 100 })), [429, 200]);
    assert.equal(origin.received.length, 1);
  });

  test('asks for an approval where it says so, and the request is not sent', async () => {
    fixture.swap({ grants: [limited({ max: 1, exceeded: 'RequireApproval' })] });
    assert.equal((await ask(get())).status, 200);
    const { status, problem } = await ask(get());
    assert.deepEqual([status, problem?.code], [403, 'approval_required']);
    await fixture.record();
    const { decision } = await fixture.record();
    assert.equal(decision?.action, 'hold');
    assert.equal(origin.received.length, 1);
  });

  test('is asked of no request that is refused anyway', async () => {
    const never = { policy: 'team', name: 'never', action: 'Deny', paths: ['/limited'] } as const;
    fixture.swap({ grants: [limited({ max: 1 })], guards: [never] });
    assert.deepEqual(await statusesOf(get(), get()), [403, 403]);
    fixture.swap({ grants: [limited({ max: 1 })] });
    assert.deepEqual(await statusesOf(get(), get()), [200, 429]);
  });
});

describe('what was reserved', () => {
  test('is given back when the upstream cannot be reached', async () => {
    const dead = await startOrigin(ca);
    await dead.close();
    const grants = [limited({ max: 1 })];
    const destination = {
      names: [originName],
      port: dead.port,
      scheme: 'https',
      cidrs: ['127.0.0.0/8'],
    } as const;
    fixture.swap({ grants, destinations: { origin: destination } });
    const bytes = compose('GET', `${originName}:${dead.port}`, '/limited');
    assert.equal((await ask(bytes, dead.port)).problem?.code, 'upstream_unreachable');
    fixture.swap({ grants });
    assert.deepEqual(await statusesOf(get(), get()), [200, 429]);
  });

  test('is given back when the secret cannot be had', async () => {
    fixture.swap({ grants: [limited({ max: 1 }, { credential: 'token' })] });
    fixture.setSecret(null);
    assert.equal((await ask(get())).status, 503);
    fixture.setSecret('again');
    assert.deepEqual(await statusesOf(get(), get()), [200, 429]);
  });

  test('is given back when the agent leaves before it is sent', async () => {
    fixture.swap({ grants: [limited({ max: 1 }, { credential: 'token' })] });
    fixture.beforeResolve(() => sleep(200));
    const socket = await openTunnel(fixture, origin.port);
    socket.write(get());
    await sleep(50);
    socket.destroy();
    await fixture.record();
    assert.deepEqual(await statusesOf(get(), get()), [200, 429]);
  });

  test('is charged once, however often a 401 has the request sent', async () => {
    fixture.swap({ grants: [limited({ max: 2 }, { credential: 'token' })] });
    let reads = 0;
    fixture.beforeResolve(() => fixture.setSecret(reads++ === 0 ? 'old' : 'new'));
    answering = (message, response) => {
      response.statusCode = message.headers.authorization === 'Bearer old' ? 401 : 200;
      response.end();
    };
    assert.deepEqual(await statusesOf(get(), get(), get()), [200, 200, 429]);
    assert.equal(origin.received.length, 3);
  });

  test('counts although the answer is an error, since it was sent', async () => {
    fixture.swap({ grants: [limited({ max: 1 })] });
    answering = (_message, response) => response.writeHead(500).end();
    assert.deepEqual(await statusesOf(get(), get()), [500, 429]);
  });

  test('P-11: under a policy that was changed while the secret was fetched is reserved anew', async () => {
    fixture.swap({ grants: [limited({ max: 9 }, { credential: 'token' })] });
    assert.equal((await ask(get())).status, 200);
    fixture.beforeResolve(() => fixture.swap({ grants: [limited({ max: 1 }, { credential: 'token' })] }));
    assert.equal((await ask(get())).problem?.code, 'limit_exceeded');
    assert.equal(origin.received.length, 1);
  });

  test('P-11: under a policy that was changed while the upstream was dialled is not enough', async () => {
    fixture.swap({ grants: [limited({ max: 9 })] });
    fixture.beforeDial(() => fixture.swap({ grants: [limited({ max: 1 })] }));
    assert.equal((await ask(get())).problem?.code, 'policy_stale');
    assert.equal(origin.received.length, 0);
    fixture.beforeDial(() => {});
    assert.deepEqual(await statusesOf(get(), get()), [200, 429]);
  });
});

describe('tokens', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const completion = (): string =>
    composeWith(place, '/limited', json, '{"model":"m","max_tokens":1000}', 'Accept-Encoding: gzip\r\n');
  const asJson: Answering = (_message, response) => {
    response.writeHead(200, { 'content-type': json }).end(JSON.stringify({ id: 'x', choices: [], usage }));
  };
  const events = [{ choices: [{ delta: { content: 'hi' } }] }, { choices: [], usage }];
  const asStream = (last: string): Answering => {
    return (_message, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
      response.end(last);
    };
  };

  const unsettled: Record<string, Answering> = {
    'do not say': (_message, response) => response.writeHead(200, { 'content-type': json }).end('{}'),
    'are coded all the same': (_message, response) => {
      response.writeHead(200, { 'content-type': json, 'content-encoding': 'br' }).end('xx');
    },
    'break off': asStream(''),
  };
  for (const [title, answer] of Object.entries(unsettled)) {
    test(`stay reserved when answers ${title}`, async () => {
      fixture.swap({ grants: [limited({ usage: 'Tokens', max: 1500 })] });
      answering = answer;
      assert.deepEqual(await statusesOf(completion(), completion()), [200, 429]);
    });
  }

  for (const [title, answer] of Object.entries({
    'a body': asJson,
    'a stream': asStream('data: [DONE]\n\n'),
  })) {
    test(`are settled from the usage that ${title} states, which arrives unchanged`, async () => {
      fixture.swap({ grants: [limited({ usage: 'Tokens', max: 1100 })] });
      answering = answer;
      // Each reserves 1031, so that a second fits only when 15 were taken after all.
      const first = await ask(completion());
      assert.deepEqual([first.status, first.body.includes('"total_tokens":15')], [200, true]);
      const statuses = await statusesOf(...Array.from({ length: 6 }, completion));
      assert.deepEqual(statuses, [200, 200, 200, 200, 429, 429]);
      assert.equal(origin.received[0]?.headers['accept-encoding'], 'identity');
    });
  }

  test('H-34: that nobody counts leave Accept-Encoding alone', async () => {
    fixture.swap({ grants: [limited({})] });
    await ask(completion());
    assert.equal(origin.received[0]?.headers['accept-encoding'], 'gzip');
  });
});
