import type { ControlPlane } from './control-plane.ts';
import type { Vault } from './vault.ts';

// Vault asks the API server about the tokens it is shown (TokenReview), and needs an identity that may ask.
const reviewer = `
apiVersion: v1
kind: Namespace
metadata: { name: vault }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: vault, namespace: vault }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: vault-token-review }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator }
subjects: [{ kind: ServiceAccount, name: vault, namespace: vault }]
`;

/** Enables Vault's Kubernetes auth at auth/kubernetes/, trusting ServiceAccounts of this cluster. */
export async function enableKubernetesAuth(
  vault: Vault,
  cluster: Pick<ControlPlane, 'server' | 'caPem' | 'kubectl'>,
): Promise<void> {
  await cluster.kubectl(['apply', '-f', '-'], { stdin: reviewer });
  const token = await cluster.kubectl(['create', 'token', 'vault', '-n', 'vault', '--duration=24h']);
  await vault.request('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
  await vault.request('POST', 'auth/kubernetes/config', {
    kubernetes_host: cluster.server,
    kubernetes_ca_cert: cluster.caPem,
    token_reviewer_jwt: token.trim(),
    disable_local_ca_jwt: true,
  });
}
