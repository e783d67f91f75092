// Lets the chart's webhook configurations call a webhook on this machine's loopback, instead of the Service that nothing
// stands behind.

import type { InstalledChart } from './installed-chart.ts';

interface Configuration {
  readonly webhooks: readonly { readonly clientConfig: { readonly service?: { readonly path?: string } } }[];
}

/** Points every entry to its path at `origin`, such as https://localhost:1234; the rest of them stays the chart's. */
export async function redirectWebhooks(chart: InstalledChart, origin: string, caPem?: string): Promise<void> {
  const caBundle = caPem === undefined ? {} : { caBundle: Buffer.from(caPem).toString('base64') };
  for (const kind of ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration']) {
    const { webhooks } = await chart.read<Configuration>(kind, 'outrider');
    const operations = webhooks.map(({ clientConfig }, index) => ({
      op: 'replace',
      path: `/webhooks/${index}/clientConfig`,
      value: { url: `${origin}${clientConfig.service?.path}`, ...caBundle },
    }));
    await chart.cluster.kubectl([
      'patch',
      `${kind}/outrider`,
      '--type=json',
      '-p',
      JSON.stringify(operations),
    ]);
  }
}
