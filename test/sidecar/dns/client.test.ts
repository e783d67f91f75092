import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, test } from 'node:test';
import { parseServerAddress } from '../../../policy/dns-server-address.ts';
import { createDnsClient } from '../../../sidecar/dns/client.ts';

import {
  a,
  cname,
  nameOf,
  record,
  response,
  startRawServer,
  typeOf,
  type RawServer,
  type Reply,
} from './raw-server.ts';

describe('the DNS client', () => {
  const servers: RawServer[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function serve(reply: Reply, host?: string): Promise<RawServer> {
    const server = await startRawServer(reply, host);
    servers.push(server);
    return server;
  }

  function clientOf(...addresses: readonly string[]) {
    return createDnsClient({
      servers: addresses.map((text) => {
        const server = parseServerAddress(text);
        assert.ok(server !== null, text);
        return server;
      }),
    });
  }

  /** Asks for the IPv4 addresses of www.example. */
  async function ask(reply: Reply): Promise<string[]> {
    const { address } = await serve(reply);
    return clientOf(address).resolve('www.example', 'A');
  }

  /** What stands beside the true answer must not be believed. */
  const genuine = (query: Buffer): Buffer => response(query, { records: [a('www.example', '192.0.2.1')] });
  const forged = '6.6.6.6';

  describe('does not hear', () => {
    const ignored: Readonly<Record<string, (query: Buffer) => Buffer>> = {
      'an answer with another id': (query) =>
        response(query, { id: query.readUInt16BE(0) ^ 1, records: [a('www.example', forged)] }),
      'an answer to another name': (query) =>
        response(query, {
          question: Buffer.concat([Buffer.from('\x03xxx\x07example\0', 'latin1'), Buffer.from([0, 1, 0, 1])]),
          records: [a('www.example', forged)],
        }),
      'an answer to another type': (query) =>
        response(query, {
          question: Buffer.concat([
            Buffer.from('\x03www\x07example\0', 'latin1'),
            Buffer.from([0, 28, 0, 1]),
          ]),
          records: [a('www.example', forged)],
        }),
      'an answer to no question': (query) =>
        response(query, { question: Buffer.alloc(0), records: [a('www.example', forged)] }),
      'a query': (query) => response(query, { flags: 0x0100, records: [a('www.example', forged)] }),
      'an answer of another opcode': (query) =>
        response(query, { flags: 0xa180, records: [a('www.example', forged)] }),
      'bytes that are no message': (query) => query.subarray(0, 7),
      'a message with bytes after it': (query) =>
        Buffer.concat([response(query, { records: [a('www.example', forged)] }), Buffer.from([0])]),
      'an address of five bytes': (query) =>
        response(query, { records: [record('www.example', 1, Buffer.from([6, 6, 6, 6, 6]))] }),
      'a name that points to itself': (query) =>
        response(query, { records: [record(Buffer.from([0xc0, 29]), 1, Buffer.from([6, 6, 6, 6]))] }),
      'a name that points ahead': (query) =>
        response(query, { records: [record(Buffer.from([0xc0, 40]), 1, Buffer.from([6, 6, 6, 6]))] }),
      'more records than there are': (query) => {
        const bytes = response(query, { records: [a('www.example', forged)] });
        bytes.writeUInt16BE(65_535, 6);
        return bytes;
      },
    };
    for (const [what, make] of Object.entries(ignored)) {
      test(`N-12: ${what}, and waits for the true one`, async () => {
        assert.deepEqual(await ask((query) => [make(query), genuine(query)]), ['192.0.2.1']);
      });
    }

    test('N-12: what comes from another address or port than the server', async () => {
      const other = createSocket('udp4').bind(0, '127.0.0.1');
      await once(other, 'listening');
      const target = createSocket('udp4').bind(0, '127.0.0.1');
      await once(target, 'listening');
      target.on('message', (query, from) => {
        other.send(response(query, { records: [a('www.example', forged)] }), from.port, from.address, () => {
          target.send(genuine(query), from.port, from.address);
        });
      });
      try {
        const client = clientOf(`127.0.0.1:${target.address().port}`);
        assert.deepEqual(await client.resolve('www.example', 'A'), ['192.0.2.1']);
      } finally {
        other.close();
        target.close();
      }
    });

    const unowned: Readonly<Record<string, readonly Buffer[]>> = {
      'an address of another name': [a('evil.example', forged)],
      'an alias of another name, and its address': [
        cname('evil.example', 'x.example'),
        a('x.example', forged),
      ],
      'an address in another class': [record('www.example', 1, Buffer.from([6, 6, 6, 6]), 3)],
      'an address of another type': [record('www.example', 28, Buffer.alloc(16, 6))],
    };
    for (const [what, records] of Object.entries(unowned)) {
      test(`N-12: ${what}`, async () => {
        const both = [...records, a('www.example', '192.0.2.1')];
        assert.deepEqual(await ask((query) => [response(query, { records: both })]), ['192.0.2.1']);
        await assert.rejects(
          ask((query) => [response(query, { records })]),
          { code: 'ENODATA' },
        );
      });
    }
  });

  describe('gives up on', () => {
    test('N-12: aliases that lead in a circle, within an answer and over several', async () => {
      const circle = [cname('www.example', 'b.example'), cname('b.example', 'www.example')];
      await assert.rejects(
        ask((query) => [response(query, { records: circle })]),
        { code: 'EBADRESP' },
      );
      const next: Readonly<Record<string, string>> = {
        'www.example': 'b.example',
        'b.example': 'www.example',
      };
      await assert.rejects(
        ask((query) => [response(query, { records: [cname(nameOf(query), next[nameOf(query)] ?? '')] })]),
        { code: 'EBADRESP' },
      );
    });

    test('N-12: aliases without end', async () => {
      let asked = 0;
      await assert.rejects(
        ask((query) => [response(query, { records: [cname(nameOf(query), `n${asked++}.example`)] })]),
        { code: 'EBADRESP' },
      );
      assert.equal(asked, 9);
    });

    test('N-12: more addresses than a name has', async () => {
      const many = Array.from({ length: 257 }, (_, at) => a('www.example', `1.1.${at >> 8}.${at & 255}`));
      await assert.rejects(
        ask((query, over) => [response(query, over === 'udp' ? { flags: 0x8380 } : { records: many })]),
        { code: 'EBADRESP' },
      );
    });

    test('D: a message of compressed names that would take long to read, at once', async () => {
      const labels = Array.from({ length: 126 }, () => 'a').join('.');
      const long = record(labels, 16, Buffer.alloc(0));
      const pointer = Buffer.from([0xc0, 29]);
      const bomb = Array.from({ length: 5000 }, () => record(pointer, 16, Buffer.alloc(0)));
      const startMs = performance.now();
      await assert.rejects(
        ask((query, over) => [
          response(query, over === 'udp' ? { flags: 0x8380 } : { records: [long, ...bomb] }),
        ]),
        { code: 'EBADRESP' },
      );
      assert.ok(performance.now() - startMs < 1000);
    });

    test('an answer over TCP that is cut again, or to another question', async () => {
      await assert.rejects(
        ask((query) => [response(query, { flags: 0x8380 })]),
        { code: 'EBADRESP' },
      );
      await assert.rejects(
        ask((query, over) => [
          over === 'udp' ? response(query, { flags: 0x8380 }) : response(query, { id: 1 }),
        ]),
        { code: 'EBADRESP' },
      );
    });

    test('servers that refuse, with the code of the last', async () => {
      const refusing = await serve((query) => [response(query, { flags: 0x8185 })]);
      await assert.rejects(clientOf(refusing.address).resolve('www.example', 'A'), { code: 'EREFUSED' });
      assert.equal(refusing.queries.length, 2);
    });

    test('a port where nobody listens, without waiting', async () => {
      const gone = await startRawServer(() => []);
      gone.close();
      const startMs = performance.now();
      await assert.rejects(clientOf(gone.address).resolve('www.example', 'A'), { code: 'ECONNREFUSED' });
      assert.ok(performance.now() - startMs < 1000);
      await assert.rejects(clientOf().resolve('www.example', 'A'), { code: 'ENOSERVER' });
    });

    test('servers that do not answer, before a connection would', async () => {
      const silent = await serve(() => []);
      const startMs = performance.now();
      await assert.rejects(clientOf(silent.address).resolve('www.example', 'A'), { code: 'ETIMEOUT' });
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs > 5500 && tookMs < 7500, `${tookMs} ms`);
    });
  });

  describe('finds', () => {
    test('the end of a chain of aliases, in any order of its records', async () => {
      const chain = [
        a('c.example', '192.0.2.3'),
        cname('B.example', 'c.example'),
        cname('www.EXAMPLE', 'b.example'),
        a('c.example', '192.0.2.4'),
        a('c.example', '192.0.2.3'),
      ];
      assert.deepEqual(await ask((query) => [response(query, { records: chain })]), [
        '192.0.2.3',
        '192.0.2.4',
      ]);
    });

    test('the end of a chain that the server leaves to be asked for', async () => {
      const { address, queries } = await serve((query) => [
        response(query, {
          records: [
            nameOf(query) === 'www.example'
              ? cname('www.example', 'end.example')
              : a('end.example', '192.0.2.5'),
          ],
        }),
      ]);
      assert.deepEqual(await clientOf(address).resolve('www.example', 'A'), ['192.0.2.5']);
      assert.deepEqual(
        queries.map(({ bytes }) => nameOf(bytes)),
        ['www.example', 'end.example'],
      );
    });

    test('what does not fit into UDP, over TCP', async () => {
      const many = Array.from({ length: 200 }, (_, at) => a('www.example', `192.0.2.${at}`));
      const { address, queries } = await serve((query, over) => [
        over === 'tcp'
          ? response(query, { records: many })
          : Buffer.concat([response(query, { flags: 0x8380, records: many }).subarray(0, 500)]),
      ]);
      const found = await clientOf(address).resolve('www.example', 'A');
      assert.deepEqual([found.length, found[199]], [200, '192.0.2.199']);
      assert.deepEqual(
        queries.map(({ over }) => over),
        ['udp', 'tcp'],
      );
    });

    test('a name at a server that knows no EDNS', async () => {
      const old: Reply = (query) =>
        query.readUInt16BE(10) > 0
          ? [response(query, { flags: 0x8181, question: Buffer.alloc(0) })]
          : [genuine(query)];
      assert.deepEqual(await ask(old), ['192.0.2.1']);
    });

    test('a name at the next server, when one fails', async () => {
      const failing = await serve((query) => [response(query, { flags: 0x8182 })]);
      const silent = await serve(() => []);
      const good = await serve((query) => [genuine(query)]);
      const client = clientOf(failing.address, silent.address, good.address);
      assert.deepEqual(await client.resolve('www.example', 'A'), ['192.0.2.1']);
    });

    test('a name that is lost once, in the second round', async () => {
      let asked = 0;
      assert.deepEqual(await ask((query) => (asked++ === 0 ? [] : [genuine(query)])), ['192.0.2.1']);
    });

    test('a name at a server on IPv6', async () => {
      const { address } = await serve((query) => [genuine(query)], '::1');
      assert.deepEqual(await clientOf(address).resolve('www.example', 'A'), ['192.0.2.1']);
    });
  });

  test('N-12: the id and the port of each question are drawn anew', async () => {
    const seen = new Set<string>();
    const ids = new Set<number>();
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.on('message', (query, from) => {
      seen.add(`${from.port}`);
      ids.add(query.readUInt16BE(0));
      socket.send(genuine(query), from.port, from.address);
    });
    try {
      const client = clientOf(`127.0.0.1:${socket.address().port}`);
      for (let at = 0; at < 100; at += 1) await client.resolve('www.example', 'A');
    } finally {
      socket.close();
    }
    assert.ok(ids.size > 95 && seen.size > 80, `${ids.size} ids, ${seen.size} ports`);
  });

  test('a question goes out once for each family, with the type that was asked for', async () => {
    const { address, queries } = await serve((query) => [response(query)]);
    await assert.rejects(clientOf(address).resolve('www.example', 'AAAA'), { code: 'ENODATA' });
    assert.deepEqual(
      queries.map(({ bytes }) => typeOf(bytes)),
      [28],
    );
  });
});

describe('an address of a DNS server', () => {
  const valid: Readonly<Record<string, { readonly address: string; readonly port: number }>> = {
    '10.96.0.10': { address: '10.96.0.10', port: 53 },
    '10.96.0.10:5353': { address: '10.96.0.10', port: 5353 },
    'fd00::a': { address: 'fd00::a', port: 53 },
    '[fd00::a]': { address: 'fd00::a', port: 53 },
    '[fd00::a]:5353': { address: 'fd00::a', port: 5353 },
  };
  for (const [text, expected] of Object.entries(valid)) {
    test(text, () => assert.deepEqual(parseServerAddress(text), expected));
  }
  for (const text of [
    '',
    'dns.example',
    '10.96.0.10:0',
    '10.96.0.10:65536',
    '[10.96.0.10]',
    '[fd00::a',
    '1.1.1.1:',
  ]) {
    test(`is not '${text}'`, () => assert.equal(parseServerAddress(text), null));
  }
});
