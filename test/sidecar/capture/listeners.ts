// Run in a network namespace: answers each TCP connection and UDP datagram on these ports with the namespace's name and
// the port that it arrived at. Loopback alone, as the sidecar does, or everywhere, as other hosts do.
// listeners.ts NAME HOST[,HOST] TCP-PORTS UDP-PORTS

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const [name = '', hosts = '', tcpPorts = '', udpPorts = ''] = process.argv.slice(2);
const ports = (list: string): number[] => list.split(',').filter(Boolean).map(Number);

for (const host of hosts.split(',')) {
  for (const port of ports(tcpPorts)) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).on('close', () => process.stdout.write(`closed ${port}\n`));
      socket.write(`${name} ${port}\n`);
    });
    server.listen({ host, port, ipv6Only: host === '::1' });
    await once(server, 'listening');
  }
  for (const port of ports(udpPorts)) {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host === '::1' });
    socket.on('message', (_, { address, port: to }) => socket.send(`${name} ${port}`, to, address));
    socket.bind({ address: host, port });
    await once(socket, 'listening');
  }
}
process.stdout.write('listening\n');
