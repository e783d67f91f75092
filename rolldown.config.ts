// Bundles for the images and for the published command: one folder each, lazy chunks kept, so that what is loaded
// only when needed (node-vault) stays so.

import { join } from 'node:path';
import { defineConfig } from 'rolldown';

const parts = ['operator', 'sidecar', 'cli'] as const;

export default defineConfig(
  parts.map((part) => ({
    // `cel` is loaded by its name: policy/cel/when.ts. The init container that captures a pod has the sidecar's image.
    input: {
      main: `${part}/main.ts`,
      cel: 'policy/cel/condition.ts',
      ...(part === 'sidecar' ? { capture: 'sidecar/capture/main.ts' } : {}),
    },
    platform: 'node' as const,
    resolve: { alias: { axios: join(import.meta.dirname, 'scripts/axios-stub.cjs') } },
    // A sidecar pays for its source in every pod; the others keep names that a stack trace can be read by.
    output: {
      dir: `dist/${part}`,
      format: 'esm' as const,
      cleanDir: true,
      minify: part === 'sidecar' ? true : ('dce-only' as const),
    },
  })),
);
