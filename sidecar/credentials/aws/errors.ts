// The part of the catalogue in ../../errors.ts that AWS fills; what each means is said in ../../../docs/errors.md.

export const awsErrors = {
  AWS_ENDPOINT_INVALID: {
    retryable: false,
    message:
      'The endpoint must be https://host[:port] without path, user, query or fragment, and FIPS endpoints exist in this region.',
  },
  AWS_REGION_WRONG: {
    retryable: false,
    message:
      "The region is not the secret's or the endpoint's, is none of AWS's, or is not active in the account.",
  },
  AWS_REQUEST_INVALID: {
    retryable: false,
    message: 'AWS finds the name, the stage or the version malformed.',
  },
  AWS_UNREACHABLE: { retryable: true, message: 'AWS cannot be reached at this address, or not in time.' },
  AWS_UNTRUSTED: {
    retryable: true,
    message:
      "AWS could not prove its name over TLS; spec.awsSecretsManager.caBundle must be absent for AWS's public endpoints, and hold the CA of any other.",
  },
  AWS_THROTTLED: {
    retryable: true,
    message: 'AWS answered that there are too many requests, also after waiting.',
  },
  AWS_UNAVAILABLE: { retryable: true, message: 'AWS answered that it cannot serve now.' },
  AWS_ANSWER_UNREADABLE: { retryable: true, message: 'What answers at this address is not AWS.' },
  AWS_CLOCK_SKEW: {
    retryable: true,
    message: "This node's clock and AWS's differ by more than a signature allows; set the node's clock.",
  },
  AWS_ROLE_MISSING: {
    retryable: false,
    message: 'A web identity needs a role: write roleArn in the AgentSecretStore or in the AgentCredential.',
  },
  AWS_LOGIN_REFUSED: {
    retryable: true,
    message:
      "AWS refused the pod's token; the account needs an OIDC provider for the cluster's issuer with the store's audience, and the role's trust policy must admit this ServiceAccount with it.",
  },
  AWS_ISSUER_UNREADABLE: {
    retryable: true,
    message: "AWS cannot fetch the keys of the cluster's issuer; its discovery document must be public.",
  },
  AWS_ROLE_REFUSED: {
    retryable: true,
    message:
      "AWS refused sts:AssumeRole; the role's trust policy must name the role or user before it, and that one's policy must allow sts:AssumeRole on it.",
  },
  AWS_KEYS_REFUSED: {
    retryable: true,
    message: "AWS does not accept the keys: they are wrong, expired, revoked or another partition's.",
  },
  AWS_ACCESS_DENIED: {
    retryable: true,
    message: "The role's policies, or the secret's own, do not allow secretsmanager:GetSecretValue on it.",
  },
  AWS_KMS_DENIED: {
    retryable: true,
    message:
      "AWS may not decrypt the secret for this role; it needs kms:Decrypt on the secret's key, in the key's policy too.",
  },
  AWS_SECRET_NOT_FOUND: {
    retryable: true,
    message: 'Secrets Manager has no secret of this name in this account and region.',
  },
  AWS_VERSION_NOT_FOUND: {
    retryable: true,
    message: 'The secret has no version with this stage or id, or no value yet.',
  },
  AWS_SECRET_DELETED: {
    retryable: true,
    message: 'The secret is scheduled for deletion; restore it, or name another one.',
  },
  POD_IDENTITY_NEEDS_CAPTURE: {
    retryable: false,
    message:
      'EKS Pod Identity is for captured agents only, since any process of the pod that can connect to its agent gets the role.',
  },
  POD_IDENTITY_UNREACHABLE: {
    retryable: true,
    message: 'The EKS Pod Identity agent does not answer on this node; install its add-on.',
  },
  POD_IDENTITY_REFUSED: {
    retryable: true,
    message:
      'EKS Pod Identity gives this pod no role; create an association for its namespace and ServiceAccount.',
  },
} as const;
