// RFC 7617: user name and password in the Authorization header.

import type { BasicInject } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import type { Injector } from './injector.ts';
import { partOf } from './part.ts';
import { assertPrintable } from './printable.ts';

/** Section 2 forbids control characters; beyond ASCII, servers read UTF-8 and Latin-1 alike. */
const username = /^[ -~]*$/;
/** A space at an end is a mistake of storing, and some servers trim it. */
const password = /^[!-~](?:[ -~]*[!-~])?$/;

export const basic: Injector<'basic'> = {
  check: (inject, material) => void valueOf(inject, material),
  places: () => ({ headers: ['authorization'], query: [] }),
  fill: (inject, material) => ({ headers: [['authorization', valueOf(inject, material)]] }),
};

function valueOf(inject: BasicInject, material: Material): string {
  const secret = partOf(material, inject, 'password', 'main');
  // Without 'main': a secret of one value is the password, and never the user name as well.
  const name = inject.username ?? partOf(material, inject, 'username').open();
  if (name.includes(':')) throw new SidecarError('SECRET_USERNAME_INVALID', { field: 'spec.inject.basic' });
  const user = assertPrintable(name, username, 'spec.inject.basic');
  const pass = assertPrintable(secret.open(), password, 'spec.inject.basic');
  return `Basic ${Buffer.from(`${user}:${pass}`, 'latin1').toString('base64')}`;
}
