// What a sidecar's error code means on an AgentCredential. Only the code travels: a message from a pod could hold
// anything, a secret included (threat O-04), so the sentences are ours. A test holds this table and the sidecar's
// catalogue together.

import { awsCauses } from './aws-failure-causes.ts';
import { cause, type Cause } from './conditions.ts';

const kv = 'spec.source.vault.kv';
const store = 'the AgentSecretStore that spec.source.vault.store names';

/** No code of a sidecar's: those are in capitals. */
export const emptyVolume = 'emptyVolume';

const causes: Readonly<Record<string, Cause>> = {
  VAULT_PATH_NOT_FOUND: cause(
    'SecretNotFound',
    'spec.source.vault.kv.path or dynamic.path: Vault has nothing at this path, or its latest version is deleted; for KV write the path below the mount, without data/ or metadata/',
  ),
  VAULT_FIELD_MISSING: cause(
    'FieldNotFound',
    'spec.source.vault.kv.field or fields, or those of dynamic: the secret at this path has no such field; name one that "vault kv get" or, for a dynamic secret, "vault read" shows',
  ),
  VAULT_FIELD_NOT_TEXT: cause(
    'SecretUnusable',
    'spec.source.vault.kv.field or fields, or those of dynamic: the value of the field is no string; store a string',
  ),
  VAULT_DYNAMIC_REFUSED: cause(
    'SecretNotFound',
    'spec.source.vault.dynamic.path: the secrets engine makes no secret there; write a path that "vault read" answers with a new secret, such as database/creds/ROLE',
  ),
  VAULT_ENGINE_FAILED: cause(
    'StoreUnavailable',
    "spec.source.vault.dynamic.path: the secrets engine could not make a secret; look at Vault's log for what it says of its own connection",
  ),
  VAULT_LOGIN_REFUSED: cause(
    'LoginRefused',
    "spec.source.vault.role: Vault refused the login; the role must exist at the store's auth mount and bind the agents' namespace, ServiceAccount and the store's audience",
  ),
  VAULT_SECRET_ID_UNREADABLE: cause(
    'SecretIdMissing',
    `spec.vault.auth.appRole.secretId of ${store}: the Secret must be in the agents' namespace and hold the key, and agents that were created before the store must be recreated`,
  ),
  VAULT_SECRET_ID_REFUSED: cause(
    'LoginRefused',
    'spec.source.vault.role: Vault refused the AppRole login; the role must be the role_id, and the secret_id one of that role that is neither expired nor used up',
  ),
  VAULT_WRAPPING_SPENT: cause(
    'WrappingTokenSpent',
    `spec.vault.auth.appRole.secretId of ${store}: the wrapping token was used already or has expired; unless an agent used it, somebody else has the secret_id: destroy it, and wrap a new one`,
  ),
  VAULT_WRAPPING_FOREIGN: cause(
    'WrappingTokenForeign',
    `spec.vault.auth.appRole.secretId of ${store}: the wrapping token wraps something else than a secret_id of the AppRole mount, and was not unwrapped; find out who wrote it`,
  ),
  VAULT_PERMISSION_DENIED: cause(
    'PermissionDenied',
    'spec.source.vault.kv.path or dynamic.path: the policies of the Vault role do not allow "read" on it; for KV version 2 they name it with data/ after the mount',
  ),
  VAULT_WRITE_DENIED: cause(
    'PermissionDenied',
    `${kv}.path: the policies of the Vault role do not allow "update" on it, which a rotating refresh token is written back to; for KV version 2 they name the path with data/ after the mount`,
  ),
  VAULT_KV_VERSION_WRONG: cause(
    'KvVersionWrong',
    `${kv}.version: the engine at this mount is of the other version; write 1 or 2 as "vault secrets list -detailed" shows`,
  ),
  VAULT_PATH_INVALID: cause(
    'Invalid',
    "spec.source.vault: mount and path are segments joined by single slashes, outside of Vault's own auth/, sys/ and cubbyhole/",
  ),
  VAULT_ADDRESS_INVALID: cause('Invalid', `spec.vault.address of ${store}: write https://host[:port]`),
  VAULT_UNREACHABLE: cause(
    'StoreUnreachable',
    `spec.vault.address of ${store}: it cannot be reached from the agents' pods, or not in time`,
  ),
  VAULT_UNTRUSTED: cause(
    'StoreUntrusted',
    `spec.vault.caBundle of ${store}: it must hold the CA of the certificate, and the certificate the name in spec.vault.address`,
  ),
  VAULT_REDIRECTED: cause(
    'StoreUnavailable',
    `spec.vault.address of ${store}: it answers with a redirect, which is never followed; write the address of a load balancer or of the active node`,
  ),
  VAULT_SEALED: cause('StoreSealed', `${store}: the Vault is sealed; unseal it`),
  VAULT_UNAVAILABLE: cause('StoreUnavailable', `${store}: the Vault answers that it cannot serve now`),
  VAULT_ANSWER_UNREADABLE: cause(
    'StoreUnavailable',
    `spec.vault.address of ${store}: what answers is no Vault`,
  ),
  STORE_UNKNOWN: cause(
    'StoreNotFound',
    'store of spec.source: names no AgentSecretStore that is open to this namespace',
  ),
  STORE_TOKEN_MISSING: cause(
    'AgentsNeedRestart',
    'the agents were created before the AgentSecretStore that spec.source names and have no token for it; recreate them (kubectl rollout restart)',
  ),
  VOLUME_MISSING: cause(
    'AgentsNeedRestart',
    'agents were created before spec.source or its AgentSecretStore named the Secret or SecretProviderClass, and do not have it; recreate them (kubectl rollout restart)',
  ),
  [emptyVolume]: cause(
    'SecretNotFound',
    'the volume that spec.source or its AgentSecretStore names is empty; the Secret must exist in the namespace of the AgentCredential and hold a value, and agents get it about a minute later',
  ),
  CREDENTIAL_UNBOUND: cause(
    'NotBound',
    'the agents have no ruleset yet in which a policy of theirs names the credential',
  ),
  SECRET_EMPTY: cause('SecretUnusable', 'the stored value is empty; store at least one character'),
  SECRET_TOO_LARGE: cause('SecretUnusable', 'the stored value is larger than 64 KiB'),
  SECRET_NOT_TEXT: cause('SecretUnusable', 'the stored value is not text; store a UTF-8 string'),
  SECRET_NOT_JSON: cause(
    'SecretUnusable',
    'the stored value is not a JSON object, so it has no fields; store one, or leave field and fields of spec.source out',
  ),
  SECRET_FIELD_MISSING: cause(
    'FieldNotFound',
    'field or fields of spec.source: the stored value has no such field; name one that it has',
  ),
  SECRET_FIELD_NOT_TEXT: cause(
    'SecretUnusable',
    'field or fields of spec.source: the field holds no string; store a string',
  ),
  SECRET_PART_MISSING: cause(
    'FieldNotFound',
    'the secret lacks a part that spec.inject needs; list it under fields of spec.source, and where it is called otherwise, name it under fields of spec.inject',
  ),
  SECRET_KEY_INVALID: cause(
    'SecretUnusable',
    'the stored value is not a private key that spec.inject can sign with; store it as PEM text with its line ends',
  ),
  SECRET_UNPRINTABLE: cause(
    'SecretUnusable',
    'the stored value has a space, control or non-ASCII character (often a line end) that spec.inject cannot carry; store it without',
  ),
  SECRET_ENCODING_WRONG: cause(
    'SecretUnusable',
    'the stored value is not written in the encoding that keyEncoding of spec.inject.hmac names',
  ),
  SECRET_USERNAME_INVALID: cause(
    'SecretUnusable',
    'the user name of spec.inject.basic has a colon, which would end it',
  ),
  HMAC_TEMPLATE_INVALID: cause(
    'Invalid',
    'spec.inject.hmac: a template cannot be read; docs/credentials/hmac.md has the grammar',
  ),
  SOURCE_UNAVAILABLE: cause(
    'SourceUnavailable',
    'spec.source.file.volume: is missing; only local mode can do without',
  ),
  FILE_PATH_INVALID: cause('Invalid', 'spec.source.file.path: write a relative path without dot segments'),
  FILE_NOT_FOUND: cause(
    'SecretNotFound',
    'spec.source.file.path, or staticKeys of the AgentSecretStore: there is no such file; the Secret must exist and have this key',
  ),
  FILE_OUTSIDE: cause('Invalid', 'spec.source.file.path: leads out of the directory of secrets'),
  FILE_UNREADABLE: cause('SecretUnusable', 'spec.source.file.path: names no regular file that can be read'),
  SECRET_KEY_FILE_INVALID: cause(
    'SecretUnusable',
    'the stored value is not the JSON key file of a Google service account; store the file as Google gives it out',
  ),
  TOKEN_ENDPOINT_UNKNOWN: cause(
    'Invalid',
    'spec.inject: the token endpoint is neither on the shipped list nor an AgentDestination open to this namespace',
  ),
  TOKEN_ENDPOINT_UNREACHABLE: cause(
    'TokenEndpointUnreachable',
    "spec.inject: the token endpoint cannot be reached from the agents' pods, or not in time",
  ),
  TOKEN_ENDPOINT_UNTRUSTED: cause(
    'TokenEndpointUntrusted',
    'spec.inject: the token endpoint could not prove its name over TLS',
  ),
  TOKEN_ENDPOINT_UNAVAILABLE: cause(
    'TokenEndpointUnavailable',
    'spec.inject: the token endpoint answers that it cannot serve now',
  ),
  TOKEN_ENDPOINT_UNREADABLE: cause(
    'TokenEndpointUnavailable',
    'spec.inject: what the token endpoint answers is not a token; docs/credentials says for each kind what it must be',
  ),
  MINT_REFUSED: cause(
    'MintRefused',
    "spec.inject: the token endpoint does not accept the secret, or what is asked for with it; the log of an agent's sidecar says which field to look at",
  ),
  TOKEN_TOO_WIDE: cause(
    'TokenTooWide',
    'spec.inject: the token that was minted may do more than is asked for, so it is not used',
  ),
  REFRESH_TOKEN_UNVERSIONED: cause(
    'Invalid',
    'spec.inject.oauth2.refreshToken.rotating: needs spec.source.vault.kv with version 2',
  ),
  REFRESH_TOKEN_ROTATES: cause(
    'RefreshTokenRotates',
    'spec.inject.oauth2.refreshToken: the provider gives another refresh token at each use; write rotating: true with a Vault KV engine of version 2, and store a new refresh token',
  ),
  REFRESH_TOKEN_BUSY: cause(
    'RefreshTokenBusy',
    'spec.source.vault.kv: another agent has claimed the refresh token and was not done with it in time',
  ),
  REFRESH_TOKEN_UNSAVED: cause(
    'RefreshTokenUnsaved',
    'spec.source.vault.kv: a new refresh token could not be written back yet, and is lost with the pod that has it; the Vault role needs "read", "create" and "update" on the path',
  ),
  ...awsCauses,
};

/** For a code that only a newer sidecar knows, the code itself. */
export function causeOfCode(code: string): Cause {
  return (
    (Object.hasOwn(causes, code) ? causes[code] : undefined) ??
    cause('SourceFailing', `agents cannot get the secret (${code}); docs/errors.md explains the code`)
  );
}
