// What a push updates: the pkt-lines that a git-receive-pack request starts with, up to the flush packet
// (gitprotocol-pack(5), "Reference Update Request And Packfile Transfer"). What follows, push options and the
// pack, is not looked at.

import type { RequestBody } from '../request.ts';
import { isRefName, type Doubt } from './act.ts';

export type RefUpdates =
  | { readonly kind: 'updates'; readonly refs: readonly string[] }
  | { readonly kind: 'doubt'; readonly doubt: Doubt };

/** git sends tens at most; a mirror of more is no agent's push. */
const maxCommands = 1000;
/** gitprotocol-common(5): four hex digits that count themselves, and at most 65516 bytes. */
const maxPacketBytes = 65_520;

const zeros = /^0+$/;
const command = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\0]+)$/;
const shallow = /^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})$/;

const unreadable: RefUpdates = { kind: 'doubt', doubt: 'pack' };

/**
 * Reads the ref updates. A body of `0000` alone is git's probe, which updates nothing. A signed push has its
 * updates inside a certificate, and is not read.
 */
export function readRefUpdates(body: RequestBody): RefUpdates {
  if (body.kind !== 'read') return unreadable;
  const { bytes, isWhole } = body;
  const cut: RefUpdates = isWhole ? unreadable : { kind: 'doubt', doubt: 'size' };
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const refs: string[] = [];
  let commands = 0;
  let at = 0;
  for (;;) {
    if (at + 4 > bytes.length) return cut;
    const length = packetLength(bytes, at);
    if (length === 0) return { kind: 'updates', refs };
    if (length === null || length <= 4 || length > maxPacketBytes) return unreadable;
    if (at + length > bytes.length) return cut;
    const line = readLine(decoder, bytes.subarray(at + 4, at + length));
    at += length;
    if (line === null) return unreadable;
    if (commands === 0 && shallow.test(line)) continue;
    // Capabilities follow the first command after a NUL; git reads them after any, so elsewhere they are refused.
    const ref = readCommand(commands === 0 ? (line.split('\0', 2)[0] ?? '') : line);
    if (ref === null || commands === maxCommands) return unreadable;
    refs.push(ref);
    commands += 1;
  }
}

function packetLength(bytes: Uint8Array, at: number): number | null {
  const digits = String.fromCharCode(...bytes.subarray(at, at + 4));
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : null;
}

/** Strict UTF-8 without the one line feed that may end it. */
function readLine(decoder: TextDecoder, bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes).replace(/\n$/, '');
  } catch {
    return null;
  }
}

function readCommand(line: string): string | null {
  const [, before = '', after = '', ref = ''] = command.exec(line) ?? [];
  if (before.length !== after.length || !isRefName(ref)) return null;
  return zeros.test(before) && zeros.test(after) ? null : ref;
}
