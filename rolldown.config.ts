// Bundles for the images and for the published command: one folder each, lazy chunks kept, so that what is loaded
// only when needed (node-vault) stays so.

import { defineConfig } from 'rolldown';

const parts = ['operator', 'sidecar', 'cli'] as const;

export default defineConfig(
  parts.map((part) => ({
    input: { main: `${part}/main.ts` },
    platform: 'node',
    output: { dir: `dist/${part}`, format: 'esm', cleanDir: true, minify: 'dce-only' },
  })),
);
