// An operator's control port as a sidecar sees it: TLS, server-sent events, reports. What it answers is the
// test's to say; the real operator is met in the end-to-end tests.

import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { rulesetRevision, type Ruleset } from '../../../policy/ruleset.ts';
import type { SidecarReport, Watermark } from '../../../policy/contract.ts';
import type { Certificate } from '../../cluster/certificates.ts';

export interface TlsOperator {
  /** host:port */
  readonly address: string;
  readonly streams: { readonly headers: IncomingHttpHeaders; readonly response: ServerResponse }[];
  readonly reports: { readonly headers: IncomingHttpHeaders; readonly report: SidecarReport }[];
  /** Replaces what is answered to a stream; the default opens it. */
  onStream: (request: IncomingMessage, response: ServerResponse) => void;
  reportStatus: number;
  /** Writes to the stream that was opened last. */
  send(text: string): void;
  sendRuleset(ruleset: Ruleset, watermark: Watermark, lease?: number): void;
  sendHeartbeat(watermark: Watermark): void;
  setCertificate(certificate: Certificate): void;
  close(): Promise<void>;
}

export async function startTlsOperator(certificate: Certificate, port = 0): Promise<TlsOperator> {
  const server = createServer({ key: certificate.keyPem, cert: certificate.certPem }, (request, response) => {
    if (request.url === '/v1/reports' && request.method === 'POST') void takeReport(request, response);
    else if (request.url === '/v1/ruleset' && request.method === 'GET') operator.onStream(request, response);
    else response.writeHead(404).end();
  });

  async function takeReport(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks = (await request.toArray()) as Buffer[];
    const report = JSON.parse(Buffer.concat(chunks).toString()) as SidecarReport;
    operator.reports.push({ headers: request.headers, report });
    response.writeHead(operator.reportStatus).end();
  }

  await once(server.listen(port, '127.0.0.1'), 'listening');
  const operator: TlsOperator = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams: [],
    reports: [],
    reportStatus: 204,
    onStream(request, response) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      operator.streams.push({ headers: request.headers, response });
    },
    send(text) {
      operator.streams.at(-1)?.response.write(text);
    },
    sendRuleset(ruleset, watermark, lease = 60) {
      const data = { revision: rulesetRevision(ruleset), watermark, lease, ruleset };
      operator.send(`event: ruleset\ndata: ${JSON.stringify(data)}\n\n`);
    },
    sendHeartbeat(watermark) {
      operator.send(`event: heartbeat\ndata: ${JSON.stringify({ watermark })}\n\n`);
    },
    setCertificate({ certPem, keyPem }) {
      server.setSecureContext({ cert: certPem, key: keyPem });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return operator;
}
