import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { renderDecisionLine } from '../../../sidecar/audit/decision-line.ts';
import { agentTrace, denied, exchange, unreadable, withoutSecret, relayed } from './exchanges.ts';

type Line = Readonly<Record<string, unknown>>;

function lineOf(changes: Parameters<typeof exchange>[0] = {}): Line {
  return JSON.parse(renderDecisionLine(exchange(changes))) as Line;
}

const page = readFileSync(new URL('../../../docs/decision-lines.md', import.meta.url), 'utf8');

describe('L-07: whatever the agent sends, a decision is one line of printable ASCII', () => {
  const hostile: Record<string, string> = {
    'a line end': '/a\n{"kind":"decision","decision":"allow"}',
    'a carriage return': '/a\rx',
    'a quote and a brace': '/a","decision":"allow"}',
    'a terminal escape': '/a\u001b[2J',
    'a C1 control': '/a\u009b2J',
    'a DEL': '/a\u007f',
    'a bidi override': '/a\u202egnp.exe',
    'a zero-width space': '/a\u200b',
    'a line separator of Unicode': '/a\u2028b',
    'half a surrogate pair': '/a\ud800',
  };
  for (const [what, path] of Object.entries(hostile)) {
    test(`with ${what} in its path`, () => {
      const { request } = exchange();
      const text = renderDecisionLine(
        exchange({ request: request && { ...request, path, method: path, host: path } }),
      );
      assert.match(text, /^[ -~]+$/);
      const line = JSON.parse(text) as Line;
      assert.equal(line['path'], path);
      assert.equal(line['decision'], 'allow');
    });
  }

  test('a path of 8 KiB is cut, and so is what was asked for in an unreadable request', () => {
    const { request } = exchange();
    const path = `/${'x'.repeat(8000)}`;
    assert.ok(renderDecisionLine(exchange({ request: request && { ...request, path } })).length < 2000);
    assert.ok(renderDecisionLine(exchange({ ...unreadable, authority: path })).length < 2000);
  });
});

test('S-12: neither the query nor a message for the agent is in it', () => {
  for (const changes of [{}, denied, withoutSecret, unreadable]) {
    assert.doesNotMatch(renderDecisionLine(exchange(changes)), /canary/);
  }
});

test('an allowed request', () => {
  const { id, spanId, ...line } = lineOf();
  assert.equal(id, 'decision-1');
  assert.match(String(spanId), /^[0-9a-f]{16}$/);
  assert.deepEqual(line, {
    time: '2026-05-01T12:00:00.000Z',
    kind: 'decision',
    decision: 'allow',
    reason: null,
    policy: 'research',
    rule: 'read',
    credential: 'github-bot',
    revision: '0123456789abcdef',
    method: 'GET',
    scheme: 'https',
    host: 'api.github.com',
    port: 443,
    path: '/repos/acme/docs',
    status: 200,
    upstreamStatus: 200,
    error: null,
    durationMs: 12.5,
    requestBytes: 0,
    responseBytes: 1024,
    observed: false,
    shadow: null,
    entry: 'connect',
    capture: 'cooperative',
    traceId: agentTrace,
  });
});

test('refusals say why: by the decision, by a dependency, before the request could be read', () => {
  const picked = ({ decision, reason, status, error, host, path }: Line): Line => ({
    decision,
    reason,
    status,
    error,
    host,
    path,
  });
  assert.deepEqual(picked(lineOf(denied)), {
    decision: 'deny',
    reason: 'no_grant',
    status: 403,
    error: null,
    host: 'api.github.com',
    path: '/repos/acme/docs',
  });
  assert.deepEqual(picked(lineOf(withoutSecret)), {
    decision: 'deny',
    reason: 'secret_unavailable',
    status: 503,
    error: 'VAULT_SEALED',
    host: 'api.github.com',
    path: '/repos/acme/docs',
  });
  assert.deepEqual(picked(lineOf(unreadable)), {
    decision: 'deny',
    reason: 'request_ambiguous',
    status: 400,
    error: null,
    host: 'api.github.com:443',
    path: null,
  });
});

test('a connection that nobody read has a place and bytes, and no method and path', () => {
  const { method, scheme, host, port, path, status, requestBytes, entry, capture } = lineOf(relayed);
  assert.deepEqual(
    { method, scheme, host, port, path, status, requestBytes, entry, capture },
    {
      method: null,
      scheme: 'tcp',
      host: 'db.example',
      port: 5432,
      path: null,
      status: 0,
      requestBytes: 311,
      entry: 'captured_tcp',
      capture: 'captured',
    },
  );
});

test('docs/decision-lines.md lists the fields in their order', () => {
  const listed = [...page.matchAll(/^\| `([A-Za-z]+)` +\|/gm)].map(([, name]) => name);
  assert.deepEqual(listed, Object.keys(lineOf()));
});
