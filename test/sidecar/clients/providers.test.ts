// What SDKs and tools of real services send that others do not: chunks with trailers, ranges side by side, encoded slashes,
// a verb behind a colon, a placeholder in a chat. As they are, by CONNECT and captured; credentials go over TLS alone.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nodeSkipReason } from '../../cluster/node-availability.ts';
import { installedPython } from '../../support/python-environment.ts';
import { missing } from '../tls/program.ts';
import { secrets, startClientPod, type ClientPod, type Leading, type Seen } from './pod.ts';

const awsPlaceholder = 'outrider-placeholder.research.aws';
const placeholders = {
  AWS_ACCESS_KEY_ID: awsPlaceholder,
  AWS_SECRET_ACCESS_KEY: awsPlaceholder,
  AWS_DEFAULT_REGION: 'eu-central-1',
  AWS_REGION: 'eu-central-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  ANTHROPIC_API_KEY: 'outrider-placeholder.research.llm',
  STRIPE_API_KEY: 'outrider-placeholder.research.stripe',
  NPM_CONFIG_UPDATE_NOTIFIER: 'false',
};
const ways: Readonly<Record<string, Leading>> = { connect: 'led', captured_tls: 'unled' };

const botoWith = (signature: string): string => `
import boto3, hashlib, io
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
client = boto3.client("s3", config=Config(${signature}retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))
`;
const boto = botoWith('');
// Of 20.9 MB: what a dropped Range once made 37.7 MB of.
const putAndDownload = `${boto}
body = hashlib.sha256(b"seed").digest() * (20_900_000 // 32)
client.put_object(Bucket="acme", Key="report.bin", Body=io.BytesIO(body))
whole = TransferConfig(multipart_threshold=5242880, multipart_chunksize=5242880, max_concurrency=4)
client.download_file("acme", "report.bin", "report.bin", Config=whole)
print(open("report.bin", "rb").read() == body)
`;
const presigned = `${boto}
import urllib.request, urllib.error
url = client.generate_presigned_url("get_object", Params={"Bucket": "acme", "Key": "report.bin"})
try: urllib.request.urlopen(url, timeout=10)
except urllib.error.HTTPError as error: print(error.read().decode())
`;
// As for access points of several regions, with Amazon's own signer in C.
const ofAllRegions = `${botoWith('signature_version="s3v4a", ')}
import botocore.exceptions
try: client.put_object(Bucket="acme", Key="report.bin", Body=b"x")
except botocore.exceptions.ClientError as error: print(error)
`;
const generate = `
import requests
place = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
for verb in ["generateContent", "countTokens"]:
  answer = requests.post(f"{place}:{verb}", json={"contents": []}, timeout=10)
  print(answer.status_code, answer.json().get("code"))
`;
// The history of a chat in which the placeholder was once printed.
const chat = `
import anthropic, os
client = anthropic.Anthropic(max_retries=0)
history = [{"role": "user", "content": "env says ANTHROPIC_API_KEY=" + os.environ["ANTHROPIC_API_KEY"]}]
for more in [{}, {"x-api-key": os.environ["ANTHROPIC_API_KEY"]}]:
  try:
    client.messages.create(model="x", max_tokens=5, messages=history, extra_headers=more)
    print("answered")
  except anthropic.APIStatusError as error: print(error.status_code, error.body["code"])
`;
const stripePython = (bundle: string): string => `
import os, stripe
${bundle}
stripe.api_key = os.environ["STRIPE_API_KEY"]
stripe.max_network_retries = 0
print(stripe.Refund.create(charge="ch_1")["status"])
`;
const trustingEnvironment = `
import aiohttp, asyncio
async def main():
  async with aiohttp.ClientSession(trust_env=True) as client:
    async with client.get("https://api.example.test/plain/x") as answer: print(await answer.text())
asyncio.run(main())
`;
const modules = {
  octokit: import.meta.resolve('@octokit/core'),
  s3: import.meta.resolve('@aws-sdk/client-s3'),
  stripe: import.meta.resolve('stripe'),
};
const octokit = `
import { Octokit } from '${modules.octokit}';
const place = { owner: 'acme', repo: 'docs', ref: 'heads/agent/x' };
console.log((await new Octokit().request('GET /repos/{owner}/{repo}/git/ref/{ref}', place)).data.ref);
`;
/** As their documentation has them, and with the line that makes them heed a proxy. */
const ofJavaScript = {
  '@aws-sdk/client-s3': (handed: string) => `
    import { Agent } from 'node:https';
    import { PutObjectCommand, S3Client } from '${modules.s3}';
    const s3 = new S3Client({ maxAttempts: 1, forcePathStyle: true${handed === '' ? '' : `, requestHandler: { httpsAgent: ${handed} }`} });
    await s3.send(new PutObjectCommand({ Bucket: 'acme', Key: 'js', Body: 'a report' }));`,
  stripe: (handed: string) => `
    import { Agent } from 'node:https';
    import { Stripe } from '${modules.stripe}';
    const stripe = new Stripe(process.env.STRIPE_API_KEY, { maxNetworkRetries: 0${handed === '' ? '' : `, httpAgent: ${handed}`} });
    await stripe.refunds.create({ charge: 'ch_1' });`,
};

describe('SDKs and tools of real services', { skip: nodeSkipReason() ?? false }, () => {
  let pod: ClientPod;
  let python = '';
  let llmPackages = '';
  let signer = '';
  let stripePackages = '';

  before(async () => {
    const common = await installedPython(['boto3==1.44.5', 'requests==2.34.2', 'google-auth==2.62.2']);
    python = join(common, 'bin/python');
    llmPackages = join(await installedPython(['anthropic==2.12.0', 'aiohttp==3.14.5']), 'bin/python');
    signer = join(await installedPython(['boto3[crt]==1.44.5']), 'bin/python');
    stripePackages = join(await installedPython(['stripe==16.1.0']), 'bin/python');
    pod = await startClientPod();
    await writeFile(join(pod.folder, '.npmrc'), 'audit=false\nfund=false\n');
  });
  after(() => pod?.close());

  async function run(leading: Leading, command: readonly string[]): Promise<{ output: string; seen: Seen }> {
    const { stdout, stderr } = await pod.run(leading, command, placeholders);
    const seen = await pod.seen();
    return { output: stdout.trim() || stderr.slice(-2000), seen };
  }
  const entriesOf = ({ records }: Seen): readonly string[] => [...new Set(records.map(({ entry }) => entry))];
  const node = (program: string): string[] => [process.execPath, '--input-type=module', '-e', program];

  for (const [entry, leading] of Object.entries(ways)) {
    describe(`by ${entry}`, () => {
      test('boto3 puts an object with Expect, chunks and a trailer, and downloads it in ranges side by side', async () => {
        const { output, seen } = await run(leading, [python, '-c', putAndDownload]);
        assert.equal(output, 'True');
        assert.deepEqual(entriesOf(seen), [entry]);
        const [put, ...others] = seen.received;
        assert.equal(put?.headers['content-encoding'], 'aws-chunked');
        assert.equal(put.headers['x-amz-trailer'], 'x-amz-checksum-crc32');
        assert.equal(put.headers.expect, undefined);
        const ranges = others.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range);
        assert.equal(ranges.length, 4);
        assert.ok(
          ranges.every((range) => /^bytes=\d+-\d*$/.test(range ?? '')),
          ranges.join(),
        );
      });

      test('H-63: a URL that boto3 presigned is refused by name', async () => {
        const { output, seen } = await run(leading, [python, '-c', presigned]);
        assert.match(output, /request_unsignable.*as presigned URLs do/);
        assert.deepEqual([entriesOf(seen), seen.received], [[entry], []]);
      });

      test('H-63: Signature Version 4A of boto3 is refused by name', async () => {
        const { output, seen } = await run(leading, [signer, '-c', ofAllRegions]);
        assert.match(output, /\(400\)/);
        assert.deepEqual(
          seen.records.map((each) => [each.entry, each.reason]),
          [[entry, 'request_unsignable']],
        );
      });

      test(
        'npm reads a scoped package, whose slash is encoded',
        { skip: missing('npm', '--version') },
        async () => {
          const { output, seen } = await run(leading, ['npm', 'view', '@acme/tool', 'version']);
          assert.equal(output, '1.2.3');
          assert.deepEqual(entriesOf(seen), [entry]);
          assert.deepEqual([...new Set(seen.received.map(({ url }) => url))], ['/@acme%2ftool']);
        },
      );

      test('octokit reads a ref of GitHub, whose slashes are encoded', async () => {
        const { output, seen } = await run(leading, node(octokit));
        assert.equal(output, 'refs/heads/agent/x');
        assert.deepEqual(entriesOf(seen), [entry]);
        assert.equal(seen.received[0]?.url, '/repos/acme/docs/git/ref/heads%2Fagent%2Fx');
      });

      test('GitLab is asked for a project by its path, whose slash is encoded', async () => {
        const url = 'https://gitlab.com/api/v4/projects/acme%2Fdocs/issues';
        const { output, seen } = await run(leading, ['curl', '-sS', url]);
        assert.equal(output, '[{"id":7}]');
        assert.deepEqual(entriesOf(seen), [entry]);
        assert.equal(seen.received[0]?.url, '/api/v4/projects/acme%2Fdocs/issues');
      });

      test('a verb behind a colon, as Google has it, is told from another', async () => {
        const { output, seen } = await run(leading, [python, '-c', generate]);
        assert.equal(output, '200 None\n403 no_grant');
        assert.deepEqual(entriesOf(seen), [entry]);
      });

      test('S-22: a placeholder in a chat’s history passes, in another slot it is refused', async () => {
        const { output, seen } = await run(leading, [llmPackages, '-c', chat]);
        assert.equal(output, 'answered\n403 credential_ambiguous');
        assert.deepEqual(entriesOf(seen), [entry]);
        assert.match(seen.received[0]?.body ?? '', /outrider-placeholder\.research\.llm/);
        assert.equal(seen.received[0]?.headers.authorization, `Bearer ${secrets.llm}`);
      });

      test('stripe-python trusts its own bundle alone, until it is told ours', async () => {
        const alone = await run(leading, [stripePackages, '-c', stripePython('')]);
        assert.match(alone.output, /CERTIFICATE_VERIFY_FAILED|certificate verify failed/i);
        assert.deepEqual(alone.seen.received, []);
        const told = stripePython('stripe.ca_bundle_path = os.environ["SSL_CERT_FILE"]');
        const { output, seen } = await run(leading, [stripePackages, '-c', told]);
        assert.equal(output, 'succeeded');
        assert.deepEqual(entriesOf(seen), [entry]);
      });
    });
  }

  test('aiohttp that trusts its environment comes by CONNECT, as at the level cooperative it must', async () => {
    const { output, seen } = await run('led', [llmPackages, '-c', trustingEnvironment]);
    assert.deepEqual([output, entriesOf(seen)], ['hello to GET', ['connect']]);
  });

  for (const [sdk, program] of Object.entries(ofJavaScript)) {
    test(`${sdk} as it is takes no proxy from variables, and is captured`, async () => {
      for (const leading of ['led', 'unled'] as const) {
        const { output, seen } = await run(leading, node(program('')));
        assert.deepEqual([output, entriesOf(seen), seen.received.length], ['', ['captured_tls'], 1]);
      }
    });

    test(`${sdk} with an agent that heeds variables comes by CONNECT, as at the level cooperative it must`, async () => {
      const { output, seen } = await run('led', node(program('new Agent({ proxyEnv: process.env })')));
      assert.deepEqual([output, entriesOf(seen), seen.received.length], ['', ['connect'], 1]);
    });
  }
});
