import { request } from 'node:https';

export interface HttpsCall {
  readonly url: string;
  readonly caPem: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly text: string;
}

/** One HTTPS request with a test's own trust and identity, which fetch() cannot be given. */
export function callHttps(call: HttpsCall): Promise<HttpsAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      call.url,
      {
        method: call.method ?? 'GET',
        ca: call.caPem,
        cert: call.certPem,
        key: call.keyPem,
        headers: { ...call.headers },
        agent: false, // a kept connection would outlive the server it was made to
        signal: AbortSignal.timeout(call.timeoutMs ?? 10_000),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(call.body);
  });
}
