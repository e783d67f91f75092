// One connection to an upstream: names are resolved by us, every address is checked, and the connection goes to an
// address that was. TLS is always verified, against Node's own roots and the destination's CA alone; what is plain HTTP
// was said to be by an AgentDestination.

import { constants } from 'node:crypto';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as startTls,
  createSecureContext,
  DEFAULT_CIPHERS,
  rootCertificates,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { refuse } from '../../policy/refusal.ts';
import type { RulesetDestination } from '../../policy/ruleset.ts';
import type { AddressGuard, Opening } from '../dns/addresses.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { IsOwnPlace } from './own-places.ts';
import { connectError, refuseUnreachable, refuseUnresolved, refuseUntrusted } from './upstream-failure.ts';

export interface Place {
  /** The canonical host that the agent named: it is what the certificate must prove. */
  readonly host: string;
  readonly port: number;
  /** `http` only where an AgentDestination says so, or nothing of ours is on the request; `tcp` only where one says so. */
  readonly scheme: 'https' | 'http' | 'tcp';
  readonly destination: RulesetDestination | null;
}

/** @throws ConnectError */
export type Dial = (place: Place) => Promise<Socket>;

export interface DiallerOptions {
  readonly resolver: Resolver;
  readonly guard: AddressGuard;
  /** `Ruleset.clusterRanges` of the ruleset in force. */
  readonly clusterRanges?: () => readonly string[];
  readonly isOwnPlace?: IsOwnPlace;
}

/** A TCP and a TLS handshake are three round trips; 10 s is what curl and browsers' proxies wait about. */
const connectTimeoutMs = 10_000;
/** Of several addresses, one that does not answer leaves time for the others. */
const maxTimePerAddressMs = 3000;
const maxAddresses = 4;
/** Finds dead peers of idle and of streaming connections; as undici does. */
const tcpKeepAliveMs = 60_000;
/** Four times less than Node's: what an agent does not read waits here, once per connection. */
const buffers = { highWaterMark: 16 * 1024 };

/**
 * Said here, so that no build of OpenSSL and no configuration says less: level 2 refuses keys and digests of less than 112
 * bits (RSA of 1024, SHA-1) in every certificate of a chain. A second handshake would show a certificate that nobody checks.
 */
const tlsFloor = {
  minVersion: 'TLSv1.2',
  ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=2`,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const;

const noRanges: readonly string[] = [];

export function createDialler({
  resolver,
  guard,
  clusterRanges = () => noRanges,
  isOwnPlace = () => false,
}: DiallerOptions): Dial {
  /** A context of all roots takes 5 ms and 1.4 MiB, so it is made once per CA bundle. */
  const contexts = new Map<string, SecureContext>();

  function contextFor(caBundle: string | undefined): SecureContext {
    const key = caBundle ?? '';
    // Named explicitly: the default would add what NODE_EXTRA_CA_CERTS and SSL_CERT_FILE name (K-24).
    const ca = caBundle === undefined ? [...rootCertificates] : [...rootCertificates, caBundle];
    const context = contexts.get(key) ?? createSecureContext({ ca, ...tlsFloor });
    contexts.set(key, context);
    return context;
  }

  async function checkedAddresses({ host, port, destination }: Place): Promise<readonly string[]> {
    if (destination === null && isOwnPlace({ host, port })) {
      throw connectError(
        refuse(
          'destination_blocked',
          `${host} is where policy, secrets or spans of this agent are kept; only an AgentDestination can open it.`,
        ),
      );
    }
    const name = destination?.resolveAs ?? host;
    const addresses = await resolver.resolve(name).catch((error: unknown) => {
      throw connectError(refuseUnresolved(error, name));
    });
    const opening: Opening = destination === null ? 'public' : (destination.cidrs ?? 'cluster');
    const ranges = clusterRanges();
    // One bad address among many is a sign of rebinding, so it condemns the name (N-10).
    if (addresses.length > 0 && addresses.every((address) => guard.allows(address, port, opening, ranges))) {
      return addresses.slice(0, maxAddresses);
    }
    throw connectError(
      refuse(
        'destination_blocked',
        `${host} leads to an address that is not open to agents; an AgentDestination can open it.`,
      ),
    );
  }

  function connectTls(place: Place, address: string): TLSSocket {
    return startTls({
      host: address,
      port: place.port,
      // An address has no SNI; its certificate is then checked for the address itself.
      servername: isIP(place.host) === 0 ? place.host : '',
      secureContext: contextFor(place.destination?.caBundle),
      rejectUnauthorized: true,
      checkServerIdentity: checkAlternativeNames,
      ALPNProtocols: ['http/1.1'],
      ...buffers,
    });
  }

  async function dialAddress(place: Place, address: string, timeoutMs: number): Promise<Socket> {
    const socket = place.scheme === 'https' ? connectTls(place, address) : connect(place.port, address);
    socket.setNoDelay(true).setKeepAlive(true, tcpKeepAliveMs);
    // Between our listeners and undici's there is a moment without any, and an unheard error ends the process. A TLS
    // socket lives on after one, and would be handed over.
    socket.on('error', (error) => socket.destroy(error));
    let connected = false;
    socket.once('connect', () => {
      connected = true;
    });
    const deadline = setTimeout(() => {
      socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    try {
      await once(socket, place.scheme === 'https' ? 'secureConnect' : 'connect');
      return socket;
    } catch (error) {
      socket.destroy();
      const refused = connected && (error as NodeJS.ErrnoException).code !== 'ETIMEDOUT';
      const describe = refused ? refuseUntrusted : refuseUnreachable;
      throw connectError(describe(error as Error, place.host));
    } finally {
      clearTimeout(deadline);
    }
  }

  return async (place) => {
    const endsAtMs = performance.now() + connectTimeoutMs;
    const addresses = await checkedAddresses(place);
    let failure: unknown;
    for (const [index, address] of addresses.entries()) {
      const leftMs = endsAtMs - performance.now();
      const isLast = index === addresses.length - 1;
      const timeoutMs = Math.max(1, isLast ? leftMs : Math.min(leftMs, maxTimePerAddressMs));
      try {
        return await dialAddress(place, address, timeoutMs);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
}

/** Node falls back to the subject's common name where no SAN is given; RFC 9110 section 4.3.4 does not. */
function checkAlternativeNames(name: string, certificate: PeerCertificate): Error | undefined {
  if (/(?:^|, )(?:DNS|IP Address):/.test(certificate.subjectaltname ?? '')) {
    return checkServerIdentity(name, certificate);
  }
  return Object.assign(new Error('no name in the SAN'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
