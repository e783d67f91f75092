// The ruleset in force and its lease: what the operator's events may do to it. A swap is whole; what is older
// than anything seen before is refused (P-11, P-12, O-10); what cannot be enforced lets the last one run out (O-11).

import { leaseSeconds, watermarkCovers, type Watermark } from '../../policy/contract.ts';
import { emptyRuleset, parseRuleset, rulesetRevision, type Ruleset } from '../../policy/ruleset.ts';
import type { Clock } from '../clock.ts';
import { asSidecarError, SidecarError } from '../errors.ts';
import { parseWatermark, type KeptWatermark } from './kept-watermark.ts';
import { compileSnapshot, type Snapshot, type SnapshotSource } from './snapshot.ts';

export interface PolicyState extends SnapshotSource {
  /** @throws SidecarError STREAM_MALFORMED, RULESET_OLDER or RULESET_UNREADABLE; then nothing has changed. */
  acceptRuleset(event: unknown): void;
  /** @throws SidecarError STREAM_MALFORMED or RULESET_OLDER */
  acceptHeartbeat(event: unknown): void;
  watermark(): Watermark;
  /** The revision in force, once its watermark is on disk; `''` before the first. */
  acknowledged(): string;
  /** Calls the listener when `acknowledged` changes. */
  onAcknowledged(listener: () => void): void;
}

export interface PolicyStateOptions {
  readonly kept: KeptWatermark;
  readonly onFailure: (error: SidecarError) => void;
  /** Is told the operator's time with every event. */
  readonly clock?: Pick<Clock, 'confirm'>;
  /** Monotonic: a lease must not grow because somebody sets the clock. */
  readonly now?: () => number;
}

/** @throws SidecarError STATE_UNREADABLE */
export function createPolicyState(options: PolicyStateOptions): PolicyState {
  const { kept, onFailure, clock, now = () => performance.now() } = options;
  const swapped = new Set<(snapshot: Snapshot) => void>();
  const acknowledgements = new Set<() => void>();
  let highest = kept.load();
  let saved = highest;
  let saving = false;
  let snapshot: Snapshot | null = null;
  let acknowledged = '';
  let leaseEndsAtMs = -Infinity;
  // A ruleset came that cannot be enforced here: heartbeats confirm that one, not the one in force.
  let superseded = false;

  /** Also of an event that is refused for being older: its time is not. */
  function confirmClock(time: number | null): void {
    if (time !== null) clock?.confirm(time);
  }

  function advance(watermark: Watermark): void {
    highest = { ...highest, ...watermark };
    if (!saving) void save();
  }

  /** Enforced at once, acknowledged when it can no longer be rolled back. */
  async function save(): Promise<void> {
    saving = true;
    try {
      while (!watermarkCovers(saved, highest) || acknowledged !== (snapshot?.revision ?? '')) {
        const [saves, revision] = [highest, snapshot?.revision ?? ''];
        if (!watermarkCovers(saved, saves)) await kept.save(saves);
        saved = saves;
        if (acknowledged === revision) continue;
        acknowledged = revision;
        for (const listener of acknowledgements) listener();
      }
    } catch (error) {
      onFailure(asSidecarError(error)); // tried again with the next event
    }
    saving = false;
  }

  function swap(next: Snapshot): void {
    if (next.revision === snapshot?.revision) return;
    snapshot = next;
    for (const listener of swapped) listener(next);
  }

  return {
    current: () => snapshot,
    fresh: () => snapshot !== null && now() < leaseEndsAtMs,
    onChange(listener) {
      swapped.add(listener);
      return () => swapped.delete(listener);
    },
    acceptRuleset(event) {
      const { revision, watermark, time, lease, ruleset } = readRulesetEvent(event);
      confirmClock(time);
      if (!watermarkCovers(watermark, highest)) throw new SidecarError('RULESET_OLDER');
      try {
        swap(readRuleset(ruleset, revision));
        superseded = false;
        leaseEndsAtMs = now() + Math.min(lease, leaseSeconds) * 1000;
      } catch (error) {
        superseded = true;
        // Whatever else it says: a halt needs no feature to be obeyed.
        if (isHalted(ruleset)) swap(haltedSnapshot(ruleset, revision));
        throw error;
      } finally {
        advance(watermark);
      }
    },
    acceptHeartbeat(event) {
      const { watermark: mark, time: sentAt } = (event ?? {}) as Readonly<Record<string, unknown>>;
      const [watermark, time] = [parseWatermark(mark), parseTime(sentAt)];
      if (watermark === null || time === undefined) throw new SidecarError('STREAM_MALFORMED');
      confirmClock(time);
      if (!watermarkCovers(watermark, highest)) throw new SidecarError('RULESET_OLDER');
      advance(watermark);
      if (!superseded) leaseEndsAtMs = now() + leaseSeconds * 1000;
    },
    watermark: () => highest,
    acknowledged: () => acknowledged,
    onAcknowledged: (listener) => void acknowledgements.add(listener),
  };
}

interface ReadEvent {
  readonly revision: string;
  readonly watermark: Watermark;
  readonly time: number | null;
  readonly lease: number;
  readonly ruleset: unknown;
}

function readRulesetEvent(event: unknown): ReadEvent {
  const {
    revision,
    watermark: mark,
    time: sentAt,
    lease,
    ruleset,
  } = (event ?? {}) as Readonly<Record<string, unknown>>;
  const [watermark, time] = [parseWatermark(mark), parseTime(sentAt)];
  const named = typeof revision === 'string' && /^[0-9a-f]{1,64}$/.test(revision);
  if (!named || watermark === null || time === undefined || typeof lease !== 'number' || !(lease >= 0)) {
    throw new SidecarError('STREAM_MALFORMED');
  }
  return { revision, watermark, time, lease, ruleset };
}

/** Null when an operator that knows no such field sent none; undefined when it is no time. */
function parseTime(time: unknown): number | null | undefined {
  if (time === undefined) return null;
  return Number.isSafeInteger(time) && (time as number) > 0 ? (time as number) : undefined;
}

function readRuleset(value: unknown, revision: string): Snapshot {
  let ruleset: Ruleset;
  try {
    ruleset = parseRuleset(value);
    if (rulesetRevision(ruleset) === revision) return compileSnapshot(ruleset, revision);
  } catch (error) {
    // The operator's own rulesets hold no secret, and these messages say which feature is missing.
    throw new SidecarError('RULESET_UNREADABLE', { detail: (error as Error).message });
  }
  throw new SidecarError('RULESET_UNREADABLE', { detail: 'Its content is not that of its revision.' });
}

function isHalted(value: unknown): value is Pick<Ruleset, 'halt' | 'agent'> {
  const { halt, agent } = (value ?? {}) as { readonly halt?: unknown; readonly agent?: unknown };
  return typeof halt === 'object' && halt !== null && typeof agent === 'object' && agent !== null;
}

function haltedSnapshot({ halt, agent }: Pick<Ruleset, 'halt' | 'agent'>, revision: string): Snapshot {
  return compileSnapshot({ ...emptyRuleset(agent), halt }, revision);
}
