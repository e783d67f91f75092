// RFC 5849: each request signed with the client's secret and the token's, in the Authorization header.

import { createHmac, randomBytes } from 'node:crypto';
import { readForm, readPairs, type Pairs } from '../../../policy/content/form.ts';
import { readMediaType } from '../../../policy/content/media-type.ts';
import { isRefusal, refuse, type Refusal } from '../../../policy/refusal.ts';
import type { OAuth1Inject } from '../../../policy/ruleset-credential.ts';
import { isUnreadable, type Unreadable } from '../../../policy/unreadable.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import type { Injector, Outgoing } from './injector.ts';
import { baseString } from './oauth1/base-string.ts';
import { findPart, partOf } from './part.ts';
import { assertPrintable } from './printable.ts';
import { percentEncode } from './query-parameters.ts';

const field = 'spec.inject.oauth1';
/** All of it is percent-encoded; a space or a line end is a mistake of storing all the same. */
const printable = /^[!-~]+$/;

const methods = {
  HmacSha1: { name: 'HMAC-SHA1', hash: 'sha1' },
  // Not in the RFC, which leaves room for others; NetSuite takes no other.
  HmacSha256: { name: 'HMAC-SHA256', hash: 'sha256' },
  Plaintext: { name: 'PLAINTEXT', hash: null },
} as const;

interface Keys {
  readonly consumerKey: string;
  readonly token: string | null;
  /** Section 3.4.2: both secrets, encoded, joined by an ampersand that is there even without a token. */
  readonly signing: string;
}

export const oauth1: Injector<'oauth1'> = {
  maxBodyBytes: 1024 * 1024,
  check: (inject, material) => void keysOf(inject, material),
  places: () => ({ headers: ['authorization'], query: [] }),
  needsBody: (_inject, { headers }) => {
    const type = readMediaType(headers);
    return !isUnreadable(type) && type.kind === 'Form';
  },
  fill(inject, material, outgoing, nowMs) {
    const parameters = parametersOf(outgoing);
    if (isRefusal(parameters)) return parameters;
    const { consumerKey, token, signing } = keysOf(inject, material);
    const { name, hash } = methods[inject.signatureMethod];
    const protocol: Pairs = [
      ['oauth_consumer_key', consumerKey],
      ['oauth_nonce', randomBytes(16).toString('hex')],
      ['oauth_signature_method', name],
      ['oauth_timestamp', String(Math.floor(nowMs / 1000))],
      ...(token === null ? [] : [['oauth_token', token] as const]),
      ['oauth_version', '1.0'],
    ];
    const signature =
      hash === null
        ? signing
        : createHmac(hash, signing)
            .update(baseString(outgoing, [...parameters, ...protocol]))
            .digest('base64');
    return {
      headers: [['authorization', authorization(inject, [...protocol, ['oauth_signature', signature]])]],
    };
  },
};

function keysOf(inject: OAuth1Inject, material: Material): Keys {
  const open = (part: string): string => partOf(material, inject, part).open();
  const opened = (part: string): string | null => findPart(material, inject, part)?.open() ?? null;
  const consumerKey = inject.consumerKey ?? open('consumerKey');
  const token = inject.token ?? opened('token');
  const consumerSecret = partOf(material, inject, 'consumerSecret', 'main').open();
  const tokenSecret = opened('tokenSecret');
  for (const each of [consumerKey, token, consumerSecret, tokenSecret]) {
    if (each !== null) assertPrintable(each, printable, field);
  }
  return {
    consumerKey,
    token,
    signing: `${percentEncode(consumerSecret)}&${percentEncode(tokenSecret ?? '')}`,
  };
}

/** Section 3.4.1.3.1: the query's, and those of a body that is a form; the agent's Authorization is replaced. */
function parametersOf({ query, headers, hasBody, body }: Outgoing): Pairs | Refusal {
  const inQuery = readPairs(query ?? '');
  if (isUnreadable(inQuery)) return unsignable('query', inQuery);
  const type = hasBody ? readMediaType(headers) : null;
  if (isUnreadable(type)) return unsignable('body', type);
  const isForm = type?.kind === 'Form';
  if (isForm && body === null) throw new SidecarError('SIDECAR_FAILED');
  const inBody = isForm && body !== null ? readForm(body) : [];
  if (isUnreadable(inBody)) return unsignable('body', inBody);
  const all = [...inQuery, ...inBody];
  // A server may take them from there, and then finds every one of ours twice.
  if (!all.some(([name]) => name.startsWith('oauth_'))) return all;
  return refuse(
    'request_unsignable',
    'The query or the form has parameters whose names begin with oauth_; leave them out, since the request is signed in Authorization.',
  );
}

/** Section 3.5.1. The realm is a quoted string of HTTP's, and no part of what is signed. */
function authorization({ realm }: OAuth1Inject, protocol: Pairs): string {
  const all = protocol.map(([name, value]) => `${name}="${percentEncode(value)}"`);
  if (realm !== undefined) all.unshift(`realm="${realm.replace(/["\\]/g, '\\$&')}"`);
  return `OAuth ${all.join(', ')}`;
}

function unsignable(what: string, { unreadable }: Unreadable): Refusal {
  return refuse(
    'request_unsignable',
    `The request is signed with the parameters of its ${what}, which ${unreadable}.`,
  );
}
