// Lets the chart's webhook configuration call a webhook on this machine's loopback, instead of the Service that nothing
// stands behind.

import type { InstalledChart } from './installed-chart.ts';

/** Points both entries to `url`; everything else about them stays the chart's. */
export async function redirectWebhook(chart: InstalledChart, url: string, caPem?: string): Promise<void> {
  const caBundle = caPem === undefined ? {} : { caBundle: Buffer.from(caPem).toString('base64') };
  const operations = [0, 1].map((index) => ({
    op: 'replace',
    path: `/webhooks/${index}/clientConfig`,
    value: { url, ...caBundle },
  }));
  const what = ['mutatingwebhookconfiguration/outrider', '--type=json', '-p', JSON.stringify(operations)];
  await chart.cluster.kubectl(['patch', ...what]);
}
