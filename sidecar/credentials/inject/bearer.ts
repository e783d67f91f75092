import type { Secret } from '../secret.ts';
import type { Slot } from './slot.ts';

/** RFC 6750 section 2.1; a space would end the token for some servers and not for others. */
const pattern = /^Bearer [!-~]+$/;

export function renderBearer(secret: Secret): Slot {
  return { name: 'authorization', value: `Bearer ${secret.open()}`, pattern };
}
