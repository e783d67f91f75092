// A proxy that is measured, started and pinned to its core.

import type { ServerProcess } from '../test/cluster/server-process.ts';

export interface Contestant {
  readonly name: string;
  readonly proxyPort: number;
  /** PEM of the authority that signs what the proxy shows. */
  readonly ca: string;
  /** The root of its process tree. */
  readonly process: ServerProcess;
  /** Resolves when what it does after its answers is done too: that work is part of a request's price. */
  settle(): Promise<void>;
}
