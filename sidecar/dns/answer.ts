// What an agent's DNS question is answered with: the synthetic address of a name that its rules know, and nothing else.
// Nothing is asked of anyone on an agent's behalf, so no name and no type of record carries anything out (N-05).

import type { SyntheticAddress } from '../../policy/capture-plan.ts';
import { canonicalHost } from '../../policy/canonical.ts';
import {
  classes,
  encodeMessage,
  headerBytes,
  headerFlags,
  optRecord,
  parseMessage,
  recordTypes,
  responseCodes,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
} from './message.ts';
import { createNameWriter } from './name.ts';

export interface AnswerOptions {
  /** Of a canonical host; `undecided` while no fresh policy can tell. */
  readonly knows: (host: string) => 'known' | 'unknown' | 'undecided';
  readonly addressOf: (host: string) => SyntheticAddress;
  /** That the pod has addresses of. With both, IPv4 alone is answered: one path is enough, and clients try one. */
  readonly families: readonly ('four' | 'six')[];
  /** Of each question for an address that was answered with a no; the name as in `name.ts`. */
  readonly onRefused?: (name: string) => void;
}

/** @returns null for what gets no answer: another's answer (two servers could go on forever), or less than a header. */
export type Answer = (query: Buffer) => Buffer | null;

/** Long enough for the connections that follow, short enough for a client to see a change of policy. */
const knownTtlSeconds = 30;
/** Resolvers keep a no for as long as its SOA says (RFC 2308); the next policy may turn it into a yes. */
const unknownTtlSeconds = 5;

const { FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, SERVFAIL, BADVERS } = responseCodes;

export function createAnswer({ knows, addressOf, families, onRefused }: AnswerOptions): Answer {
  const type = families.includes('four') ? recordTypes.A : recordTypes.AAAA;
  const refusal = [startOfAuthority()];

  /** @returns the answers, or the code of a no. */
  function ask({ name, type: asked, class: ofClass }: DnsQuestion): readonly DnsRecord[] | number {
    if (ofClass !== classes.IN || asked === recordTypes.AXFR || asked === recordTypes.IXFR) return REFUSED;
    const host = hostOf(name);
    const knowledge = host === null ? 'unknown' : knows(host);
    if (knowledge === 'undecided') return SERVFAIL;
    if (host === null || knowledge === 'unknown') {
      onRefused?.(name);
      return NXDOMAIN;
    }
    if (asked !== type) return [];
    const { four, six } = addressOf(host);
    const data = { kind: 'address', address: type === recordTypes.A ? four : six } as const;
    return [{ name, type, class: classes.IN, ttl: knownTtlSeconds, data }];
  }

  return (query) => {
    if (query.length < headerBytes) return null;
    const head = { id: query.readUInt16BE(0), flags: query.readUInt16BE(2) };
    if ((head.flags & headerFlags.response) !== 0) return null;
    if ((head.flags & headerFlags.opcode) !== 0) return respond(head, NOTIMP);
    const message = readQuery(query);
    const question = message?.questions[0];
    if (message === null || question === undefined) return respond(head, FORMERR);
    const opts = message.additionals.filter(({ type: other }) => other === recordTypes.OPT);
    if (opts.length > 1 || opts.some(({ name }) => name !== '')) return respond(head, FORMERR);
    const isExtended = opts.length === 1;
    const version = ((opts[0]?.ttl ?? 0) >>> 16) & 0xff;
    if (version > 0) return respond(head, BADVERS, { question, isExtended });
    const found = ask(question);
    if (typeof found !== 'number') {
      const authorities = found.length === 0 ? refusal : [];
      return respond(head, NOERROR, { question, isExtended, answers: found, authorities });
    }
    const authorities = found === NXDOMAIN ? refusal : [];
    return respond(head, found, { question, isExtended, authorities });
  };
}

/** A query has one question and no answers; what TSIG and the like add besides OPT is not looked at. */
function readQuery(query: Buffer): DnsMessage | null {
  try {
    const message = parseMessage(query);
    const { questions, answers, authorities } = message;
    return questions.length === 1 && answers.length + authorities.length === 0 ? message : null;
  } catch {
    return null;
  }
}

/** Names with an underscore or a byte of no letter are no hosts, so no rule can know them; nor is an address a name. */
function hostOf(name: string): string | null {
  if (!/[a-z]/i.test(name) || name.startsWith('[')) return null;
  const read = canonicalHost(name);
  return 'host' in read ? read.host : null;
}

interface Content {
  readonly question: DnsQuestion;
  readonly isExtended: boolean;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
}

function respond({ id, flags }: Pick<DnsMessage, 'id' | 'flags'>, code: number, content?: Content): Buffer {
  const { recursionDesired, checkingDisabled, opcode, response, recursionAvailable } = headerFlags;
  const echoed = flags & (opcode | recursionDesired | checkingDisabled);
  return encodeMessage({
    id,
    flags: response | recursionAvailable | echoed | (code & 0x000f),
    questions: content === undefined ? [] : [content.question],
    answers: content?.answers ?? [],
    authorities: content?.authorities ?? [],
    additionals: content?.isExtended === true ? [optRecord(code >> 4)] : [],
  });
}

/** Of the root: whatever is refused lies below it. The names are of no host (RFC 6761 section 6.4). */
function startOfAuthority(): DnsRecord {
  const names = createNameWriter();
  const bytes = Buffer.alloc(64);
  let offset = names.write(bytes, 0, 'outrider.invalid');
  offset = createNameWriter().write(bytes, offset, 'nobody.invalid');
  for (const word of [1, 3600, 600, 86_400, unknownTtlSeconds]) offset = bytes.writeUInt32BE(word, offset);
  const data = { kind: 'bytes', bytes: bytes.subarray(0, offset) } as const;
  return { name: '', type: recordTypes.SOA, class: classes.IN, ttl: unknownTtlSeconds, data };
}
