export type ServerName = 'kube' | 'kube-floor' | 'vault' | 'jaeger' | 'coredns' | 'helm';

export interface ServerRecipe {
  /** The module whose version is the server's; the folder of the server's name holds the go.mod that pins it. */
  readonly module: string;
  readonly package: string;
  /** What the upstream release build sets by -ldflags; without it kube reports v0.0.0. */
  readonly variables?: (version: string) => Readonly<Record<string, string>>;
  /** Further names of the binary, which looks at the name it is called by. */
  readonly alsoCalled?: readonly string[];
  /** Take the module's own go.sum, because the checksum database lacks some of the modules it needs. */
  readonly vouchesForItself?: boolean;
  /** Measured on two cores with empty Go caches. */
  readonly coldMinutes: number;
}

function kubeVersion(version: string, buildDate: string): Readonly<Record<string, string>> {
  const [major, minor] = version.slice(1).split('.');
  const at = 'k8s.io/component-base/version';
  return {
    [`${at}.gitVersion`]: version,
    [`${at}.gitMajor`]: major ?? '',
    [`${at}.gitMinor`]: minor ?? '',
    [`${at}.gitCommit`]: 'none',
    [`${at}.gitTreeState`]: 'clean',
    [`${at}.buildDate`]: buildDate,
  };
}

export const recipes: Readonly<Record<ServerName, ServerRecipe>> = {
  kube: {
    module: 'k8s.io/kubernetes',
    package: '.',
    variables: (version) => kubeVersion(version, '2026-07-22T00:00:00Z'),
    alsoCalled: [
      'etcd',
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kube-proxy',
      'kubelet',
      'kubectl',
    ],
    coldMinutes: 5,
  },
  'kube-floor': {
    module: 'k8s.io/kubernetes',
    package: '.',
    variables: (version) => kubeVersion(version, '2026-06-11T16:59:07Z'),
    alsoCalled: ['kube-apiserver'],
    coldMinutes: 4,
  },
  vault: { module: 'github.com/hashicorp/vault', package: '.', coldMinutes: 5 },
  jaeger: {
    module: 'github.com/jaegertracing/jaeger',
    package: 'github.com/jaegertracing/jaeger/cmd/jaeger',
    vouchesForItself: true,
    coldMinutes: 3,
  },
  coredns: { module: 'github.com/coredns/coredns', package: 'github.com/coredns/coredns', coldMinutes: 2 },
  helm: {
    module: 'helm.sh/helm/v4',
    package: 'helm.sh/helm/v4/cmd/helm',
    variables: (version) => ({ 'helm.sh/helm/v4/internal/version.version': version }),
    coldMinutes: 2,
  },
};
