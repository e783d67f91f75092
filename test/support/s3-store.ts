// As much of S3 as its SDKs need for objects: buckets by path, ranges, listings, multipart uploads.

import { createHash } from 'node:crypto';

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface S3Store {
  /** By bucket and key. */
  readonly objects: ReadonlyMap<string, Buffer>;
  answer(
    request: { readonly method: string; readonly url: string },
    range: string | undefined,
    payload: Buffer,
  ): S3Answer;
}

export function createS3Store(): S3Store {
  const objects = new Map<string, Buffer>();
  const parts = new Map<number, Buffer>();

  function put(name: string, payload: Buffer): S3Answer {
    objects.set(name, payload);
    return answerOf(200, '', { etag: etagOf(payload) });
  }

  function get(name: string, range: string | undefined): S3Answer {
    const found = objects.get(name);
    if (found === undefined) return answerOf(404, '<Error><Code>NoSuchKey</Code></Error>');
    const [, from, to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    if (from === undefined) return answerOf(200, found, { etag: etagOf(found) });
    const end = to === '' ? found.length - 1 : Number(to);
    const body = found.subarray(Number(from), end + 1);
    return answerOf(206, body, { 'content-range': `bytes ${from}-${end}/${found.length}` });
  }

  function list(bucket: string, query: URLSearchParams): S3Answer {
    const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
    const keys = [...objects.keys()].filter((name) => name.startsWith(prefix));
    const contents = keys.map((name) => {
      const key = encodeURIComponent(name.slice(bucket.length + 1));
      return `<Contents><Key>${key}</Key><Size>${objects.get(name)?.length}</Size></Contents>`;
    });
    return answerOf(
      200,
      `<ListBucketResult><Name>${bucket}</Name><EncodingType>url</EncodingType><KeyCount>${keys.length}</KeyCount><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`,
    );
  }

  return {
    objects,
    answer: ({ method, url }, range, payload) => {
      const [path = '', search = ''] = url.split('?');
      const query = new URLSearchParams(search);
      const name = decodeURIComponent(path.slice(1)).replace(/^([^/]*)\/$/, '$1');
      if (method === 'GET' && !name.includes('/')) return list(name, query);
      if (method === 'GET' || method === 'HEAD') return get(name, range);
      if (method === 'DELETE') return answerOf(objects.delete(name) ? 204 : 404, '');
      if (query.has('uploads')) {
        parts.clear();
        return answerOf(
          200,
          '<InitiateMultipartUploadResult><UploadId>u+1/a=</UploadId></InitiateMultipartUploadResult>',
        );
      }
      if (query.has('partNumber')) {
        parts.set(Number(query.get('partNumber')), payload);
        return answerOf(200, '', { etag: etagOf(payload) });
      }
      if (method === 'POST') {
        put(name, Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, part]) => part)));
        return answerOf(
          200,
          '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>',
        );
      }
      return put(name, payload);
    },
  };
}

function etagOf(payload: Buffer): string {
  return `"${createHash('md5').update(payload).digest('hex')}"`;
}

function answerOf(status: number, body: string | Buffer, headers: Record<string, string> = {}): S3Answer {
  return {
    status,
    headers: { 'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT', ...headers },
    body: Buffer.from(body as string),
  };
}
