// AWS's own SDKs as agents: proxy, trust and placeholders by the variables that injection sets, and nothing else.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { agentVariables } from '../../../../policy/agent-environment.ts';
import { writeTrustStore } from '../../../../sidecar/tls/trust-store.ts';
import { installedMoto } from '../../../support/moto.ts';
import { awsKeys, awsMaterial, awsPlaceholder, awsRuleset } from '../../../support/s3-agent.ts';
import { startAwsServer, type AwsServer } from '../../../support/s3.ts';
import { startFixture, type Fixture } from '../../proxy/fixture.ts';
import { createTestCa, originName, type TestCa } from '../../proxy/origin.ts';
import { missing } from '../../tls/program.ts';

const root = join(import.meta.dirname, '..', '..', '..', '..');
let ca: TestCa;
let aws: AwsServer;
let fixture: Fixture;
let folder = '';
let endpoint = '';
let python = '';

before(async () => {
  python = join(await installedMoto(), 'bin', 'python');
  folder = mkdtempSync(join(tmpdir(), 'outrider-aws-'));
  ca = await createTestCa();
  aws = await startAwsServer({ authority: ca.authority, name: originName, keys: awsKeys, service: 's3' });
  fixture = await startFixture({ ca, origin: aws, ruleset: awsRuleset() });
  writeTrustStore({ directory: folder, certificatePem: fixture.caPem });
  endpoint = `https://${originName}:${aws.port}`;
});
after(async () => {
  await fixture.close();
  await aws.close();
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => use('s3'));

function use(service: string): void {
  aws.received.length = 0;
  aws.expect(awsKeys, service);
  fixture.swap(awsRuleset({ service }));
  fixture.setSecret(awsMaterial(awsKeys));
}

/** @returns what it printed; rejects with its stderr. */
function agent(program: string, args: readonly string[], region = 'eu-central-1'): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    ...Object.fromEntries(agentVariables({ proxyPort: fixture.port, trustDirectory: folder })),
    AWS_ACCESS_KEY_ID: awsPlaceholder,
    AWS_SECRET_ACCESS_KEY: awsPlaceholder,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
    ENDPOINT: endpoint,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd: root, env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(`${stderr}\n${stdout}`));
    }).stdin?.end();
  });
}

function allVerified(): void {
  assert.deepEqual(
    aws.received.map(({ fault }) => fault).filter((fault) => fault !== null),
    [],
  );
  assert.ok(aws.received.length > 0);
}

const boto = (lines: readonly string[], service = 's3'): Promise<string> => {
  const file = join(folder, 'agent.py');
  const setup = [
    'import boto3, os, hashlib, io',
    'from botocore.config import Config',
    `client = boto3.client("${service}", endpoint_url=os.environ["ENDPOINT"], config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))`,
  ];
  writeFileSync(file, [...setup, ...lines].join('\n'));
  return agent(python, [file]);
};

/** Node's proxy variables reach only agents of its own making, so the SDK is given one. */
const sdk = (lines: readonly string[]): Promise<string> => {
  const setup = [
    `import * as s3 from '@aws-sdk/client-s3';`,
    `import { Agent } from 'node:https';`,
    `import { createHash } from 'node:crypto';`,
    `import { Readable } from 'node:stream';`,
    `const client = new s3.S3Client({ endpoint: process.env.ENDPOINT, forcePathStyle: true, maxAttempts: 1, requestHandler: { httpsAgent: new Agent({ proxyEnv: process.env }) } });`,
  ];
  return agent(process.execPath, ['--input-type=module', '-e', [...setup, ...lines].join('\n')]);
};

describe('refused', () => {
  test('H-63: boto3 in a region that the credential does not have is told so by name', async () => {
    fixture.swap(awsRuleset({ regions: ['us-east-1'] }));
    await assert.rejects(boto(['client.list_objects_v2(Bucket="bucket")']), /403|credential_ceiling/);
    assert.deepEqual(aws.received, []);
  });

  test('H-63: a URL that boto3 presigned', async () => {
    const presign = 'url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})';
    const fetch = [
      'import urllib.request, urllib.error',
      'try: urllib.request.urlopen(url, timeout=10)',
      'except urllib.error.HTTPError as error: print(error.read().decode())',
    ];
    assert.match(await boto([presign, ...fetch]), /request_unsignable.*as presigned URLs do/);
    assert.deepEqual(aws.received, []);
  });
});

const oddKeys = [
  'plain.txt',
  'a b+c.txt',
  'ä/ü ß.txt',
  "it's (1)!*~$&,;=:@.txt",
  '100%.txt',
  'a%2Fb',
  'q?x=1&y#z',
];

describe('boto3', () => {
  const keys = JSON.stringify(oddKeys);

  test('puts objects with its default checksums, reads them back and lists them', async () => {
    const listed = await boto([
      `keys = ${keys}`,
      'for key in keys: client.put_object(Bucket="bucket", Key=key, Body=key.encode() * 1000, Metadata={"spaced": "a  b"})',
      'for key in keys: assert client.get_object(Bucket="bucket", Key=key)["Body"].read() == key.encode() * 1000, key',
      'found = [each["Key"] for each in client.list_objects_v2(Bucket="bucket", Prefix="a b+")["Contents"]]',
      'print(found)',
    ]);
    allVerified();
    assert.equal(listed, "['a b+c.txt']");
    for (const key of oddKeys)
      assert.equal(aws.objects.get(`bucket/${key}`)?.toString(), key.repeat(1000), key);
    assert.ok(
      aws.received.some(
        ({ headers }) => headers['x-amz-content-sha256'] === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      ),
    );
  });

  test('uploads in parts, and reads ranges', async () => {
    const size = 9 * 1024 * 1024 + 17;
    const printed = await boto([
      'from boto3.s3.transfer import TransferConfig',
      `body = bytes(i % 251 for i in range(1009)) * (${size} // 1009 + 1)`,
      `body = body[:${size}]`,
      'client.upload_fileobj(io.BytesIO(body), "bucket", "large", Config=TransferConfig(multipart_threshold=5242880, multipart_chunksize=5242880))',
      'part = client.get_object(Bucket="bucket", Key="large", Range="bytes=5242870-5242890")["Body"].read()',
      'assert part == body[5242870:5242891]',
      'print(hashlib.sha256(body).hexdigest())',
    ]);
    allVerified();
    const arrived = aws.objects.get('bucket/large') ?? Buffer.alloc(0);
    assert.equal(createHash('sha256').update(arrived).digest('hex'), printed);
  });

  test('asks DynamoDB, whose paths are encoded twice and whose body is hashed here', async () => {
    use('dynamodb');
    assert.equal(await boto(['print(client.list_tables()["TableNames"])'], 'dynamodb'), "['orders']");
    allVerified();
  });

  test('calls Bedrock with an ARN in its path', async () => {
    use('bedrock');
    const printed = await boto(
      [
        'answer = client.invoke_model(modelId="arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.x-v1:0", body=b"{}")',
        'print(answer["body"].read().decode())',
      ],
      'bedrock-runtime',
    );
    assert.match(printed, /TableNames/);
    allVerified();
    assert.match(aws.received[0]?.url ?? '', /%3A.*%2F/);
  });
});

describe('@aws-sdk/client-s3', () => {
  test('puts buffers and streams, reads them back and lists them', async () => {
    const printed = await sdk([
      `const keys = ${JSON.stringify(oddKeys)};`,
      `for (const Key of keys) await client.send(new s3.PutObjectCommand({ Bucket: 'js', Key, Body: Key }));`,
      `for (const Key of keys) { const { Body } = await client.send(new s3.GetObjectCommand({ Bucket: 'js', Key })); if ((await Body.transformToString()) !== Key) throw new Error(Key); }`,
      `const chunks = Array.from({ length: 40 }, (_, i) => Buffer.alloc(10_000, i));`,
      `await client.send(new s3.PutObjectCommand({ Bucket: 'js', Key: 'stream', Body: Readable.from(chunks), ContentLength: 400_000 }));`,
      `const part = await client.send(new s3.GetObjectCommand({ Bucket: 'js', Key: 'stream', Range: 'bytes=9999-10000' }));`,
      `if (Buffer.from(await part.Body.transformToByteArray()).toString('hex') !== '0001') throw new Error('range');`,
      `const { Contents } = await client.send(new s3.ListObjectsV2Command({ Bucket: 'js', Prefix: 'str' }));`,
      `console.log(Contents.map(({ Key }) => Key).join());`,
    ]);
    allVerified();
    assert.equal(printed, 'stream');
    assert.equal(aws.objects.get('js/stream')?.length, 400_000);
  });

  test('uploads in parts', async () => {
    await sdk([
      `const at = { Bucket: 'js', Key: 'parts' };`,
      `const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand(at));`,
      `const Parts = [];`,
      `for (const PartNumber of [1, 2]) { const { ETag } = await client.send(new s3.UploadPartCommand({ ...at, UploadId, PartNumber, Body: Buffer.alloc(100_000, PartNumber) })); Parts.push({ ETag, PartNumber }); }`,
      `await client.send(new s3.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));`,
    ]);
    allVerified();
    assert.equal(aws.objects.get('js/parts')?.length, 200_000);
  });
});

describe('curl', () => {
  const skip = missing('curl', '--version');
  const user = `${awsPlaceholder}:${awsPlaceholder}`;

  test('with --aws-sigv4', { skip }, async () => {
    const args = ['-sSf', '--aws-sigv4', 'aws:amz:eu-central-1:s3', '--user', user];
    await agent('curl', [...args, '-X', 'PUT', '--data-binary', 'hello', `${endpoint}/curl/a`]);
    assert.equal(await agent('curl', [...args, `${endpoint}/curl/a`]), 'hello');
    allVerified();
  });

  test('without a signature, where the credential has one region', { skip }, async () => {
    fixture.swap(awsRuleset({ regions: ['eu-north-1'] }));
    await agent('curl', ['-sSf', '-T', join(root, 'package.json'), `${endpoint}/curl/package.json`]);
    allVerified();
  });
});
