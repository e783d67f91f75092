// Where an agent put the placeholder of a credential. In Authorization it names the credential that is meant; in
// any other authentication slot it would reach the upstream in place of a secret, so it is refused. Bodies are not
// looked at: a placeholder once printed sits in the chat history of every later call to an LLM.

import { placeholderPrefix } from '../../policy/contract.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';

/** Namespace (a DNS label) and name (a DNS subdomain) of an AgentCredential. */
const placeholderPattern = /^outrider-placeholder\.([a-z0-9-]{1,63}\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)/;
const basicPattern = /^basic ([A-Za-z0-9+/]+={0,2})$/i;

/** The placeholder in an Authorization value, in the clear or inside Basic, as `namespace.name`. */
export function readPlaceholder(
  authorization: string | null,
): { readonly placeholder: string | null } | Refusal {
  if (authorization === null) return { placeholder: null };
  const encoded = basicPattern.exec(authorization)?.[1];
  const text = encoded === undefined ? authorization : Buffer.from(encoded, 'base64').toString('latin1');
  const at = text.indexOf(placeholderPrefix);
  if (at < 0) return { placeholder: null };
  const placeholder = placeholderPattern.exec(text.slice(at))?.[1];
  if (placeholder === undefined || text.lastIndexOf(placeholderPrefix) !== at) {
    return refuse('credential_ambiguous', 'Authorization does not hold exactly one whole placeholder.');
  }
  return { placeholder };
}

/**
 * A placeholder in an authentication slot that is not filled by us.
 * @param headers name and value alternating, names in lower case.
 * @param query as it goes onto the wire.
 */
export function findStrayPlaceholder(headers: readonly string[], query: string | null): Refusal | null {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at];
    if (name !== 'authorization' && headers[at + 1]?.includes(placeholderPrefix)) {
      return misplaced(`the header ${name}`);
    }
  }
  const parameter = query?.split('&').find((pair) => pair.includes(`=${placeholderPrefix}`));
  return parameter === undefined ? null : misplaced('the query');
}

function misplaced(where: string): Refusal {
  return refuse(
    'credential_ambiguous',
    `The placeholder of a credential is in ${where}; send it in Authorization, where it is replaced.`,
  );
}
