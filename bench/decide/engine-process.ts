// One engine with one set of rules in a process of its own, as in a sidecar: what another engine leaves in the heap or
// teaches the compiler does not count. Started by `engine-client.ts`.

import { createCedar } from './cedar.ts';
import { spell, type Engine, type EngineName } from './engine.ts';
import { createFloor } from './floor.ts';
import type { EngineOrder, EngineReport } from './messages.ts';
import { createOpa } from './opa.ts';
import { createOutrider, timeCompilation } from './outrider.ts';
import { createReader, type Reader } from './requests.ts';
import type { BenchRule } from './rules.ts';
import { timeSlowest } from './slowest.ts';
import { timeDecisions } from './stopwatch.ts';

const create: Readonly<Record<EngineName, (rules: readonly BenchRule[]) => Engine | Promise<Engine>>> = {
  outrider: createOutrider,
  opa: createOpa,
  cedar: createCedar,
  floor: createFloor,
};

interface Opened {
  readonly engine: Engine;
  readonly fresh: readonly Reader[];
  readonly known: readonly Reader[];
}

let opened: Opened | null = null;

async function follow(order: EngineOrder): Promise<EngineReport> {
  switch (order.kind) {
    case 'open': {
      const engine = await create[order.engine](order.rules);
      const fresh = order.requests.map(createReader);
      opened = { engine, fresh, known: fresh.map(remember) };
      return { kind: 'opened', answers: fresh.map((read) => spell(engine.decide(read()))) };
    }
    case 'time': {
      if (opened === null) throw new Error('nothing is open');
      const { engine, known, fresh } = opened;
      const { least } = order;
      return {
        kind: 'timed',
        known: timeDecisions(engine, known, least),
        fresh: timeDecisions(engine, fresh, least),
      };
    }
    case 'compile':
      return { kind: 'compiled', times: timeCompilation(order.rules) };
    case 'slowest':
      return { kind: 'slow', timings: timeSlowest() };
  }
}

function remember(read: Reader): Reader {
  const request = read();
  return () => request;
}

async function answer(order: EngineOrder): Promise<void> {
  try {
    process.send?.(await follow(order));
  } catch (error) {
    const failed: EngineReport = { kind: 'failed', message: (error as Error).message };
    process.send?.(failed);
  }
}

process.on('message', (order: EngineOrder) => void answer(order));
process.on('disconnect', () => process.exit());
