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

let opened: { readonly engine: Engine; readonly readers: readonly Reader[] } | null = null;

async function follow(order: EngineOrder): Promise<EngineReport> {
  switch (order.kind) {
    case 'open': {
      const engine = await create[order.engine](order.rules);
      const readers = order.requests.map(createReader);
      opened = { engine, readers };
      return { kind: 'opened', answers: readers.map((read) => spell(engine.decide(read()))) };
    }
    case 'time': {
      if (opened === null) throw new Error('nothing is open');
      return { kind: 'timed', timing: timeDecisions(opened.engine, opened.readers, order.least) };
    }
    case 'compile':
      return { kind: 'compiled', times: timeCompilation(order.rules) };
    case 'slowest':
      return { kind: 'slow', timings: timeSlowest() };
  }
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
