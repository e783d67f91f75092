// Question and answer with a child process of ours, one at a time, each with a deadline.

import { fork, type Serializable } from 'node:child_process';

export interface Conversation<Report> {
  ask(order: Serializable, timeoutMs: number): Promise<Report>;
  end(): void;
}

export function startConversation<Report>(
  name: string,
  script: string,
  nodeFlags: readonly string[] = process.execArgv,
): Conversation<Report> {
  const child = fork(script, { stdio: ['ignore', 2, 2, 'ipc'], execArgv: [...nodeFlags] });
  return {
    ask: (order, timeoutMs) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          clearTimeout(timer);
          child.off('message', heard).off('exit', ended);
          act();
        };
        const heard = (report: unknown): void => settle(() => resolve(report as Report));
        const ended = (): void => settle(() => reject(new Error(`${name} has ended`)));
        const late = (): void =>
          settle(() => reject(new Error(`${name} does not answer within ${timeoutMs / 1000} s`)));
        const timer = setTimeout(late, timeoutMs);
        child.on('message', heard).on('exit', ended);
        child.send(order);
      }),
    end: () => void child.kill('SIGKILL'),
  };
}
