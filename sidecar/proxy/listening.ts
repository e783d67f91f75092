import type { AddressInfo, Server } from 'node:net';
import { SidecarError } from '../errors.ts';

/**
 * @param port 0 for a free one.
 * @throws SidecarError PORT_TAKEN: whoever holds the port could be read by agents as if it were us (K-22).
 */
export function listenOn(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new SidecarError('PORT_TAKEN', { detail: `${host} port ${port}: ${error.code}.` }));
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve((server.address() as AddressInfo).port);
    });
  });
}
