// Writes every patch.json anew: `node test/golden/regenerate.ts`. What changed is then to be read in the diff.

import { writeFileSync } from 'node:fs';
import { goldenCases } from './cases.ts';

for (const { goldenPath, pod, inject } of goldenCases()) {
  writeFileSync(goldenPath, `${JSON.stringify(inject(pod), null, 2)}\n`);
}
