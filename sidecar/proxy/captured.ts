// The listeners that netfilter redirects to. What they accept had another destination, which is never looked at: the
// name comes from SNI or Host, of a relay from the plan, and the port from the listener (N-21).

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { CapturePlan, PlannedRelay } from '../../policy/capture-plan.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import type { Entry, Origin } from './entry.ts';
import type { CreateHandshakes } from './handshake.ts';
import { listenOn } from './listening.ts';

export interface CapturedOptions {
  readonly plan: CapturePlan;
  readonly handshakes: CreateHandshakes;
  /** @returns false for a connection that is one too many, and gone. */
  readonly admit: (socket: Socket) => boolean;
  /** Takes a connection that speaks HTTP. */
  readonly serve: (socket: Socket, entry: Entry) => void;
  readonly relay: (relay: PlannedRelay, socket: Socket) => void;
  readonly onFailure: (origin: Origin, refusal: Refusal) => void;
  readonly ownPorts: Set<number>;
}

/** Ports that are listened on; `planned` and `relays` in the plan's order. */
export interface CapturedPorts {
  readonly tls: number;
  readonly http: number;
  readonly planned: readonly number[];
  readonly relays: readonly number[];
}

export interface Captured {
  /**
   * @param ports as `capturePorts`; 0, here and in the plan, for a free one, the same on every host.
   * @throws SidecarError PORT_TAKEN
   */
  listen(
    ports: { readonly tls: number; readonly http: number },
    hosts: readonly string[],
  ): Promise<CapturedPorts>;
  close(): Promise<void>;
}

/** The first byte of a TLS record with a handshake (RFC 8446 section 5.1), which no HTTP method begins with. */
const handshakeByte = 0x16;
/** As for a head and a handshake, whose deadlines begin after it. */
const firstByteTimeoutMs = 10_000;
/** As of connections to the proxy port: what an agent does not read waits here. */
const highWaterMark = 16 * 1024;

type Accept = (socket: Socket) => void;

export function createCaptured(options: CapturedOptions): Captured {
  const { plan, handshakes, admit, serve, relay, onFailure, ownPorts } = options;
  const servers: NetServer[] = [];

  function tlsAt(port: number): Accept {
    const server: TlsServer = handshakes({ kind: 'captured_tls', port });
    return (socket) => server.emit('connection', socket);
  }

  function httpAt(port: number): Accept {
    const entry = { kind: 'captured_http', port } as const;
    return (socket) => serve(socket, entry);
  }

  function eitherAt(port: number): Accept {
    const [tls, http] = [tlsAt(port), httpAt(port)];
    return (socket) => {
      const deadline = setTimeout(() => {
        socket.destroy();
        onFailure({ kind: 'captured_http' }, refuseSilent(port));
      }, firstByteTimeoutMs);
      socket.once('close', () => clearTimeout(deadline));
      socket.once('readable', () => {
        clearTimeout(deadline);
        const first = socket.read() as Buffer | null;
        if (first === null) {
          socket.destroy();
          return;
        }
        socket.unshift(first);
        (first[0] === handshakeByte ? tls : http)(socket);
      });
    };
  }

  async function listenAt(port: number, hosts: readonly string[], accept: Accept): Promise<number> {
    let chosen = port;
    for (const host of hosts) {
      // A relay passes on that the agent has said all; HTTP and TLS see to that end themselves.
      const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark }, (socket) => {
        if (admit(socket)) accept(socket);
      });
      servers.push(server);
      chosen = await listenOn(server, chosen, host);
      ownPorts.add(chosen);
    }
    return chosen;
  }

  return {
    listen: async (ports, hosts) => {
      const tls = await listenAt(ports.tls, hosts, tlsAt(443));
      const http = await listenAt(ports.http, hosts, httpAt(80));
      const planned: number[] = [];
      for (const { port, listener } of plan.ports)
        planned.push(await listenAt(listener, hosts, eitherAt(port)));
      const relays: number[] = [];
      for (const one of plan.relays) {
        relays.push(await listenAt(one.listener, hosts, (socket) => relay(one, socket)));
      }
      return { tls, http, planned, relays };
    },
    close: async () => {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** Where the server speaks first, as in SMTP and MySQL, both sides would wait. */
function refuseSilent(port: number): Refusal {
  return refuse(
    'request_malformed',
    `The connection to port ${port} sent nothing for 10 s; an AgentDestination of a protocol other than HTTP has scheme: tcp.`,
  );
}
