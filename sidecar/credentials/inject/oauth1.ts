import { SidecarError } from '../../errors.ts';
import type { Injector } from './injector.ts';

const missing = (): never => {
  throw new SidecarError('SIDECAR_FAILED');
};

export const oauth1: Injector<'oauth1'> = {
  check: missing,
  places: () => ({ headers: [], query: [] }),
  fill: missing,
};
