import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { startNameServer, type NameServer } from './name-server.ts';

describe('the resolver', () => {
  let server: NameServer;
  let flips = 0;

  before(async () => {
    server = await startNameServer((name, type) => {
      if (name === 'both.example') return type === 'A' ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1'];
      if (name === 'six.example') return type === 'AAAA' ? ['2001:db8::6'] : [];
      if (name === 'four.example') return type === 'A' ? ['192.0.2.4'] : 'SERVFAIL';
      if (name === 'flip.example') return type === 'A' ? [flips++ % 2 === 0 ? '192.0.2.9' : '10.0.0.9'] : [];
      if (name === 'broken.example') return 'SERVFAIL';
      if (name === 'empty.example') return [];
      return 'NXDOMAIN';
    });
  });
  after(() => server.close());

  const resolver = () => createResolver({ servers: [server.address] });

  test('a name that does not exist is an error with its code', async () => {
    await assert.rejects(resolver().resolve('none.example'), { code: 'ENOTFOUND' });
  });

  test('a name without addresses is an error', async () => {
    await assert.rejects(resolver().resolve('empty.example'), { code: 'ENODATA' });
  });

  test('a server that fails is an error', async () => {
    await assert.rejects(resolver().resolve('broken.example'), { code: 'ESERVFAIL' });
  });

  test('K-26: /etc/hosts is not read', async () => {
    await assert.rejects(resolver().resolve('localhost'), { code: 'ENOTFOUND' });
  });

  test('K-26: no search domain is added', async () => {
    server.questions.length = 0;
    await assert.rejects(resolver().resolve('both'));
    assert.deepEqual(new Set(server.questions), new Set(['A both', 'AAAA both']));
  });

  test('both families are asked, IPv4 first', async () => {
    assert.deepEqual(await resolver().resolve('both.example'), ['192.0.2.1', '192.0.2.2', '2001:db8::1']);
  });

  test('N-12: a name with IPv6 addresses alone is found', async () => {
    assert.deepEqual(await resolver().resolve('six.example'), ['2001:db8::6']);
  });

  test('a failure of one family does not hide the other', async () => {
    assert.deepEqual(await resolver().resolve('four.example'), ['192.0.2.4']);
  });

  test('N-12: answers are not kept, so a later connection sees the later answer', async () => {
    const one = resolver();
    assert.notDeepEqual(await one.resolve('flip.example'), await one.resolve('flip.example'));
  });

  test('questions at the same time are asked once', async () => {
    server.questions.length = 0;
    const one = resolver();
    await Promise.all(Array.from({ length: 10 }, () => one.resolve('both.example')));
    assert.equal(server.questions.length, 2);
  });

  test('a literal is its own address and an override comes first, without a question', async () => {
    server.questions.length = 0;
    const one = createResolver({ servers: [server.address], overrides: { 'api.example': '127.0.0.1' } });
    assert.deepEqual(await one.resolve('192.0.2.7'), ['192.0.2.7']);
    assert.deepEqual(await one.resolve('2001:db8::7'), ['2001:db8::7']);
    assert.deepEqual(await one.resolve('api.example'), ['127.0.0.1']);
    assert.deepEqual(server.questions, []);
  });
});
