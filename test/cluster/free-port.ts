import { createServer } from 'node:net';

/**
 * A port that nothing listens on, for servers that cannot be told to pick one themselves. It comes from below
 * Linux's range for outgoing connections (32768, ip_local_port_range), so that none of those can take it while a server
 * that must keep its port restarts.
 */
export async function findFreePort(address = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await canListen(address, port)) return port;
  }
  throw new Error(`no free port between 20000 and 32000 on ${address}`);
}

function canListen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

/** Starts a server on a free port, again on another one if somebody took it between finding and listening. */
export async function startOnFreePort<T>(
  address: string,
  start: (port: number) => Promise<T>,
): Promise<{ readonly port: number; readonly started: T }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort(address);
    try {
      return { port, started: await start(port) };
    } catch (error) {
      if (attempt === 3 || !String(error).includes('address already in use')) throw error;
    }
  }
}
