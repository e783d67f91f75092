// The rules that lead an agent's connections to the sidecar and end all others: one table for IPv4 and IPv6, in the JSON
// of nft (libnftables-json(5)), since the kernel's own account of them comes back in the same form and can be compared.
// What it looks like in nft's language: test/sidecar/capture/rules.nft.
//
//   an agent's packet      redirection (nat)                    guard (filter)         fence (leaving the pod)
//   to the pod itself      -                                    accepted               never seen, or dropped
//   port 53                to the sidecar's DNS                 accepted, now local    never seen
//   a captured port        to that port's listener              accepted, now local    never seen
//   to the sidecar's ports -                                    its handshake first    never seen
//   a reply to outside     -                                    accepted               accepted
//   anything else          -                                    refused                dropped, counted

import { capturePorts, relayAddress, type CapturePlan } from '../../policy/capture-plan.ts';
import { sidecarPorts } from '../../policy/contract.ts';
import {
  accept,
  chain,
  count,
  counter,
  ct,
  field,
  goBack,
  goTo,
  has,
  is,
  isNot,
  jumpTo,
  local,
  meta,
  owned,
  redirectTo,
  refuseAny,
  resetTcp,
  rulesOf,
  setMark,
  table,
  tcpNumber,
  type NftCommand,
  type NftObject,
  type Rule,
} from './nft-rule.ts';

/** Packets: of the first two, those that open a connection. `escaped`: as far as fence, and no further. */
export const counterNames = ['dns', 'captured', 'refused', 'escaped'] as const;
export type CounterName = (typeof counterNames)[number];

/**
 * On connections that the sidecar opened, on those that came in, and on those that the sidecar answered. Connection tracking
 * is the pod's own, so is this.
 */
const openedMark = 0x6f_75_74_01;
const arrivedMark = 0x6f_75_74_02;
const answeredMark = 0x6f_75_74_03;

export interface SidecarIdentity {
  readonly uid: number;
  readonly gid: number;
}

/** What is to be in the table, in order. */
export function captureRules(sidecar: SidecarIdentity, plan: CapturePlan): readonly NftObject[] {
  return [
    ...counterNames.map((name) => counter(name)),
    chain('refusal'),
    chain('passage'),
    chain('redirection', { type: 'nat', hook: 'output', prio: -100, policy: 'accept' }),
    chain('guard', { type: 'filter', hook: 'output', prio: 0, policy: 'drop' }),
    chain('arrival', { type: 'filter', hook: 'input', prio: 0, policy: 'accept' }),
    // After translation (100), when it is settled which way a packet leaves.
    chain('fence', { type: 'filter', hook: 'postrouting', prio: 300, policy: 'drop' }),
    ...rulesOf('refusal', refusal),
    ...rulesOf('passage', passage(sidecar)),
    ...rulesOf('redirection', redirection(sidecar, plan)),
    ...rulesOf('guard', guard(sidecar, plan)),
    ...rulesOf('arrival', arrival),
    ...rulesOf('fence', fence),
  ];
}

/** One transaction, which takes the place of what a container before this one wrote. */
export function replacement(rules: readonly NftObject[]): readonly NftCommand[] {
  // Added first, for one that is not there cannot be deleted.
  return [{ add: table }, { delete: table }, { add: table }, ...rules.map((add) => ({ add }))];
}

const port = (protocol: 'tcp' | 'udp', number: number): object => is(field(protocol, 'dport'), number);

/** Both, since each alone another container may have by chance. */
function sidecarOnly({ uid, gid }: SidecarIdentity): Rule {
  return [is(meta('skuid'), uid), is(meta('skgid'), gid)];
}

// At once, so that a client sees an error and not a time-out.
const refusal: readonly Rule[] = [
  [count('refused')],
  [is(meta('l4proto'), tcpNumber), resetTcp],
  [refuseAny],
];

// A direction alone proves nothing: whoever binds a socket to somebody else's address (IP_FREEBIND, free to all) and sends
// the pod a packet has made a connection from there, and every answer to it a reply.
const arrival: readonly Rule[] = [
  [isNot(meta('iif'), 'lo'), is(ct('direction'), 'original'), setMark(arrivedMark)],
];

/** What may leave the pod. Whoever falls through may not. */
function passage(sidecar: SidecarIdentity): readonly Rule[] {
  return [
    // ICMP errors about a connection count as its replies.
    [is(ct('direction'), 'reply'), is(ct('mark'), arrivedMark), accept],
    // Not its replies: a forged connection to one of its ports would have it send them anywhere.
    [is(ct('direction'), 'original'), ...sidecarOnly(sidecar), setMark(openedMark), accept],
    // Any owner but the sidecar, so what follows is for packets of no process.
    [owned, goBack],
    // The kernel sends the end of a connection when its process has gone already, so nobody owns the packet. Agents have
    // no such connections: theirs were redirected.
    [has(ct('state'), 'established'), is(ct('mark'), openedMark), accept],
    // IPv6 finds its neighbours with these (RFC 4861). Not MLD: who joins groups has the kernel send their addresses,
    // chosen by the agent, to the link; and where pods live nobody needs to be told of groups to be found.
    ...['nd-router-solicit', 'nd-neighbor-solicit', 'nd-neighbor-advert'].map((type) => [
      is(field('icmpv6', 'type'), type),
      accept,
    ]),
  ];
}

function redirection(sidecar: SidecarIdentity, plan: CapturePlan): readonly Rule[] {
  return [
    [...sidecarOnly(sidecar), accept],
    [local, accept],
    [port('udp', 53), count('dns'), redirectTo(capturePorts.dns)],
    [port('tcp', 53), count('dns'), redirectTo(capturePorts.dns)],
    // Before the ports: a relay may have one that is planned for other names too.
    ...plan.relays.flatMap((relay): readonly Rule[] => {
      const { four, six } = relayAddress(relay);
      const led = [port('tcp', relay.port), count('captured'), redirectTo(relay.listener)];
      return [
        [is(field('ip', 'daddr'), four), ...led],
        [is(field('ip6', 'daddr'), canonicalSix(six)), ...led],
      ];
    }),
    ...capturedPorts(plan).map((each) => [
      port('tcp', each.port),
      count('captured'),
      redirectTo(each.listener),
    ]),
  ];
}

/** TCP ports that are captured at any address. */
export function capturedPorts(plan: CapturePlan): CapturePlan['ports'] {
  return [
    { port: 443, listener: capturePorts.tls },
    { port: 80, listener: capturePorts.http },
    ...plan.ports,
  ];
}

function guard(sidecar: SidecarIdentity, plan: CapturePlan): readonly Rule[] {
  const ports = { set: listeners(plan) };
  return [
    // While the sidecar restarts, whoever takes one of its ports would be sent what others say to it (K-22). So nothing is
    // said on a connection before its handshake was answered by the sidecar.
    [
      is(field('tcp', 'sport'), ports),
      is(ct('direction'), 'reply'),
      ...sidecarOnly(sidecar),
      setMark(answeredMark),
    ],
    [
      is(field('tcp', 'dport'), ports),
      local,
      is(ct('direction'), 'original'),
      has(ct('state'), 'established'),
      isNot(ct('mark'), answeredMark),
      goTo('refusal'),
    ],
    // Not `oif lo`: here a redirected packet still has the interface of the address that it was meant for.
    [local, accept],
    [jumpTo('passage')],
    [goTo('refusal')],
  ];
}

/** The sidecar's ports on loopback, in the order in which nft lists them. */
function listeners({ ports, relays }: CapturePlan): readonly number[] {
  const planned = [...ports, ...relays].map(({ listener }) => listener);
  const { tls, http, dns } = capturePorts;
  return [...new Set([sidecarPorts.proxy, tls, http, dns, ...planned])].toSorted((a, b) => a - b);
}

// Against what has a local address and yet leaves. SO_BINDTODEVICE does that even to a packet that was redirected, since
// its new way is looked up for that interface.
const fence: readonly Rule[] = [[is(meta('oif'), 'lo'), accept], [jumpTo('passage')], [count('escaped')]];

/** As nft lists it, so that the two can be compared. */
function canonicalSix(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
