// Ranges of IP addresses, as CIDR writes them (RFC 4632, RFC 4291 section 2.3).

import { isIPv4, isIPv6 } from 'node:net';

export interface AddressRange {
  readonly family: 4 | 6;
  /** The first of its addresses. */
  readonly first: bigint;
  /** How many leading bits all of its addresses share. */
  readonly prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/** @returns null for what is neither `address/prefix` nor an address; bits below the prefix do not count. */
export function parseRange(text: string): AddressRange | null {
  const [, address = '', digits] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIPv4(address) ? 4 : isIPv6(address) ? 6 : null;
  if (family === null) return null;
  const bits = bitsOf[family];
  const prefix = digits === undefined ? bits : Number(digits);
  if (prefix > bits) return null;
  const number = family === 4 ? numberOf4(address) : numberOf6(address);
  return rangeAround({ family, first: number, prefix });
}

function rangeAround({ family, first, prefix }: AddressRange): AddressRange {
  const free = BigInt(bitsOf[family] - prefix);
  return { family, first: (first >> free) << free, prefix };
}

function numberOf4(address: string): bigint {
  return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

/** By way of URL, which spells an address without dots and with at most one gap. */
function numberOf6(address: string): bigint {
  const [head = '', tail = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** One spelling per range. */
export function formatRange({ family, first, prefix }: AddressRange): string {
  const units = family === 4 ? [24, 16, 8, 0] : [112, 96, 80, 64, 48, 32, 16, 0];
  const mask = family === 4 ? 0xffn : 0xffffn;
  const parts = units.map((shift) => (first >> BigInt(shift)) & mask);
  if (family === 4) return `${parts.join('.')}/${prefix}`;
  const text = parts.map((part) => part.toString(16)).join(':');
  return `${new URL(`http://[${text}]`).hostname.slice(1, -1)}/${prefix}`;
}

export function containsRange(outer: AddressRange, inner: AddressRange): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  return rangeAround({ ...inner, prefix: outer.prefix }).first === outer.first;
}

/**
 * The same addresses in as few ranges as can be, in order.
 * @param most of each family; where there are more, the smallest are widened until neighbours fall into one.
 */
export function aggregateRanges(ranges: readonly AddressRange[], most = Infinity): AddressRange[] {
  return ([4, 6] as const).flatMap((family) => {
    let joined = joinSiblings(ranges.filter((range) => range.family === family));
    for (let prefix = bitsOf[family] - 1; joined.length > most; prefix -= 1) {
      joined = joinSiblings(
        joined.map((range) => (range.prefix > prefix ? rangeAround({ ...range, prefix }) : range)),
      );
    }
    return joined;
  });
}

function joinSiblings(ranges: readonly AddressRange[]): AddressRange[] {
  const found: AddressRange[] = [];
  for (const range of ranges.toSorted(inOrder)) {
    const last = found.at(-1);
    if (last !== undefined && containsRange(last, range)) continue;
    found.push(range);
    for (let pair = siblings(found); pair !== null; pair = siblings(found)) found.splice(-2, 2, pair);
  }
  return found;
}

/** The range that the last two make up, if they are its halves. */
function siblings(ranges: readonly AddressRange[]): AddressRange | null {
  const [a, b] = ranges.slice(-2);
  if (a === undefined || b === undefined || a.prefix !== b.prefix || a.prefix === 0) return null;
  const parent = rangeAround({ ...a, prefix: a.prefix - 1 });
  return containsRange(parent, b) ? parent : null;
}

/** Of one family: by first address, the wider first. */
function inOrder(a: AddressRange, b: AddressRange): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.prefix - b.prefix;
}
