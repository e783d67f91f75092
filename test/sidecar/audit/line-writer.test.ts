import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { createLineWriter } from '../../../sidecar/audit/line-writer.ts';

test('lines that nobody reads are dropped and counted, and never wait', async () => {
  let read = 0;
  const held: (() => void)[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      read += chunk.length;
      if (held.length === 0) held.push(done);
      else done();
    },
  });
  let dropped = 0;
  const lines = createLineWriter({ stream, onDropped: (count) => (dropped += count) });
  for (let index = 0; index < 3000; index += 1) {
    lines.write('x'.repeat(999));
    if (index % 100 === 99) await sleep(10);
  }
  assert.ok(stream.writableLength <= 1024 * 1024, `${stream.writableLength} bytes wait`);
  assert.equal(dropped, 0, 'told when it is over');
  held[0]?.();
  await sleep(10);
  lines.write('last');
  assert.ok(dropped > 1900 && dropped < 2000, `${dropped} dropped`);
  await lines.close();
  assert.equal(read, (3000 - dropped) * 1000 + 5);
});

test('lines of one moment are one write, in their order, and many are not held back', async () => {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const lines = createLineWriter({ stream, onDropped: () => {} });
  lines.write('one');
  lines.write('two');
  await sleep(20);
  lines.write('x'.repeat(20_000));
  lines.write('last');
  await lines.close();
  assert.deepEqual(chunks, ['one\ntwo\n', `${'x'.repeat(20_000)}\n`, 'last\n']);
});
