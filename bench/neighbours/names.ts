// A name server that knows one host, as the cluster's would.

import { createSocket, type Socket } from 'node:dgram';

/** RFC 1035 section 4.1: type A, class IN. */
const addressType = 1;
const headerBytes = 12;

export function startNameServer(host: string, address: string): Promise<Socket> {
  const server = createSocket('udp4');
  server.on('message', (query, { port, address: asker }) => {
    const answer = answerQuery(query, host, address);
    if (answer !== null) server.send(answer, port, asker);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.bind(53, '127.0.0.1', () => resolve(server));
  });
}

/** @returns null for what is no query; without records for other types, and NXDOMAIN for other names. */
export function answerQuery(query: Buffer, host: string, address: string): Buffer | null {
  if (query.length <= headerBytes) return null;
  const labels: string[] = [];
  let end = headerBytes;
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length));
    end += 1 + length;
  }
  // After the name come its end, the type and the class.
  if (query.length < end + 5) return null;
  const question = query.subarray(headerBytes, end + 5);
  const known = labels.join('.').toLowerCase() === host;
  const isAddress = known && query.readUInt16BE(end + 1) === addressType;

  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(known ? 0x8180 : 0x8183, 2); // an answer, recursion available; NXDOMAIN
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isAddress ? 1 : 0, 6);
  if (!isAddress) return Buffer.concat([header, question]);
  // The name by reference to the question, type A, class IN, a minute to live, four bytes.
  const record = Buffer.from([0xc0, headerBytes, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
  return Buffer.concat([header, question, record, Buffer.from(address.split('.').map(Number))]);
}
