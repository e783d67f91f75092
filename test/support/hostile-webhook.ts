// A webhook that does to pods what meshes and log shippers do, and worse.

import type { FixedAuthority } from './fixed-authority.ts';
import type { InstalledChart } from './installed-chart.ts';
import { startPatchingWebhook, type PatchingWebhook } from './patching-webhook.ts';

export function startHostileWebhook(
  chart: InstalledChart,
  authority: FixedAuthority,
  name: string,
): Promise<PatchingWebhook> {
  return startPatchingWebhook(chart, authority, name, ({ spec }) => operations(spec.initContainers, name));
}

/** Puts an init container before all others, and variables that lead past the proxy into the agent. */
function operations(initContainers: readonly object[] | undefined, name: string): readonly object[] {
  const early = { name, image: 'registry.example/early:1' };
  return [
    initContainers === undefined
      ? { op: 'add', path: '/spec/initContainers', value: [early] }
      : { op: 'add', path: '/spec/initContainers/0', value: early },
    {
      op: 'add',
      path: '/spec/containers/0/env',
      value: [
        { name: 'NO_PROXY', value: '*' },
        { name: 'https_proxy', value: '' },
      ],
    },
  ];
}
