import { SidecarError } from '../../errors.ts';
import type { Injector } from './injector.ts';

const missing = (): never => {
  throw new SidecarError('SIDECAR_FAILED');
};

export const awsSigV4: Injector<'awsSigV4'> = {
  check: missing,
  places: () => ({ headers: [], query: [] }),
  fill: missing,
};
