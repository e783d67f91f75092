// Loaded into a sidecar's process with --import: how long its event loop stood still, told on SIGUSR2 and begun anew.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
process.on('SIGUSR2', () => {
  const [maxMs, p99Ms] = [delay.max, delay.percentile(99)].map((ns) => Math.round(ns / 1e6));
  process.stderr.write(`${JSON.stringify({ event: 'stalls', maxMs, p99Ms, ...process.memoryUsage() })}\n`);
  delay.reset();
});
