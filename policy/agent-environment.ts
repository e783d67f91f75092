// The variables that lead an agent's clients through the proxy and make them trust its CA: the same in a pod
// and in local mode.

import { placeholder, placeholderFile, trustFiles } from './contract.ts';

export interface AgentPlace {
  readonly proxyPort: number;
  /** Directory with the files of `trustFiles`, as the agent sees it. */
  readonly trustDirectory: string;
}

const proxyHost = '127.0.0.1';
const loopback = `localhost,${proxyHost},::1`;

/**
 * Who reads what. Both cases of the proxy's, because curl heeds only the lower one for plain HTTP (the upper one is
 * what a CGI request could set, CVE-2016-5385), while others read only the upper.
 */
export function agentVariables({ proxyPort, trustDirectory }: AgentPlace): ReadonlyMap<string, string> {
  const proxy = `http://${proxyHost}:${proxyPort}`;
  const ca = `${trustDirectory}/${trustFiles.ca}`;
  // Public roots and our CA: for whoever replaces its roots by the file instead of adding to them.
  const bundle = `${trustDirectory}/${trustFiles.bundle}`;
  return new Map([
    ['HTTP_PROXY', proxy],
    ['http_proxy', proxy],
    ['HTTPS_PROXY', proxy],
    ['https_proxy', proxy],
    ['ALL_PROXY', proxy], // curl, httpx and reqwest for other schemes, so that those are refused and not sent past us
    ['all_proxy', proxy],
    ['NO_PROXY', loopback],
    ['no_proxy', loopback],
    ['NODE_USE_ENV_PROXY', '1'], // Node 22.21 and 24.5 on: http, https and fetch heed the variables above
    ['NODE_EXTRA_CA_CERTS', ca], // Node, Bun, Deno 2.8: added to their roots
    ['DENO_CERT', ca], // Deno: added likewise
    ['SSL_CERT_FILE', bundle], // OpenSSL, Python's ssl and httpx, Go, Ruby, rustls-native-certs: replaces their roots
    ['CURL_CA_BUNDLE', bundle], // curl and requests
    ['REQUESTS_CA_BUNDLE', bundle], // requests
    ['PIP_CERT', bundle],
    ['AWS_CA_BUNDLE', bundle], // AWS CLI and SDKs
    ['GIT_SSL_CAINFO', bundle],
    ['JAVA_TOOL_OPTIONS', javaOptions({ proxyPort, trustDirectory })],
  ]);
}

/**
 * The JVM reads neither proxy variables nor PEM. http.nonProxyHosts serves HTTPS too and is written out, since an
 * author's own, earlier in the variable, would hold otherwise; of two equal options the last one counts.
 */
export function javaOptions({ proxyPort, trustDirectory }: AgentPlace): string {
  return [
    `-Djavax.net.ssl.trustStore=${trustDirectory}/${trustFiles.javaKeyStore}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=${proxyHost}`,
      `-D${scheme}.proxyPort=${proxyPort}`,
    ]),
    '-Dhttp.nonProxyHosts=localhost|127.*|[::1]',
  ].join(' ');
}

/** A harmless value so that an SDK that insists on a key, or on a key file, starts. */
export interface Placeholder {
  readonly env: string;
  readonly credential: string;
  readonly value: string;
}

/** What of an AgentCredential asks for placeholders. */
export interface PlaceholderWishes {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly placeholderEnv?: readonly string[] | undefined;
    readonly placeholderFile?: { readonly env: string } | undefined;
  };
}

/** Of two credentials that ask for one variable the first by name gets it, everywhere alike. */
export function placeholdersOf(
  credentials: readonly PlaceholderWishes[],
  { namespace, trustDirectory }: { readonly namespace: string; readonly trustDirectory: string },
): readonly Placeholder[] {
  const byVariable = new Map<string, Placeholder>();
  for (const { metadata, spec } of credentials.toSorted((a, b) =>
    a.metadata.name < b.metadata.name ? -1 : 1,
  )) {
    const credential = metadata.name;
    const file = spec.placeholderFile;
    const wishes = [
      ...(spec.placeholderEnv ?? []).map((env) => ({ env, value: placeholder(namespace, credential) })),
      ...(file === undefined
        ? []
        : [{ env: file.env, value: `${trustDirectory}/${placeholderFile(credential)}` }]),
    ];
    for (const { env, value } of wishes) {
      if (!byVariable.has(env)) byVariable.set(env, { env, credential, value });
    }
  }
  return [...byVariable.values()].toSorted((a, b) => (a.env < b.env ? -1 : 1));
}
