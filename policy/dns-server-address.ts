// `address`, `address:port` or `[address]:port`, as settings and resolv.conf write a name server.

import { isIPv4, isIPv6 } from 'node:net';

export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

const dnsPort = 53;

/** @returns null for what is none; a name would need a server to be found. */
export function parseServerAddress(text: string): ServerAddress | null {
  if (isIPv6(text)) return { address: text, port: dnsPort };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const port = digits === undefined ? dnsPort : Number(digits);
  const isAddress = bracketed === undefined ? isIPv4(address) : isIPv6(address);
  return isAddress && port > 0 && port < 65_536 ? { address, port } : null;
}
