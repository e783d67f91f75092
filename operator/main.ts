// The process: settings from the environment, one JSON line per event on standard output, and an orderly end.

import fastify, { type FastifyBaseLogger } from 'fastify';
import { parseConfig, type OperatorConfig } from './config.ts';
import { createReplica } from './replica.ts';

/** Below the 30 s that the kubelet waits by default. */
const stopDeadlineMs = 20_000;

function createLog(config: OperatorConfig): FastifyBaseLogger {
  return fastify({
    logger: {
      level: config.OUTRIDER_LOG_LEVEL,
      base: { pod: config.OUTRIDER_POD_NAME },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      // Nothing logs headers; should somebody begin to, tokens still stay out.
      redact: ['*.headers.authorization', 'req.headers.authorization', 'token', '*.token'],
    },
  }).log;
}

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const log = createLog(config);
  const replica = await createReplica(config, log);
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error('not stopped in time');
      process.exit(1);
    }, stopDeadlineMs).unref();
    replica.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  try {
    await replica.start();
  } catch (error) {
    // A signal during the start ends it this way; `stop` then ends the process.
    if (process.listenerCount('SIGTERM') === 0 || process.listenerCount('SIGINT') === 0) return;
    log.fatal({ err: error }, 'the start failed');
    process.exitCode = 1;
    await replica.stop();
  }
}

try {
  await main();
} catch (error) {
  // Before there is a log: a setting that is not allowed.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
