// The key file of a Google service account, as the Cloud console gives it out. Of what it says about where to send an
// assertion nothing is obeyed: a key file that somebody else wrote could name any place.

import { isJsonObject, readJson } from '../../../policy/content/json.ts';
import { isUnreadable } from '../../../policy/unreadable.ts';
import { SidecarError } from '../../errors.ts';
import type { Secret } from '../secret.ts';
import { textOf } from './token-response.ts';

export interface GoogleKeyFile {
  readonly clientEmail: string;
  readonly privateKey: string;
  readonly keyId: string | null;
}

const field = 'spec.inject.googleServiceAccount';

/** Where Google's own key files have had assertions sent. */
const googleTokenUris: ReadonlySet<string> = new Set([
  'https://oauth2.googleapis.com/token',
  'https://accounts.google.com/o/oauth2/token',
  'https://www.googleapis.com/oauth2/v3/token',
  'https://www.googleapis.com/oauth2/v4/token',
]);

/** @throws SidecarError SECRET_KEY_FILE_INVALID */
export function readGoogleKeyFile(secret: Secret): GoogleKeyFile {
  const value = readJson(Buffer.from(secret.open()));
  if (isUnreadable(value) || !isJsonObject(value)) throw invalid('It is not a JSON object.');
  if (textOf(value, 'type') !== 'service_account') throw invalid('Its type is not service_account.');
  const clientEmail = textOf(value, 'client_email');
  const privateKey = textOf(value, 'private_key');
  if (clientEmail === null || !/^[!-~]+@[!-~]+$/.test(clientEmail)) throw invalid('It lacks client_email.');
  if (privateKey === null) throw invalid('It lacks private_key.');
  const tokenUri = value.get('token_uri');
  if (tokenUri !== undefined && !(typeof tokenUri === 'string' && googleTokenUris.has(tokenUri))) {
    throw invalid('Its token_uri is not one of Google.');
  }
  const universe = value.get('universe_domain');
  if (universe !== undefined && universe !== 'googleapis.com') {
    throw invalid('Its universe_domain is not googleapis.com.');
  }
  return { clientEmail, privateKey, keyId: textOf(value, 'private_key_id') };
}

function invalid(detail: string): SidecarError {
  return new SidecarError('SECRET_KEY_FILE_INVALID', { field, detail });
}
