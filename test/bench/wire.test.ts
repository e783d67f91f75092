// What the bench's own ends of the wire understand.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countInProtobuf } from '../../bench/neighbours/collector.ts';
import { answerQuery } from '../../bench/neighbours/names.ts';
import { compilePolicies } from '../../bench/neighbours/policies.ts';
import { parseEntrypoint, parseEnvironment } from '../../bench/sidecar-image.ts';
import { createAnswerReader } from '../../bench/tunnel.ts';

function read(pieces: readonly string[]): number[] {
  const statuses: number[] = [];
  const reader = createAnswerReader((status) => statuses.push(status));
  for (const piece of pieces) reader(Buffer.from(piece, 'latin1'));
  return statuses;
}

describe('the answer reader of the load', () => {
  it('refuses an answer without a length', () => {
    assert.throws(() => read(['HTTP/1.1 200 OK\r\n\r\nbody']), /without a length/);
  });

  it('refuses an answer that is longer than it said', () => {
    assert.throws(() => read(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbody']), /longer than it said/);
  });

  const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody';
  const chunked = 'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n';
  const empty = 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n';
  const answers: Record<string, [pieces: string[], statuses: number[]]> = {
    'in one piece': [[whole], [200]],
    'one after the other': [
      [whole, empty, chunked],
      [200, 401, 403],
    ],
    'byte by byte': [(whole + chunked).split(''), [200, 403]],
    'that is not over yet': [[whole.slice(0, -1)], []],
  };
  for (const [what, [pieces, statuses]] of Object.entries(answers)) {
    it(`reads an answer ${what}`, () => assert.deepEqual(read(pieces), statuses));
  }
});

describe('the name server of the bench', () => {
  const query = (name: string, type: number): Buffer =>
    Buffer.concat([
      Buffer.from([0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      ...name.split('.').map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1')),
      Buffer.from([0, 0, type, 0, 1]),
    ]);

  it('answers nothing to what is no query', () => {
    assert.equal(answerQuery(Buffer.from('short'), 'api.example', '127.0.0.1'), null);
    assert.equal(answerQuery(query('api.example', 1).subarray(0, 20), 'api.example', '127.0.0.1'), null);
  });

  it('knows no other name', () => {
    assert.equal(answerQuery(query('api.other', 1), 'api.example', '127.0.0.1')?.readUInt16BE(2), 0x8183);
  });

  it('has an address but nothing of another type', () => {
    const answer = answerQuery(query('API.example', 1), 'api.example', '127.0.0.9');
    assert.deepEqual([...(answer?.subarray(-4) ?? [])], [127, 0, 0, 9]);
    assert.equal(answer?.readUInt16BE(0), 0xabcd);
    assert.equal(answerQuery(query('api.example', 28), 'api.example', '127.0.0.9')?.readUInt16BE(6), 0);
  });
});

describe('the collector of the bench', () => {
  const field = (number: number, ...contents: Buffer[]): Buffer => {
    const content = Buffer.concat(contents);
    // A length of two bytes, as varints may be longer than they need.
    return Buffer.concat([
      Buffer.from([(number << 3) | 2, (content.length & 0x7f) | 0x80, content.length >> 7]),
      content,
    ]);
  };
  const span = field(2, field(1, Buffer.alloc(16)), field(9, Buffer.alloc(200)));
  const pod = field(1, Buffer.from('a resource, or a scope'));

  it('refuses a message that is cut', () => {
    const message = field(1, pod, field(2, pod, span));
    assert.throws(() => countInProtobuf(message.subarray(0, -1)), /longer than its message/);
  });

  it('counts spans of all resources and scopes, and nothing else', () => {
    const message = Buffer.concat([
      field(1, pod, field(2, pod, span, span), field(2, span)),
      field(1, pod),
      field(1, field(2, span)),
    ]);
    assert.equal(countInProtobuf(message), 4);
    assert.equal(countInProtobuf(Buffer.alloc(0)), 0);
  });
});

describe('what the bench starts', () => {
  it('refuses a recipe that starts something else than Node', () => {
    assert.throws(() => parseEntrypoint('ENTRYPOINT ["/bin/sh", "-c", "node x.js"]'), /ENTRYPOINT/);
    assert.throws(() => parseEntrypoint('FROM scratch\n'), /ENTRYPOINT/);
  });

  it("takes Node's flags and the script from the image's recipe", () => {
    const recipe = 'FROM x\nENTRYPOINT ["/usr/bin/node", "--max-old-space-size=48", "/app/main.js"]\n';
    assert.deepEqual(parseEntrypoint(recipe), { script: 'main.js', nodeFlags: ['--max-old-space-size=48'] });
    assert.deepEqual(parseEnvironment(`ENV A_B=1\n${recipe}`), { A_B: '1' });
  });

  it('compiles all fifty rules, its credential and its destinations', () => {
    const { ruleset } = compilePolicies({
      origin: { host: 'api.bench.internal', port: 8443, address: '127.0.0.1' },
      caPem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      vaultPort: 8200,
      telemetry: { endpoint: 'https://127.0.0.1:4318' },
    });
    assert.equal(ruleset.guards.length + ruleset.grants.length, 50);
    assert.deepEqual(Object.keys(ruleset.credentials), ['origin']);
    assert.deepEqual(Object.keys(ruleset.stores), ['bench-vault']);
    assert.deepEqual(Object.keys(ruleset.destinations), ['origin', 'origin-plain']);
  });
});
