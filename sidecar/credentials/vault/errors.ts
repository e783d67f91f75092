// The part of the catalogue in ../../errors.ts that Vault fills; what each means is said in ../../../docs/errors.md.

export const vaultErrors = {
  VAULT_ADDRESS_INVALID: {
    retryable: false,
    message: 'The address must be https://host[:port] without user, query or fragment.',
  },
  VAULT_PATH_INVALID: {
    retryable: false,
    message:
      "Mounts and paths are segments joined by /, none of them empty, `.` or `..`, outside of Vault's own auth/, sys/ and cubbyhole/.",
  },
  VAULT_UNREACHABLE: { retryable: true, message: 'Vault cannot be reached at this address, or not in time.' },
  VAULT_UNTRUSTED: {
    retryable: true,
    message:
      'Vault could not prove its name over TLS; spec.vault.caBundle must hold the CA of its certificate, and the address the name in it.',
  },
  VAULT_REDIRECTED: {
    retryable: true,
    message:
      'Vault answered with a redirect, which is never followed; use the address of a load balancer or of the active node.',
  },
  VAULT_SEALED: { retryable: true, message: 'Vault is sealed; unseal it.' },
  VAULT_UNAVAILABLE: { retryable: true, message: 'Vault answered that it cannot serve now.' },
  VAULT_ANSWER_UNREADABLE: { retryable: true, message: 'What answers at this address is not Vault.' },
  VAULT_LOGIN_REFUSED: {
    retryable: true,
    message:
      "Vault refused the login; the role must exist at the store's auth mount and bind this pod's namespace and service account, and the store's audience.",
  },
  VAULT_SECRET_ID_UNREADABLE: {
    retryable: true,
    message:
      "The pod has no secret_id for this AgentSecretStore; the Secret that its secretId names must be in the agent's namespace and hold the key, and pods that were created before the store must be recreated.",
  },
  VAULT_SECRET_ID_REFUSED: {
    retryable: true,
    message:
      'Vault refused the AppRole login; the role must be the role_id, and the secret_id one of that role that is neither expired nor used up.',
  },
  VAULT_WRAPPING_SPENT: {
    retryable: true,
    message:
      'The wrapping token of the secret_id was used already or has expired; unless one of your pods used it, somebody else has the secret_id: destroy it, and wrap a new one.',
  },
  VAULT_WRAPPING_FOREIGN: {
    retryable: true,
    message:
      "The wrapping token wraps something else than a secret_id of the store's AppRole mount, so it was not unwrapped; find out who wrote it.",
  },
  VAULT_PERMISSION_DENIED: {
    retryable: true,
    message: 'The policies of the Vault role do not allow `read` on this path.',
  },
  VAULT_WRITE_DENIED: {
    retryable: true,
    message:
      'The policies of the Vault role do not allow `update` on this path, which a rotating refresh token is written back to.',
  },
  VAULT_PATH_NOT_FOUND: {
    retryable: true,
    message: 'Vault has nothing at this path of the mount, or its latest version is deleted.',
  },
  VAULT_KV_VERSION_WRONG: {
    retryable: true,
    message: 'The KV engine at this mount is of another version; write 1 or 2 as the engine has it.',
  },
  VAULT_FIELD_MISSING: {
    retryable: true,
    message: 'The secret at this path has no such field; name one that `vault kv get` shows.',
  },
  VAULT_FIELD_NOT_TEXT: { retryable: true, message: 'The field of the secret is not a string.' },
  VAULT_DYNAMIC_REFUSED: {
    retryable: true,
    message:
      'The secrets engine makes no secret at this path; write one that `vault read` answers with a new secret, such as database/creds/ROLE.',
  },
  VAULT_ENGINE_FAILED: {
    retryable: true,
    message:
      "The secrets engine could not make a secret; look at Vault's log for what it says of its own connection.",
  },
} as const;
