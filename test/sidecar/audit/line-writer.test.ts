import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { createLineWriter } from '../../../sidecar/audit/line-writer.ts';

test('lines that nobody reads are dropped and counted, and never wait', async () => {
  let read = 0;
  let resume = (): void => {};
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      read += chunk.length;
      if (read <= 100_000) resume = done;
      else done();
    },
  });
  let dropped = 0;
  const lines = createLineWriter({ stream, onDropped: (count) => (dropped += count) });
  for (let index = 0; index < 3000; index += 1) {
    lines.write('x'.repeat(999));
    if (index % 100 === 99) await turn();
  }
  assert.ok(stream.writableLength <= 1024 * 1024, `${stream.writableLength} bytes wait`);
  assert.equal(dropped, 0, 'told when it is over');
  resume();
  await turn();
  lines.write('last');
  assert.ok(dropped > 1900 && dropped < 2000, `${dropped} dropped`);
  await lines.close();
  assert.equal(read, (3000 - dropped) * 1000 + 5);
});

test('lines of one turn are one write, in their order', async () => {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const lines = createLineWriter({ stream, onDropped: () => {} });
  lines.write('one');
  lines.write('two');
  await turn();
  await turn();
  lines.write('three');
  await lines.close();
  assert.deepEqual(chunks, ['one\ntwo\n', 'three\n']);
});
