// The part of failure-causes.ts about AWS.

import { cause, type Cause } from './conditions.ts';

const aws = 'spec.awsSecretsManager';
const awsSource = 'spec.source.awsSecretsManager';
const awsStore = `the AgentSecretStore that ${awsSource}.store names`;

export const awsCauses: Readonly<Record<string, Cause>> = {
  AWS_ENDPOINT_INVALID: cause(
    'Invalid',
    `${aws} of ${awsStore}: write endpoint and stsEndpoint as https://host[:port], and fips only where the region has such endpoints`,
  ),
  AWS_REGION_WRONG: cause(
    'RegionWrong',
    `${aws}.region of ${awsStore}: it must be the region of the secret (an ARN says it) and of the endpoints, and be active in the account`,
  ),
  AWS_REQUEST_INVALID: cause(
    'Invalid',
    `${awsSource}: write secretId as a name or a whole ARN, and versionStage or versionId as "aws secretsmanager list-secret-version-ids" shows them`,
  ),
  AWS_UNREACHABLE: cause(
    'StoreUnreachable',
    `${awsStore}: the endpoints of Secrets Manager or STS cannot be reached from the agents' pods, or not in time`,
  ),
  AWS_UNTRUSTED: cause(
    'StoreUntrusted',
    `${aws}.caBundle of ${awsStore}: leave it out for the public endpoints of AWS; for others it must hold the CA of the certificate`,
  ),
  AWS_THROTTLED: cause(
    'StoreThrottled',
    `${awsStore}: AWS answers that there are too many requests; raise refreshInterval, or the quota of the account`,
  ),
  AWS_UNAVAILABLE: cause('StoreUnavailable', `${awsStore}: AWS answers that it cannot serve now`),
  AWS_ANSWER_UNREADABLE: cause(
    'StoreUnavailable',
    `${aws} of ${awsStore}: what answers at its endpoints is not AWS`,
  ),
  AWS_CLOCK_SKEW: cause(
    'ClockSkew',
    "the clock of the agents' nodes and that of AWS differ by more than a signature allows; set the clock of the nodes",
  ),
  AWS_ROLE_MISSING: cause(
    'Invalid',
    `${awsSource}.roleArn: neither it nor ${awsStore} names a role; write one of the two`,
  ),
  AWS_LOGIN_REFUSED: cause(
    'LoginRefused',
    `roleArn of ${awsStore}, or of spec.source.awsSecretsManager: AWS refused the token; the account needs an OIDC provider for the issuer of the cluster whose client ids hold the audience of the store, and the trust policy of the role must admit the ServiceAccount of the agents with it`,
  ),
  AWS_ISSUER_UNREADABLE: cause(
    'LoginRefused',
    'AWS cannot fetch the keys of the issuer of this cluster; its /.well-known/openid-configuration and keys must be readable from the internet',
  ),
  AWS_ROLE_REFUSED: cause(
    'RoleRefused',
    `roleArn of ${awsStore}, or of spec.source.awsSecretsManager: AWS refused to assume the role; its trust policy must name the identity before it, and the policy of that one must allow sts:AssumeRole on it`,
  ),
  AWS_KEYS_REFUSED: cause(
    'LoginRefused',
    `${awsStore}: AWS does not accept the keys that the agents have from it; with staticKeys store good ones in that Secret, otherwise check the region`,
  ),
  AWS_ACCESS_DENIED: cause(
    'PermissionDenied',
    `${awsSource}.secretId: the policies of the role, or that of the secret, do not allow secretsmanager:GetSecretValue on it; an ARN in them ends in the six characters that AWS adds, or in -??????`,
  ),
  AWS_KMS_DENIED: cause(
    'PermissionDenied',
    `${awsSource}.secretId: the role needs kms:Decrypt on the key of the secret, and the policy of that key must allow it`,
  ),
  AWS_SECRET_NOT_FOUND: cause(
    'SecretNotFound',
    `${awsSource}.secretId: there is no such secret in the account of the role and the region of the store; one of another account is named by its whole ARN`,
  ),
  AWS_VERSION_NOT_FOUND: cause(
    'SecretNotFound',
    `${awsSource}: the secret has no version with this versionStage or versionId; "aws secretsmanager list-secret-version-ids" shows them`,
  ),
  AWS_SECRET_DELETED: cause(
    'SecretNotFound',
    `${awsSource}.secretId: the secret is scheduled for deletion; "aws secretsmanager restore-secret" brings it back`,
  ),
  POD_IDENTITY_NEEDS_CAPTURE: cause(
    'CaptureRequired',
    `${aws}.auth.podIdentity of ${awsStore}: only captured agents may use it; write webIdentity`,
  ),
  POD_IDENTITY_UNREACHABLE: cause(
    'StoreUnreachable',
    `${awsStore}: the EKS Pod Identity agent does not answer on the nodes of the agents; install the add-on eks-pod-identity-agent`,
  ),
  POD_IDENTITY_REFUSED: cause(
    'LoginRefused',
    `${awsStore}: EKS Pod Identity gives the agents no role; create an association for their namespace and ServiceAccount`,
  ),
};
