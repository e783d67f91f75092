// The environment of agent containers: where the proxy is, whom to trust, and placeholders for what they do not hold.

import {
  agentVariables,
  javaOptions,
  type AgentPlace,
  type Placeholder,
} from '../../policy/agent-environment.ts';
import { podPaths, sidecarPorts } from '../../policy/contract.ts';
import type { Container, EnvVar } from './pod.ts';

const place: AgentPlace = { proxyPort: sidecarPorts.proxy, trustDirectory: podPaths.trust };
const ours = agentVariables(place);
const ourJavaOptions = javaOptions(place);

/** Other names for proxies and for who needs none; clients that read them would not get to the sidecar. */
const competing: readonly string[] = [
  'FTP_PROXY',
  'WS_PROXY',
  'WSS_PROXY',
  'SOCKS_PROXY',
  'GRPC_PROXY', // gRPC's C core, before https_proxy
  'NO_GRPC_PROXY',
  'PIP_PROXY',
  'NPM_CONFIG_PROXY',
  'NPM_CONFIG_HTTPS_PROXY',
  'NPM_CONFIG_NOPROXY',
  'GLOBAL_AGENT_HTTP_PROXY',
  'GLOBAL_AGENT_HTTPS_PROXY',
  'GLOBAL_AGENT_NO_PROXY',
];

const oursInAnyCase: ReadonlySet<string> = new Set(
  [...ours.keys(), ...competing].map((name) => name.toUpperCase()),
);

/** True for a variable that an agent has from us alone, in any spelling that some client reads. */
export function isOurVariable(name: string): boolean {
  return oursInAnyCase.has(name.toUpperCase());
}

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
      if (!isOurVariable(name)) env.push(variable);
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
  return author.endsWith(ourJavaOptions) ? author : `${author} ${ourJavaOptions}`.trimStart();
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
