import { setTimeout as sleep } from 'node:timers/promises';

export interface Wait {
  /** What is waited for, as the subject of "… is not there". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** Added to the failure: the log's tail of what is waited for. */
  readonly evidence?: () => string;
  /** A reason why waiting longer is pointless, such as a server that has ended. */
  readonly hopeless?: () => string | undefined;
}

/** Asks `probe` until it answers something other than undefined or false; what it throws counts as "not yet". */
export async function waitFor<T>(wait: Wait, probe: () => Promise<T | undefined | false>): Promise<T> {
  const startedAt = Date.now();
  let lastError: Error | undefined;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error as Error;
    }
    const end =
      wait.hopeless?.() ?? (Date.now() - startedAt > wait.timeoutMs ? 'deadline passed' : undefined);
    if (end !== undefined) {
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      const evidence = wait.evidence?.();
      throw new Error(
        [
          `${wait.what}: not there after ${seconds} s (${end})`,
          lastError && `last answer: ${lastError.message}`,
          evidence,
        ]
          .filter(Boolean)
          .join('\n'),
        { cause: lastError },
      );
    }
    await sleep(wait.everyMs ?? 50);
  }
}
