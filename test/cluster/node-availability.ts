/**
 * Why the whole-node level cannot run here, as the reason of a skipped test; undefined when it can. In CI nothing is
 * skipped: there it is tried all the same and fails, since a green run that left out the node proves nothing.
 */
export function nodeSkipReason(): string | undefined {
  const obstacle = nodeObstacle();
  if (obstacle === undefined || isCi()) return undefined;
  return `whole-node level NOT RUN: ${obstacle}`;
}

export function requireNodeHost(): void {
  const obstacle = nodeObstacle();
  if (obstacle !== undefined) throw new Error(`a whole node cannot run here: ${obstacle}`);
}

function nodeObstacle(): string | undefined {
  if (process.platform !== 'linux') return `needs Linux, not ${process.platform}`;
  if (!hasRoot()) return `needs root (this is uid ${process.getuid?.()}); run it with sudo to include it`;
  return undefined;
}

export function hasRoot(): boolean {
  return process.getuid?.() === 0;
}

function isCi(): boolean {
  return process.env['CI'] === 'true';
}
