import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { sha256, signedAs, startAwsScene, stated, type AwsScene } from '../../../support/s3-scene.ts';

let scene: AwsScene;

before(async () => {
  scene = await startAwsScene();
});
after(() => scene.close());
beforeEach(() => scene.use());

describe('payloads', () => {
  const put = { method: 'PUT', target: '/bucket/key' };

  test('S3 is told the hash of a body that the agent did not hash', async () => {
    const { headers, body } = await scene.arrive({ ...put, headers: signedAs(), body: 'hello' });
    assert.equal(headers['x-amz-content-sha256'], sha256('hello'));
    assert.equal(body.toString(), 'hello');
  });

  test('other services are not told, unless the agent tells', async () => {
    scene.use({ service: 'dynamodb' });
    const headers = signedAs({ service: 'dynamodb' });
    const first = await scene.arrive({ method: 'POST', headers, body: '{}' });
    assert.equal(first.headers['x-amz-content-sha256'], undefined);
    scene.aws.received.length = 0;
    const second = await scene.arrive({
      method: 'POST',
      headers: [...headers, ...stated(sha256('{}'))],
      body: '{}',
    });
    assert.equal(second.headers['x-amz-content-sha256'], sha256('{}'));
  });

  test('a body of a stated hash streams, and arrives whole', async () => {
    const body = 'a'.repeat(3_000_000);
    const { verified } = await scene.arrive({
      ...put,
      headers: [...signedAs(), ...stated(sha256(body))],
      body,
    });
    assert.equal(verified?.payload.length, body.length);
  });

  test('S3 may have a payload that is not signed', async () => {
    const { headers } = await scene.arrive({
      ...put,
      headers: [...signedAs(), ...stated('UNSIGNED-PAYLOAD')],
      body: 'x',
    });
    assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
  });

  const placeholder = '0'.repeat(64);
  const chunk = (data: string): string =>
    `${data.length.toString(16)};chunk-signature=${placeholder}\r\n${data}\r\n`;
  const chunks = `${chunk('a'.repeat(70_000))}${chunk('b'.repeat(10))}0;chunk-signature=${placeholder}\r\n`;
  const chunkHeaders = ['content-encoding', 'aws-chunked', 'x-amz-decoded-content-length', '70010'];

  test('signed chunks are signed again, each of them', async () => {
    const body = `${chunks}\r\n`;
    const received = await scene.arrive({
      ...put,
      headers: [
        ...signedAs({ signed: 'content-encoding;host' }),
        ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'),
        ...chunkHeaders,
      ],
      body,
    });
    assert.equal(received.verified?.payload.length, 70_010);
    assert.equal(received.body.length, body.length);
    assert.equal(received.headers['content-length'], String(body.length));
    assert.ok(received.verified?.signedHeaders.includes('content-encoding'));
  });

  test('and so is their trailer', async () => {
    const { verified } = await scene.arrive({
      ...put,
      headers: [
        ...signedAs(),
        ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'),
        ...chunkHeaders,
        'x-amz-trailer',
        'x-amz-checksum-crc32c',
      ],
      body: `${chunks}x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:${placeholder}\r\n\r\n`,
    });
    assert.equal(verified?.payload.length, 70_010);
  });

  test('H-63: chunks that go wrong half way are cut, and never look whole upstream', async () => {
    const before = scene.aws.aborted();
    const answer = await scene.send({
      ...put,
      headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), ...chunkHeaders],
      body: chunks.replace(';chunk-signature=', ';other='),
    });
    assert.equal(answer.problem?.code, 'request_unsignable');
    assert.deepEqual(scene.aws.received, []);
    const later = await scene.send({
      ...put,
      headers: [...signedAs(), ...stated('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), ...chunkHeaders],
      body: `${chunks}x`,
    });
    assert.equal(later.problem?.code, 'request_unsignable');
    assert.deepEqual(scene.aws.received, []);
    assert.ok(scene.aws.aborted() >= before);
  });
});
