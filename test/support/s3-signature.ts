// Checks a request as AWS does: the head by the library aws4, which is none of ours, and chunked payloads as Amazon's
// documentation has them.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import aws4 from 'aws4';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface AwsRequest {
  readonly method: string;
  /** As on the wire. */
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export interface Verified {
  readonly region: string;
  readonly signedHeaders: readonly string[];
  /** Without the framing of chunks. */
  readonly payload: Buffer;
}

const maxSkewMs = 15 * 60_000;

/** @throws {assert.AssertionError} that says what does not fit. */
export function verifyAws(request: AwsRequest, keys: AwsKeys, service: string): Verified {
  const headers = collect(request.rawHeaders);
  const authorization = headers.get('authorization') ?? '';
  const [, accessKeyId, day = '', region = '', signedFor, names = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  assert.equal(accessKeyId, keys.accessKeyId, `access key of ${authorization}`);
  assert.equal(signedFor, service);
  const date = headers.get('x-amz-date') ?? '';
  assert.equal(date.slice(0, 8), day);
  assert.ok(Math.abs(Date.now() - parseDate(date)) < maxSkewMs, `skew of ${date}`);
  assert.equal(headers.get('x-amz-security-token'), keys.sessionToken);
  const signedHeaders = names.split(';');
  assert.ok(signedHeaders.includes('host'));
  for (const name of headers.keys()) {
    if (name.startsWith('x-amz-')) assert.ok(signedHeaders.includes(name), `${name} is not signed`);
  }
  assert.equal(signature, recompute(request, headers, signedHeaders, keys, { service, region, date }));
  const scope = `${day}/${region}/${service}/aws4_request`;
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (last, part) => hmac(last, part),
    `AWS4${keys.secretAccessKey}`,
  );
  const sign = (lines: readonly string[]): string => hmac(key, lines.join('\n')).toString('hex');
  const payload = readPayload(request.body, headers, { signature, sign, date, scope });
  return { region, signedHeaders, payload };
}

function recompute(
  { method, url, body }: AwsRequest,
  headers: ReadonlyMap<string, string>,
  signedHeaders: readonly string[],
  keys: AwsKeys,
  { service, region, date }: { service: string; region: string; date: string },
): string | undefined {
  const signed = Object.fromEntries(signedHeaders.map((name) => [name, headers.get(name) ?? '']));
  const options = {
    method,
    path: url,
    body,
    service,
    region,
    headers: signed,
    doNotModifyHeaders: true,
    extraHeadersToInclude: Object.fromEntries(signedHeaders.map((name) => [name, true])),
  };
  const signer = Object.assign(new aws4.RequestSigner(options, keys), { datetime: date });
  return /Signature=(.*)$/.exec(String(signer.sign().headers?.Authorization))?.[1];
}

interface Chain {
  readonly signature: string;
  readonly sign: (lines: readonly string[]) => string;
  readonly date: string;
  readonly scope: string;
}

function readPayload(body: Buffer, headers: ReadonlyMap<string, string>, chain: Chain): Buffer {
  const stated = headers.get('x-amz-content-sha256');
  if (stated === undefined || stated === 'UNSIGNED-PAYLOAD') return body;
  if (!stated.startsWith('STREAMING-')) {
    assert.equal(stated, sha256(body), 'hash of the body');
    return body;
  }
  const payload = dechunk(body, stated, headers.get('x-amz-trailer'), chain);
  assert.equal(payload.length, Number(headers.get('x-amz-decoded-content-length')));
  return payload;
}

function dechunk(body: Buffer, stated: string, announced: string | undefined, chain: Chain): Buffer {
  const isSigned = stated.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD');
  const { date, scope, sign } = chain;
  let previous = chain.signature;
  let rest = body;
  const parts: Buffer[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const [size = '', extension = ''] = rest.subarray(0, end).toString('latin1').split(';chunk-signature=');
    const data = rest.subarray(end + 2, end + 2 + Number.parseInt(size, 16));
    if (isSigned) {
      previous = sign(['AWS4-HMAC-SHA256-PAYLOAD', date, scope, previous, sha256(''), sha256(data)]);
      assert.equal(extension, previous, 'signature of a chunk');
    }
    rest = rest.subarray(end + 2 + data.length);
    if (data.length === 0) break;
    parts.push(data);
    assert.equal(rest.subarray(0, 2).toString(), '\r\n');
    rest = rest.subarray(2);
  }
  const payload = Buffer.concat(parts);
  const trailer = rest.toString('latin1').replace(/\r\n$/, '').split('\r\n');
  if (announced === undefined) {
    assert.deepEqual(trailer, ['']);
    return payload;
  }
  const [checksum = '', signature] = trailer.filter((line) => line !== '');
  assert.ok(checksum.startsWith(`${announced}:`), `trailer ${checksum}`);
  if (announced === 'x-amz-checksum-crc32') {
    const expected = Buffer.alloc(4);
    expected.writeUInt32BE(crc32(payload));
    assert.equal(checksum.slice(announced.length + 1), expected.toString('base64'));
  }
  if (isSigned) {
    const trailerHash = sha256(`${checksum}\n`);
    const expected = sign(['AWS4-HMAC-SHA256-TRAILER', date, scope, previous, trailerHash]);
    assert.equal(signature, `x-amz-trailer-signature:${expected}`);
  }
  return payload;
}

function collect(raw: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? (raw[at + 1] ?? '') : `${before},${raw[at + 1]}`);
  }
  return headers;
}

function parseDate(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
