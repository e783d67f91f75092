import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { syntheticAddress } from '../../../policy/capture-plan.ts';
import { createDnsServer, type DnsServer } from '../../../sidecar/dns/server.ts';
import { askTcp, askUdp, framed, opt, query, typeCodes } from './dns-query.ts';

const known = new Set(['known.example', 'a.b.c.d.e.example']);
const refused: string[] = [];

function startServer(families: readonly ('four' | 'six')[] = ['four']): DnsServer {
  return createDnsServer({
    knows: (host) => (host === 'later.example' ? 'undecided' : known.has(host) ? 'known' : 'unknown'),
    addressOf: syntheticAddress,
    families,
    onRefused: (name) => refused.push(name),
  });
}

describe('the name server of agents', () => {
  let server: DnsServer;
  let port: number;

  before(async () => {
    server = startServer();
    ({ port } = await server.listen(0, ['127.0.0.1', '::1']));
  });
  after(() => server.close());

  const resolver = (at = port): Resolver => {
    const client = new Resolver({ timeout: 1000, tries: 1 });
    client.setServers([`127.0.0.1:${at}`]);
    return client;
  };

  describe('refuses', () => {
    test('N-05: a name that no rule knows does not exist, for every type', async () => {
      for (const type of Object.values(typeCodes)) {
        const answer = await askUdp(port, query({ name: 'c2VjcmV0.tunnel.example', type }));
        assert.deepEqual([answer?.rcode, answer?.counts], [3, [1, 0, 1, 0]]);
      }
      assert.ok(refused.includes('c2VjcmV0.tunnel.example'));
    });

    test('N-05: a known name has no records but its address', async () => {
      for (const type of [...Object.values(typeCodes), 255, 65_280]) {
        if (type === typeCodes.A) continue;
        const answer = await askUdp(port, query({ type }));
        assert.deepEqual([answer?.rcode, answer?.counts], [0, [1, 0, 1, 0]], `type ${type}`);
      }
    });

    test('N-10: what is an address, or no host, is never a name, whatever rules say of it', async () => {
      const every = createDnsServer({
        knows: () => 'known',
        addressOf: syntheticAddress,
        families: ['four'],
      });
      const { port: at } = await every.listen(0, ['127.0.0.1']);
      try {
        for (const name of [
          '127.0.0.1',
          '10.96.0.1',
          '[::1]',
          '0x7f.1',
          '2130706433',
          '_dmarc.a',
          'a b.example',
          '-a',
          '',
        ]) {
          assert.equal((await askUdp(at, query({ name })))?.rcode, 3, name);
        }
        assert.equal((await askUdp(at, query({ name: 'a.example' })))?.counts[1], 1);
      } finally {
        await every.close();
      }
    });

    test('a name is undecided while no policy is fresh', async () => {
      assert.equal((await askUdp(port, query({ name: 'later.example' })))?.rcode, 2);
      await assert.rejects(resolver().resolve4('later.example'), { code: 'ESERVFAIL' });
    });

    const codes = { format: 1, notImplemented: 4, refused: 5 };
    const malformed: Readonly<Record<string, readonly [Buffer, number]>> = {
      'no question': [query({ counts: [0, 0, 0, 0] }), codes.format],
      'no question, and no bytes of one': [query({ counts: [0, 0, 0, 0] }).subarray(0, 12), codes.format],
      'two questions': [query({ counts: [2, 0, 0, 0], more: query().subarray(12) }), codes.format],
      'a count without what it counts': [query({ counts: [1, 0, 0, 65_535] }), codes.format],
      'an answer in a question': [
        query({ counts: [1, 1, 0, 0], more: Buffer.from([0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0]) }),
        codes.format,
      ],
      'bytes after the message': [query({ more: Buffer.from([0]) }), codes.format],
      'a name that ends nowhere': [query().subarray(0, 20), codes.format],
      'a pointer to itself': [
        Buffer.concat([query().subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
        codes.format,
      ],
      'two OPT records': [query({ counts: [1, 0, 0, 2], more: Buffer.concat([opt(), opt()]) }), codes.format],
      'an OPT record with a name': [
        query({ counts: [1, 0, 0, 1], more: opt({ name: Buffer.from([1, 97, 0]) }) }),
        codes.format,
      ],
      'an update': [query({ flags: 0x2800 }), codes.notImplemented],
      'a notification': [query({ flags: 0x2000 }), codes.notImplemented],
      'another class': [query({ class: 3, name: 'version.bind', type: 16 }), codes.refused],
      'a zone transfer': [query({ type: 252 }), codes.refused],
    };
    for (const [what, [message, rcode]] of Object.entries(malformed)) {
      test(what, async () => {
        const answer = await askUdp(port, message);
        assert.deepEqual([answer?.id, answer?.rcode, answer?.counts[1]], [0x1234, rcode, 0]);
      });
    }

    test('an EDNS version of the future, naming the one it knows', async () => {
      const answer = await askUdp(port, query({ counts: [1, 0, 0, 1], more: opt({ version: 1 }) }));
      assert.deepEqual([answer?.rcode, answer?.counts], [0, [1, 0, 0, 1]]);
      assert.deepEqual([...(answer?.bytes.subarray(-6, -2) ?? [])], [1, 0, 0, 0]);
    });

    test('what is an answer itself, or less than a header, gets no answer', async () => {
      assert.equal(await askUdp(port, query({ flags: 0x8180 }), { timeoutMs: 200 }), null);
      assert.equal(await askUdp(port, query().subarray(0, 11), { timeoutMs: 200 }), null);
    });

    test('a port that another holds, over UDP as over TCP', async () => {
      const tcp = createServer().listen(0, '127.0.0.1');
      await once(tcp, 'listening');
      const taken = (tcp.address() as { port: number }).port;
      await assert.rejects(startServer().listen(taken, ['127.0.0.1']), { code: 'PORT_TAKEN' });
      tcp.close();
      const udp = createSocket('udp4').bind(0, '127.0.0.1');
      await once(udp, 'listening');
      await assert.rejects(startServer().listen(udp.address().port, ['127.0.0.1']), { code: 'PORT_TAKEN' });
      udp.close();
    });
  });

  describe('answers', () => {
    test('a known name with its synthetic address, over IPv4 and IPv6', async () => {
      assert.deepEqual(await resolver().resolve4('known.example'), [syntheticAddress('known.example').four]);
      const answer = await askUdp(port, query(), { host: '::1' });
      assert.deepEqual([answer?.flags, answer?.counts], [0x8180, [1, 1, 0, 0]]);
    });

    test('in the letter case that was asked, as resolvers that mix it insist on', async () => {
      const answer = await askUdp(port, query({ name: 'KnOwN.eXaMpLe' }));
      assert.equal(answer?.counts[1], 1);
      assert.ok(answer.bytes.includes('eXaMpLe'));
    });

    test('where the pod has IPv6 alone, in AAAA alone', async () => {
      const six = startServer(['six']);
      const { port: other } = await six.listen(0, ['127.0.0.1']);
      try {
        const [address] = await resolver(other).resolve6('known.example');
        const expected = new URL(`http://[${syntheticAddress('known.example').six}]`).hostname;
        assert.equal(`[${address}]`, expected);
        await assert.rejects(resolver(other).resolve4('known.example'), { code: 'ENODATA' });
      } finally {
        await six.close();
      }
    });

    test('with EDNS to whom speaks it', async () => {
      const answer = await askUdp(port, query({ counts: [1, 0, 0, 1], more: opt() }));
      assert.deepEqual([answer?.rcode, answer?.counts], [0, [1, 1, 0, 1]]);
    });

    test('several questions on one TCP connection, in order, however the bytes are cut', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => index);
      const bytes = Buffer.concat(ids.map((id) => framed(query({ id }))));
      const answers = await askTcp(port, bytes, ids.length);
      assert.deepEqual(
        answers.map(({ id }) => id),
        ids,
      );
    });
  });

  describe('in a flood', () => {
    test('D: what is more than a client can need is dropped, and answers come again after it', async () => {
      const own = startServer();
      const { port: at } = await own.listen(0, ['127.0.0.1']);
      const socket = createSocket('udp4');
      let answers = 0;
      socket.on('message', () => (answers += 1));
      try {
        const message = query({ name: 'nobody.example' });
        for (let sent = 0; sent < 20_000; sent += 1) {
          socket.send(message, at, '127.0.0.1');
          if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await new Promise((resolve) => setTimeout(resolve, 300));
        assert.ok(answers < 10_000, `${answers} answers`);
        assert.equal((await askUdp(at, query()))?.counts[1], 1);
      } finally {
        socket.close();
        await own.close();
      }
    });

    test('D: another socket goes on getting its answers at once', { timeout: 30_000 }, async () => {
      const own = startServer();
      const { port: at } = await own.listen(0, ['127.0.0.1']);
      const flooding = createSocket('udp4');
      const message = query({ name: 'nobody.example' });
      const sending = setInterval(() => {
        for (let sent = 0; sent < 100; sent += 1) flooding.send(message, at, '127.0.0.1');
      }, 5);
      try {
        // Until the burst is used up.
        await new Promise((resolve) => setTimeout(resolve, 500));
        for (let asked = 0; asked < 50; asked += 1) assert.ok(await resolver(at).resolve4('known.example'));
      } finally {
        clearInterval(sending);
        flooding.close();
        await own.close();
      }
    });

    test('D: a message that is longer than any question ends its connection', async () => {
      assert.deepEqual(await askTcp(port, Buffer.from([0xff, 0xff, 0, 0]), 1), []);
    });

    test('D: questions that are sent ahead on a connection wait for their turn', async () => {
      const many = Buffer.concat(Array.from({ length: 2300 }, () => framed(query())));
      const own = startServer();
      const { port: at } = await own.listen(0, ['127.0.0.1']);
      try {
        const answers = await askTcp(at, many, 2300);
        assert.equal(answers.length, 2300);
      } finally {
        await own.close();
      }
    });
  });
});
