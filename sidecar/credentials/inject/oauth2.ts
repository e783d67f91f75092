import { SidecarError } from '../../errors.ts';
import type { Minter } from './injector.ts';

const missing = (): never => {
  throw new SidecarError('SIDECAR_FAILED');
};

export const oauth2: Minter<'oauth2'> = { check: missing, mint: missing };
