// How the traffic of a captured pod reaches its sidecar, agreed between the injector, which plans it when the pod is
// created, the init container, which writes it as netfilter rules, and the sidecar, which listens.

import { createHash } from 'node:crypto';

/** `cooperative`: by proxy variables, which an agent can disregard. `captured`: by netfilter, which it cannot. */
export type CaptureLevel = 'cooperative' | 'captured';

/** Ports on 127.0.0.1 and ::1 that netfilter redirects to. From `firstPlanned` up: those of the plan. */
export const capturePorts = { tls: 15443, http: 15080, dns: 15053, firstPlanned: 16_000 } as const;

/**
 * Addresses that the sidecar answers DNS questions with. They are never dialled, only redirected: benchmarking's range
 * (RFC 2544), and a unique local one that was drawn at random (RFC 4193). The first `maxRelays` of each are of `relays`.
 */
export const syntheticRanges = { four: '198.18.0.0/15', six: 'fd6f:e24a:9d1c:5ad7::/64' } as const;

/** Of each kind: a listener costs some KiB, and a Service rarely has more ports than these. */
export const maxPlannedPorts = 64;
export const maxRelays = 64;

export interface CapturePlan {
  /** Ports of AgentDestinations that speak TLS or HTTP, besides 80 and 443: the name comes from SNI or Host. */
  readonly ports: readonly PlannedPort[];
  /** AgentDestinations of scheme tcp: there the address that an agent dialled is all that tells the name. */
  readonly relays: readonly PlannedRelay[];
}

export interface PlannedPort {
  readonly port: number;
  /** Loopback port of the sidecar. */
  readonly listener: number;
}

export interface PlannedRelay {
  /**
   * The first of its names, canonical: where it leads for as long as the pod lives, whatever becomes of the AgentDestination.
   * Agents keep addresses longer than their answers last.
   */
  readonly name: string;
  readonly port: number;
  readonly listener: number;
  /** Which synthetic address its names have, from 1; destinations of one name have one address. */
  readonly slot: number;
}

/** What of an AgentDestination a plan is made from. */
export interface PlannedDestination {
  readonly destination: string;
  /** The first of its names, canonical. */
  readonly name: string;
  readonly port: number;
  readonly scheme: 'https' | 'http' | 'tcp';
}

/**
 * The same plan for the same destinations in any order.
 * @returns `left`: names of destinations for which there was no room.
 */
export function planCapture(destinations: readonly PlannedDestination[]): {
  readonly plan: CapturePlan;
  readonly left: readonly string[];
} {
  const sorted = destinations.toSorted((a, b) => (a.destination < b.destination ? -1 : 1));
  const ports: PlannedPort[] = [];
  const relays: PlannedRelay[] = [];
  const slots = new Map<string, number>();
  const left: string[] = [];
  let listener: number = capturePorts.firstPlanned;
  for (const { destination, name, port, scheme } of sorted) {
    if (scheme === 'tcp') {
      if (relays.some((planned) => planned.name === name && planned.port === port)) continue;
      if (relays.length >= maxRelays) {
        left.push(destination);
        continue;
      }
      const slot = slots.get(name) ?? slots.size + 1;
      slots.set(name, slot);
      relays.push({ name, port, listener: listener++, slot });
    } else if (port !== 80 && port !== 443 && !ports.some((planned) => planned.port === port)) {
      if (ports.length >= maxPlannedPorts) left.push(destination);
      else ports.push({ port, listener: listener++ });
    }
  }
  return { plan: { ports, relays }, left };
}

/** One spelling, since admission compares that of the init container with that of the sidecar. */
export function encodePlan({ ports, relays }: CapturePlan): string {
  return JSON.stringify({
    ports: ports.map(({ port, listener }) => ({ port, listener })),
    relays: relays.map(({ name, port, listener, slot }) => ({ name, port, listener, slot })),
  });
}

/** @throws {Error} that says what is wrong; the webhook wrote it, so that would be a defect or an enemy. */
export function parsePlan(text: string): CapturePlan {
  const plan = JSON.parse(text) as Partial<CapturePlan> | null;
  const { ports, relays } = plan ?? {};
  if (!Array.isArray(ports) || !Array.isArray(relays)) throw new Error('the plan has no ports or no relays');
  const numbers = [...ports, ...relays].flatMap(({ port, listener }) => [port, listener]);
  const slots = relays.map(({ slot }) => slot);
  const isPort = (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
  if (!numbers.every(isPort)) throw new Error('the plan has a port that is none');
  if (!slots.every((slot) => Number.isInteger(slot) && slot >= 1 && slot <= maxRelays)) {
    throw new Error(`the plan has a slot that is not from 1 to ${maxRelays}`);
  }
  if (!relays.every(({ name }) => typeof name === 'string')) {
    throw new Error('the plan has a relay without a name');
  }
  return { ports, relays };
}

export interface SyntheticAddress {
  readonly four: string;
  readonly six: string;
}

/** Of all names of a relay. */
export function relayAddress({ slot }: Pick<PlannedRelay, 'slot'>): SyntheticAddress {
  return addressAt(slot);
}

/**
 * Of any other name. Made of the name alone, so that it survives a restart of the sidecar and nothing has to be kept; two
 * names may share one, since it is their SNI or Host that counts.
 */
export function syntheticAddress(host: string): SyntheticAddress {
  const first = maxRelays + 1;
  const last = 2 ** 17 - 2; // of a /15, without its broadcast address
  const drawn = createHash('sha256').update(host).digest().readUInt32BE(0);
  return addressAt(first + (drawn % (last - first + 1)));
}

function addressAt(index: number): SyntheticAddress {
  return {
    four: `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
    six: `fd6f:e24a:9d1c:5ad7::${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}`,
  };
}

/** The init container's report, a file under `podPaths.keys`: what it wrote and proved. Absent: nothing is captured. */
export const captureReportFile = 'capture.json';

export interface CaptureReport {
  readonly level: 'captured';
  /** As encoded. */
  readonly plan: string;
  /** Families that have an address here, and so listeners and rules that matter. */
  readonly families: readonly ('four' | 'six')[];
  /** RFC 3339. */
  readonly at: string;
}
