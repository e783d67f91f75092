// The environment of agent containers: where the proxy is, whom to trust, and placeholders for what they do not hold.

import { podPaths, sidecarPorts, trustFiles } from '../../policy/contract.ts';
import type { Container, EnvVar } from './pod.ts';

/** A harmless value so that an SDK that insists on a key starts. */
export interface Placeholder {
  readonly env: string;
  readonly credential: string;
  readonly value: string;
}

const proxyHost = '127.0.0.1';
const proxy = `http://${proxyHost}:${sidecarPorts.proxy}`;
const loopback = `localhost,${proxyHost},::1`;
const ca = `${podPaths.trust}/${trustFiles.ca}`;
/** Public roots and the pod's CA: for whoever replaces its roots by the file instead of adding to them. */
const bundle = `${podPaths.trust}/${trustFiles.bundle}`;

/**
 * The JVM reads neither proxy variables nor PEM. http.nonProxyHosts serves HTTPS too and is written out, since an
 * author's own, earlier in the variable, would hold otherwise; of two equal options the last one counts.
 */
const javaOptions = [
  `-Djavax.net.ssl.trustStore=${podPaths.trust}/${trustFiles.javaKeyStore}`,
  '-Djavax.net.ssl.trustStoreType=JKS',
  ...['http', 'https'].flatMap((scheme) => [
    `-D${scheme}.proxyHost=${proxyHost}`,
    `-D${scheme}.proxyPort=${sidecarPorts.proxy}`,
  ]),
  '-Dhttp.nonProxyHosts=localhost|127.*|[::1]',
].join(' ');

/**
 * Who reads what. Both cases of the proxy's, because curl heeds only the lower one for plain HTTP (the upper one is
 * what a CGI request could set, CVE-2016-5385), while others read only the upper.
 */
const ours: ReadonlyMap<string, string> = new Map([
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
  ['JAVA_TOOL_OPTIONS', javaOptions],
]);

const oursInAnyCase: ReadonlySet<string> = new Set([...ours.keys()].map((name) => name.toUpperCase()));

export interface AgentEnvironment {
  readonly env: readonly EnvVar[];
  /** What of the author's was replaced, as a sentence about the variable. */
  readonly warnings: readonly { readonly name: string; readonly message: string }[];
}

/**
 * A variable of ours takes the place of the author's, so that later ones may go on referring to it as $(NAME); the
 * others come first. What `envFrom` brings needs no care: a container's `env` wins over it.
 */
export function agentEnvironment(
  container: Container,
  placeholders: readonly Placeholder[],
): AgentEnvironment {
  const author = container.env ?? [];
  const wanted = new Map([...placeholders.map(({ env, value }) => [env, value] as const), ...ours]);
  const warnings: { name: string; message: string }[] = [];
  const javaAuthor = author.findLast(({ name }) => name === 'JAVA_TOOL_OPTIONS');
  if (javaAuthor?.value !== undefined) wanted.set('JAVA_TOOL_OPTIONS', withJavaOptions(javaAuthor.value));

  const env: EnvVar[] = [];
  const placed = new Set<string>();
  for (const variable of author) {
    const { name } = variable;
    const value = wanted.get(name);
    if (value === undefined) {
      if (!oursInAnyCase.has(name.toUpperCase())) env.push(variable);
      else
        warnings.push({
          name,
          message: 'is left out: it would compete with the proxy and trust of outrider',
        });
      continue;
    }
    if (placed.has(name)) continue;
    placed.add(name);
    env.push({ name, value });
    const kept =
      variable.value === value || (name === 'JAVA_TOOL_OPTIONS' && javaAuthor?.value !== undefined);
    if (!kept) warnings.push({ name, message: replaced(name, placeholders) });
  }
  const missing = [...wanted].filter(([name]) => !placed.has(name)).map(([name, value]) => ({ name, value }));
  return { env: [...missing, ...env], warnings };
}

function withJavaOptions(author: string): string {
  return author.endsWith(javaOptions) ? author : `${author} ${javaOptions}`.trimStart();
}

function replaced(name: string, placeholders: readonly Placeholder[]): string {
  const placeholder = ours.has(name) ? undefined : placeholders.find(({ env }) => env === name);
  if (placeholder !== undefined) {
    return `is replaced by the placeholder of AgentCredential ${placeholder.credential}: agents hold no secrets`;
  }
  if (name === 'JAVA_TOOL_OPTIONS') {
    return 'is replaced: a reference cannot be added to; use JDK_JAVA_OPTIONS or write its value out';
  }
  return 'is replaced: an agent reaches the network through outrider and trusts its CA';
}
