import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reason } from '../../../policy/reasons.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, token, tokenPlaceholder, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  type Answer as Answering,
  type Origin,
  type Received,
  type TestCa,
} from './origin.ts';
import { expectClosed, openSocket, openTunnel, readAnswer, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let early: Origin;
let fixture: Fixture;
let place = '';
let answering: Answering;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (...args) => answering(...args) });
  early = await startOrigin(ca, { early: true, answer: (...args) => answering(...args) });
});
after(async () => {
  await origin.close();
  await early.close();
  ca.close();
});
beforeEach(async () => {
  answering = (_message, response) => response.end('hello');
  origin.received.length = 0;
  fixture = await startFixture({ ca, origin });
  place = `${originName}:${origin.port}`;
});
afterEach(() => fixture.close());

const tunnel = (): Promise<Socket> => openTunnel(fixture, origin.port);

async function ask(bytes: string): Promise<Answer> {
  const socket = await tunnel();
  const answer = await send(socket, bytes);
  socket.destroy();
  return answer;
}

function get(path: string, head = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${place}\r\n${head}\r\n`;
}

function post(path: string, head: string, body = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${place}\r\n${head}\r\n${body}`;
}

function lines(request: Received | undefined): string[] {
  const raw = request?.rawHeaders ?? [];
  return raw.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${raw[at + 1]}`] : []));
}

async function refusedWith(bytes: string, code: Reason, status: number): Promise<Answer> {
  const answer = await ask(bytes);
  assert.equal(answer.problem?.code, code, answer.body);
  assert.equal(answer.status, status);
  return answer;
}

describe('a refusal', () => {
  test('by default names the rule that came nearest and what it allows', async () => {
    const { problem, headers } = await refusedWith(get('/elsewhere'), 'no_grant', 403);
    assert.equal(headers['content-type'], 'application/problem+json');
    assert.equal(headers['cache-control'], 'no-store');
    assert.deepEqual(problem?.closest, {
      policy: 'team',
      rule: 'plain',
      field: 'paths',
      message: 'The rule allows /plain/**, not /elsewhere.',
    });
    assert.equal(problem.message, 'The rule allows /plain/**, not /elsewhere.');
    assert.equal(problem.rule, null);
    assert.equal(problem.policy, null);
    assert.equal(problem.title, 'No rule allows this request.');
    assert.equal(problem.retryAfter, null);
    assert.equal(origin.received.length, 0);
  });

  test('by a rule names it, with its message', async () => {
    const { problem } = await refusedWith(get('/token/forbidden/x'), 'denied_by_rule', 403);
    assert.equal(problem?.policy, 'team');
    assert.equal(problem.rule, 'never');
    assert.equal(problem.message, 'Ask Ada.');
  });

  test('when the lease has ended says when to try again', async () => {
    fixture.setFresh(false);
    const { problem, headers } = await refusedWith(get('/token/x'), 'policy_stale', 503);
    assert.equal(problem?.retryAfter, 10);
    assert.equal(headers['retry-after'], '10');
  });

  test('when the agent is halted', async () => {
    fixture.swap({ halt: { policy: 'stop' } });
    const { problem } = await refusedWith(get('/token/x'), 'halted', 403);
    assert.equal(problem?.policy, 'stop');
  });

  test('S-13: when the secret cannot be had names a code and no more', async () => {
    fixture.setSecret(null);
    const { problem } = await refusedWith(get('/token/x'), 'secret_unavailable', 503);
    assert.equal(problem?.message, 'The secret of token could not be had (VAULT_SEALED).');
    const record = await fixture.record();
    assert.equal(record.errorCode, 'VAULT_SEALED');
    assert.equal(record.refusal?.reason, 'secret_unavailable');
    assert.equal(record.decision?.action, 'allow');
    assert.deepEqual(
      record.phases.map(({ name, error }) => [name, error]),
      [
        ['decide', undefined],
        ['resolve', 'VAULT_SEALED'],
      ],
    );
  });

  test('H-32: when the secret cannot be a header does not print it', async () => {
    fixture.setSecret('line\r\nX-Evil: 1');
    const answer = await refusedWith(get('/token/x'), 'secret_unavailable', 503);
    assert.doesNotMatch(answer.body, /Evil/);
    assert.equal((await fixture.record()).errorCode, 'SECRET_UNPRINTABLE');
    assert.equal(origin.received.length, 0);
  });

  test('leaves the connection open for the next request', async () => {
    const socket = await tunnel();
    assert.equal((await send(socket, get('/elsewhere'))).status, 403);
    assert.equal((await send(socket, get('/token/x'))).status, 200);
    socket.destroy();
  });

  test('H-06: before the body has come closes the connection, and what follows is not read', async () => {
    const socket = await tunnel();
    const answer = await send(socket, post('/elsewhere', 'Content-Length: 100\r\n', 'GET '));
    assert.equal(answer.status, 403);
    assert.equal(answer.headers.connection, 'close');
    socket.write(get('/token/smuggled'));
    await expectClosed(socket);
    assert.equal(origin.received.length, 0);
  });

  test('H-06: with unread bytes still reaches a client that writes before it reads', async () => {
    const socket = await tunnel();
    socket.write(post('/elsewhere', 'Content-Length: 600000\r\n', 'x'.repeat(300_000)));
    await sleep(50);
    socket.write('x'.repeat(300_000));
    assert.equal((await readAnswer(socket)).status, 403);
    await expectClosed(socket);
  });

  test('H-05: comes in place of 100 Continue', async () => {
    const socket = await tunnel();
    const answer = await send(socket, post('/elsewhere', 'Content-Length: 5\r\nExpect: 100-continue\r\n'));
    assert.equal(answer.status, 403);
    await expectClosed(socket);
  });

  test('of a request ahead of its turn keeps the order of the answers', async () => {
    const socket = await tunnel();
    answering = (_message, response) => setTimeout(() => response.end('slow'), 50);
    socket.write(get('/token/first') + get('/elsewhere') + get('/token/third'));
    assert.equal((await readAnswer(socket)).body, 'slow');
    assert.equal((await readAnswer(socket)).problem?.code, 'no_grant');
    assert.equal((await readAnswer(socket)).body, 'slow');
    socket.destroy();
  });
});

describe('what is sent', () => {
  test('carries the credential in place of the placeholder', async () => {
    await ask(get('/token/x?a=1&b=%20', `Authorization: Bearer ${tokenPlaceholder}\r\n`));
    const [request] = origin.received;
    assert.equal(request?.headers.authorization, `Bearer ${token}`);
    assert.equal(request.url, '/token/x?a=1&b=%20');
    assert.equal(request.rawHeaders.filter((name) => name.toLowerCase() === 'authorization').length, 1);
  });

  for (const [title, head] of Object.entries({
    'no Authorization': '',
    'an Authorization of its own': 'AUTHORIZATION: Bearer own\r\n',
    'a placeholder inside Basic': `Authorization: Basic ${Buffer.from(`${tokenPlaceholder}:`).toString('base64')}\r\n`,
    'a placeholder in another scheme': `Authorization: token ${tokenPlaceholder}\r\n`,
    'a placeholder alone': `Authorization: ${tokenPlaceholder}\r\n`,
  })) {
    test(`H-31: carries the credential once where the agent sent ${title}`, async () => {
      await ask(get('/token/x', head));
      const values = origin.received[0]?.rawHeaders.filter((_, at, all) =>
        /^authorization$/i.test(all[at - 1] ?? ''),
      );
      assert.deepEqual(values, [`Bearer ${token}`]);
    });
  }

  test('is the same through a whole URL on the proxy port', async () => {
    const socket = await openSocket(fixture.port);
    const answer = await send(socket, get(`https://${place}/token/x?q`));
    assert.equal(answer.body, 'hello');
    assert.equal(origin.received[0]?.url, '/token/x?q');
    assert.equal(origin.received[0].headers.authorization, `Bearer ${token}`);
    socket.destroy();
  });

  test("keeps the agent's own Authorization where the rule names no credential", async () => {
    await ask(get('/plain/x', 'Authorization: Bearer own\r\n'));
    assert.equal(origin.received[0]?.headers.authorization, 'Bearer own');
  });

  test('I3: is exactly what was decided, header by header', async () => {
    const sent = [
      'Accept: text/html, */*;q=0.1\r\nAccept-Encoding: gzip\r\nRange: bytes=0-5\r\nIf-Match: "x"\r\n',
      'X-Custom: one\r\nX-Custom: two\r\n__proto__: p\r\nconstructor: c\r\nUser-Agent: agent/1\r\n',
    ].join('');
    await ask(get('/token/x', sent));
    const [request] = origin.received;
    const traceparent = request?.headers.traceparent;
    assert.match(String(traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.deepEqual(lines(request), [
      `host: ${place}`,
      'connection: keep-alive',
      'accept: text/html, */*;q=0.1',
      'accept-encoding: gzip',
      'range: bytes=0-5',
      'if-match: "x"',
      'x-custom: one',
      'x-custom: two',
      '__proto__: p',
      'constructor: c',
      'user-agent: agent/1',
      `authorization: Bearer ${token}`,
      `traceparent: ${String(traceparent)}`,
    ]);
  });

  test('H-30, H-35, H-11, H-41: has nothing that is between the agent and us, or that tells where to go instead', async () => {
    const dropped = [
      'Connection: keep-alive, X-Hop, Upgrade, HTTP2-Settings\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nTE: trailers\r\n',
      'Trailer: X-T\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nProxy-Connection: keep-alive\r\n',
      'Proxy-Authorization: Basic eA==\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil.test\r\nForwarded: for=x\r\n',
      'Via: 1.1 x\r\nX-Host: evil.test\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-Real-IP: 1.2.3.4\r\n',
      'X-HTTP-Method-Override: GET\r\nBaggage: a=b\r\nOutrider-Decision: x\r\nTraceState: a=b\r\n',
    ].join('');
    await ask(get('/token/x', dropped));
    const names = origin.received[0]?.rawHeaders.filter((_, at) => at % 2 === 0);
    assert.deepEqual(names, ['host', 'connection', 'authorization', 'traceparent']);
  });

  test('H-35: joins the trace of the agent, with its tracestate and without its baggage', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const trace = `Traceparent: 00-${traceId}-00f067aa0ba902b7-01\r\nTracestate: a=b\r\nBaggage: secret=1\r\n`;
    await ask(get('/token/x', trace));
    const headers = origin.received[0]?.headers ?? {};
    const record = await fixture.record();
    assert.equal(headers.traceparent, `00-${traceId}-${record.trace.upstreamSpanId}-01`);
    assert.equal(headers.tracestate, 'a=b');
    assert.equal(headers.baggage, undefined);
    assert.equal(record.trace.parentSpanId, '00f067aa0ba902b7');
  });

  for (const method of ['HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'QUERY', 'M-SEARCH']) {
    test(`H-33: has the method ${method} as it came`, async () => {
      const answer = await ask(get('/plain/x').replace('GET', method));
      assert.equal(answer.status, 200);
      assert.equal(origin.received[0]?.method, method);
    });
  }
});

describe('bodies', () => {
  const wire = (name: string): string | undefined => {
    const raw = origin.received[0]?.rawHeaders ?? [];
    return raw.find((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === name);
  };

  test('H-02: of a length keep it, as the only framing', async () => {
    await ask(post('/token/x', 'Content-Type: text/plain\r\nContent-Length: 5\r\n', 'hello'));
    assert.equal(origin.received[0]?.body, 'hello');
    assert.equal(wire('content-length'), '5');
    assert.equal(wire('transfer-encoding'), undefined);
    assert.equal((await fixture.record()).requestBytes, 5);
  });

  test('H-04: in chunks lose extensions and trailers', async () => {
    const chunks = '3;ext="x"\r\nhel\r\n2\r\nlo\r\n0\r\nAuthorization: Bearer evil\r\nX-T: 1\r\n\r\n';
    await ask(post('/token/x', 'Transfer-Encoding: chunked\r\nTrailer: X-T\r\n', chunks));
    const [request] = origin.received;
    assert.equal(request?.body, 'hello');
    assert.equal(wire('transfer-encoding'), 'chunked');
    assert.equal(wire('content-length'), undefined);
    assert.equal(wire('trailer'), undefined);
    assert.equal(request.headers.authorization, `Bearer ${token}`);
  });

  for (const [title, head] of Object.entries({
    'a POST of no length': '',
    'a POST of length 0': 'Content-Length: 0\r\n',
    'a POST of no chunks': 'Transfer-Encoding: chunked\r\n',
  })) {
    test(`H-02: ${title} has no body`, async () => {
      const answer = await ask(post('/token/x', head, head.startsWith('T') ? '0\r\n\r\n' : ''));
      assert.equal(answer.status, 200);
      assert.equal(origin.received[0]?.body, '');
    });
  }

  test('of a DELETE go on', async () => {
    await ask(post('/token/x', 'Content-Length: 2\r\n', '{}').replace('POST', 'DELETE'));
    assert.equal(origin.received[0]?.body, '{}');
  });

  test('H-05: come after 100 Continue, which comes after the decision', async () => {
    const socket = await tunnel();
    let resolved = false;
    fixture.beforeResolve(async () => {
      await sleep(50);
      resolved = true;
    });
    const head = post('/token/x', 'Content-Length: 5\r\nExpect: 100-continue\r\n');
    assert.equal((await send(socket, head)).status, 100);
    assert.ok(resolved, 'the secret is there first');
    assert.equal((await send(socket, 'hello', 'POST')).status, 200);
    assert.equal(origin.received[0]?.body, 'hello');
    assert.equal(wire('expect'), undefined);
    socket.destroy();
  });

  test('of 20 MB pass in both directions', async () => {
    answering = (_message, response, body) => response.end(Buffer.from(body, 'latin1'));
    const size = 20 * 1024 * 1024;
    const socket = await tunnel();
    const block = Buffer.alloc(64 * 1024, 'abcdefgh');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(post('/token/x', `Connection: close\r\nContent-Length: ${size}\r\n`));
    for (let sent = 0; sent < size; sent += block.length) {
      if (!socket.write(block)) await once(socket, 'drain');
    }
    await once(socket, 'end', { signal: AbortSignal.timeout(20_000) });
    const received = Buffer.concat(chunks);
    const body = received.subarray(received.indexOf('\r\n\r\n') + 4);
    assert.equal(body.length, size);
    assert.ok(body.equals(Buffer.alloc(size, block)));
    const record = await fixture.record();
    assert.equal(record.requestBytes, size);
    assert.equal(record.responseBytes, size);
    socket.destroy();
  });

  test('D: an agent that does not read stops the upstream from sending', async () => {
    let written = 0;
    answering = (_message, response) => {
      const block = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(block)) written += block.length;
      };
      response.on('drain', more);
      more();
    };
    const socket = await tunnel();
    socket.pause();
    socket.write(get('/token/x'));
    await sleep(500);
    const before = written;
    await sleep(300);
    assert.equal(written, before, 'still being sent');
    assert.ok(written < 24 * 1024 * 1024, `${written} bytes are under way`);
    socket.destroy();
    await fixture.record();
  });

  test('D: an upstream that does not read stops the agent from sending', async () => {
    await fixture.close();
    fixture = await startFixture({ ca, origin: early });
    answering = (message) => message.pause();
    const socket = await openTunnel(fixture, early.port);
    let written = 0;
    socket.write(
      post('/token/x', 'Transfer-Encoding: chunked\r\n').replace(place, `${originName}:${early.port}`),
    );
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const more = (): void => {
      while (socket.write(chunk)) written += chunk.length;
    };
    socket.on('drain', more);
    more();
    await sleep(500);
    const before = written;
    await sleep(300);
    assert.equal(written, before, 'still being taken');
    socket.destroy();
  });

  test('may be answered before they are whole, and the answer arrives', async () => {
    await fixture.close();
    fixture = await startFixture({ ca, origin: early });
    answering = (_message, response) => {
      response.statusCode = 413;
      response.end('too much');
    };
    const socket = await openTunnel(fixture, early.port);
    const head = post('/token/x', 'Content-Length: 1000000\r\n').replace(
      place,
      `${originName}:${early.port}`,
    );
    const answer = await send(socket, head + 'x'.repeat(1000), 'POST');
    assert.equal(answer.status, 413);
    assert.equal(answer.body, 'too much');
    assert.equal(answer.headers.connection, 'close');
    socket.destroy();
  });

  test('that break off are not sent as if they were whole', async () => {
    const socket = await tunnel();
    socket.write(post('/token/x', 'Content-Length: 100\r\n', 'only this'));
    await sleep(100);
    socket.destroy();
    const record = await fixture.record();
    assert.equal(record.status, 0);
    assert.equal(origin.received.length, 0);
  });

  test('H-03: whose chunks turn out to be broken are refused, and not sent as if they were whole', async () => {
    const socket = await tunnel();
    socket.write(post('/token/x', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'));
    await sleep(50);
    const answer = await send(socket, 'zz\r\n', 'POST');
    assert.equal(answer.status, 400);
    assert.equal(answer.problem?.code, 'request_malformed');
    await expectClosed(socket);
    assert.equal(origin.received.length, 0);
  });
});

describe('answers', () => {
  test('keep status, headers and body, and lose what is between two connections', async () => {
    answering = (_message, response) => {
      const head = [
        'X-Custom: one\nX-Custom: two\nSet-Cookie: a=1\nSet-Cookie: b=2\nContent-Length: 3\nETag: "x"',
        'Connection: X-Hop\nX-Hop: 1\nKeep-Alive: timeout=1\nProxy-Authenticate: Basic\nUpgrade: h2c',
        'Outrider-Decision: forged\nContent-Encoding: gzip',
      ].join('\n');
      response.writeHead(418, 'Odd', head.split(/: |\n/));
      response.end('abc');
    };
    const answer = await ask(get('/token/x'));
    assert.equal(answer.status, 418);
    assert.equal(answer.body, 'abc');
    assert.equal(
      Object.keys(answer.headers).toSorted().join(' '),
      'connection content-encoding content-length date etag keep-alive set-cookie x-custom',
    );
    assert.equal(answer.headers['x-custom'], 'one, two');
    assert.equal(answer.headers['keep-alive'], 'timeout=300');
    assert.match(answer.rawHead, /^HTTP\/1.1 418 I'm a Teapot/);
  });

  test('H-60: that redirect are passed on, not followed', async () => {
    answering = (_message, response) => {
      response.writeHead(307, { location: 'https://evil.test/' });
      response.end();
    };
    const answer = await ask(get('/token/x'));
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.location, 'https://evil.test/');
    assert.equal(origin.received.length, 1);
  });

  test('arrive as they are written, event by event', async () => {
    let next: (text: string) => void = () => {};
    answering = (_message, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      next = (text) => response.write(text);
    };
    const socket = await tunnel();
    socket.write(get('/token/events'));
    const seen: string[] = [];
    socket.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    await waitFor({ what: 'the first event', timeoutMs: 5000, everyMs: 5 }, async () =>
      seen.join('').includes('data: 1'),
    );
    next('data: 2\n\n');
    await waitFor({ what: 'the second event', timeoutMs: 5000, everyMs: 5 }, async () =>
      seen.join('').includes('data: 2'),
    );
    socket.destroy();
    const record = await fixture.record();
    assert.equal(record.status, 200);
    assert.equal(record.phases.at(-1)?.error, 'agent_left');
  });

  for (const status of [204, 304]) {
    test(`of ${status} end with their head`, async () => {
      answering = (_message, response) => response.writeHead(status, { etag: '"x"' }).end();
      const socket = await tunnel();
      assert.equal((await send(socket, get('/token/x'))).status, status);
      assert.equal((await send(socket, get('/token/x'))).status, status);
      socket.destroy();
    });
  }

  test('to HEAD keep the length of what GET would bring', async () => {
    answering = (_message, response) => response.writeHead(200, { 'content-length': 12 }).end();
    const socket = await tunnel();
    const answer = await send(socket, get('/token/x').replace('GET', 'HEAD'));
    assert.equal(answer.headers['content-length'], '12');
    assert.equal((await send(socket, get('/token/x').replace('GET', 'HEAD'))).status, 200);
    socket.destroy();
  });

  test('to HTTP/1.0 come without chunks', async () => {
    answering = (_message, response) => {
      response.write('a');
      response.end('b');
    };
    const socket = await tunnel();
    const answer = await send(socket, get('/token/x').replace('1.1', '1.0'));
    assert.equal(answer.body, 'ab');
    assert.equal(answer.headers['transfer-encoding'], undefined);
    socket.destroy();
  });
});

describe('the policy changes while a request is under way', () => {
  test('P-11: a halt that takes the secret away from a request that waits for it is what the refusal says', async () => {
    fixture.beforeResolve(() => {
      fixture.swap({ halt: { policy: 'stop' } });
      fixture.setSecret(null);
    });
    await refusedWith(get('/token/x'), 'halted', 403);
  });

  test('P-11: a halt while the secret is fetched is obeyed, and nothing is sent', async () => {
    fixture.beforeResolve(() => fixture.swap({ halt: { policy: 'stop' } }));
    await refusedWith(get('/token/x'), 'halted', 403);
    assert.equal(origin.received.length, 0);
  });

  test('P-11: the end of the lease while the secret is fetched is obeyed', async () => {
    fixture.beforeResolve(() => {
      fixture.setFresh(false);
      fixture.swap({});
    });
    await refusedWith(get('/token/x'), 'policy_stale', 503);
    assert.equal(origin.received.length, 0);
  });

  test('P-11: another ruleset while the secret is fetched decides again', async () => {
    let swapped = false;
    fixture.beforeResolve(() => {
      if (!swapped) fixture.swap({ telemetry: { endpoint: 'https://collector.test' } });
      swapped = true;
    });
    assert.equal((await ask(get('/token/x'))).status, 200);
    const record = await fixture.record();
    assert.deepEqual(
      record.phases.map(({ name }) => name),
      ['decide', 'resolve', 'decide', 'resolve', 'upstream'],
    );
  });

  test('P-10: an open stream that is still allowed goes on', async () => {
    const { socket, seen } = await openStream();
    fixture.swap({ telemetry: { endpoint: 'https://collector.test' } });
    await sleep(50);
    assert.equal(socket.destroyed, false);
    assert.ok(seen.join('').includes('data: 1'));
    socket.destroy();
  });

  for (const [title, change] of Object.entries({
    'P-10: an open stream that is no longer allowed is cut': () => fixture.swap({ grants: [] }),
    'P-11: an open stream of a halted agent is cut': () => fixture.swap({ halt: { policy: 'stop' } }),
    'I8: an open stream is cut when the lease ends': () => fixture.setFresh(false),
  })) {
    test(title, async () => {
      const { socket } = await openStream();
      change();
      await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
      const record = await fixture.record();
      assert.equal(record.status, 200);
      assert.notEqual(record.refusal, null);
    });
  }

  test('P-11: a request that waits for its answer is refused at a halt', async () => {
    answering = () => {};
    const socket = await tunnel();
    socket.write(get('/token/x'));
    await waitFor(
      { what: 'the request', timeoutMs: 5000, everyMs: 5 },
      async () => origin.received.length === 1,
    );
    fixture.swap({ halt: { policy: 'stop' } });
    assert.equal((await readAnswer(socket)).problem?.code, 'halted');
    socket.destroy();
  });

  async function openStream(): Promise<{ socket: Socket; seen: string[] }> {
    answering = (_message, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    };
    const socket = await tunnel();
    const seen: string[] = [];
    socket.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    socket.write(get('/token/events'));
    await waitFor({ what: 'the first event', timeoutMs: 5000, everyMs: 5 }, async () =>
      seen.join('').includes('data: 1'),
    );
    return { socket, seen };
  }
});

describe('a 401 of the upstream', () => {
  const old = 'Bearer old';
  const onlyNew: Answering = (message, response) => {
    response.statusCode = message.headers.authorization === old ? 401 : 200;
    response.end(message.headers.authorization === old ? 'expired' : 'welcome');
  };
  /** The first reading brings the old secret, later ones the next. */
  function rotate(next: string): void {
    let reads = 0;
    fixture.beforeResolve(() => fixture.setSecret(reads++ === 0 ? 'old' : next));
    answering = onlyNew;
  }

  test('P-20: without another secret is passed on, once', async () => {
    rotate('old');
    const answer = await ask(get('/token/x'));
    assert.equal(answer.status, 401);
    assert.equal(answer.body, 'expired');
    assert.equal(origin.received.length, 1);
  });

  test('P-20: to a request with a body is passed on', async () => {
    rotate('new');
    const answer = await ask(post('/token/x', 'Content-Length: 1\r\n', 'x'));
    assert.equal(answer.status, 401);
    assert.equal(origin.received.length, 1);
  });

  test('P-20: again after another secret is passed on', async () => {
    let reads = 0;
    fixture.beforeResolve(() => fixture.setSecret(`s${reads++}`));
    answering = (_message, response) => response.writeHead(401).end('never');
    const answer = await ask(get('/token/x'));
    assert.equal(answer.status, 401);
    assert.equal(origin.received.length, 2);
  });

  test('P-20: to HEAD without another secret is passed on', async () => {
    rotate('old');
    assert.equal((await ask(get('/token/x').replace('GET', 'HEAD'))).status, 401);
  });

  test('without a credential of ours is passed on', async () => {
    answering = (_message, response) => response.writeHead(401).end();
    assert.equal((await ask(get('/plain/x'))).status, 401);
    assert.equal(origin.received.length, 1);
  });

  for (const method of ['GET', 'HEAD']) {
    test(`I16: leads to one more try of ${method} with the rotated secret`, async () => {
      rotate('new');
      const answer = await ask(get('/token/x').replace('GET', method));
      assert.equal(answer.status, 200);
      assert.deepEqual(
        origin.received.map(({ headers }) => headers.authorization),
        [old, 'Bearer new'],
      );
      const record = await fixture.record();
      assert.equal(record.upstreamStatus, 200);
    });
  }
});
