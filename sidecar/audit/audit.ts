// What becomes of an exchange's record: a decision line, and spans. The append-only audit file will be a third.

import { renderDecisionLine } from './decision-line.ts';
import type { LineWriter } from './line-writer.ts';
import type { Audit } from './record.ts';

export function createDecisionLog(lines: LineWriter): Audit {
  return {
    record: (exchange) => lines.write(renderDecisionLine(exchange)),
    close: () => lines.close(),
  };
}

export function createAudit(projections: readonly Audit[]): Audit {
  return {
    record(exchange) {
      for (const projection of projections) projection.record(exchange);
    },
    async close() {
      await Promise.all(projections.map((projection) => projection.close()));
    },
  };
}
