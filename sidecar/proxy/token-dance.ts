// SDKs of Google sign a token request with their key file before they call anything. With the key file being ours, the
// sidecar answers that request itself: the dance ends in a placeholder, and nothing is sent anywhere.

import type { Decision } from '../../policy/decision.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import type { Snapshot } from '../control/snapshot.ts';
import { answerTokenRequest, isTokenRequest } from '../credentials/google-placeholder.ts';
import { withPlaceholderFile } from '../credentials/placeholder-files.ts';
import type { OwnAnswer } from './respond.ts';

/** Assertions take about 1 KiB. */
export const maxAssertionBytes = 16 * 1024;

/**
 * Whether the request may be part of the dance, so that its body is worth a look. A guard, a halt and whatever else
 * refuses it for a reason hold; that nobody thought of granting it does not.
 */
export function mayDance(
  request: CanonicalRequest,
  { action, reason }: Decision,
  snapshot: Snapshot,
): boolean {
  return (
    (action === 'allow' || reason === 'no_grant') &&
    isTokenRequest(request) &&
    withPlaceholderFile(snapshot.ruleset).length > 0
  );
}

/** @returns null where the assertion is not made with a file of ours. */
export function dance(
  body: Buffer,
  { headers }: CanonicalRequest,
  { ruleset }: Snapshot,
  nowMs: number,
): OwnAnswer | null {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name === 'content-type');
  const contentType = at < 0 ? null : (headers[at + 1] ?? null);
  const held = { namespace: ruleset.agent.namespace, credentials: withPlaceholderFile(ruleset) };
  return answerTokenRequest(body, contentType, held, nowMs);
}
