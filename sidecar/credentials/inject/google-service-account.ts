import { SidecarError } from '../../errors.ts';
import type { Minter } from './injector.ts';

const missing = (): never => {
  throw new SidecarError('SIDECAR_FAILED');
};

export const googleServiceAccount: Minter<'googleServiceAccount'> = { check: missing, mint: missing };
