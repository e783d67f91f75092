// What is wrong with a resource, from it and what it refers to. Pure: controllers gather, these decide, and the
// same findings show on status and in the CLI. A finding never blocks another resource.

import { findBundleProblems } from './ca-bundle.ts';
import { isTooWide } from './ceiling.ts';
import { captureLevel, defaultCapture } from './capture-level.ts';
import type { CheckContext } from './check-context.ts';
import { available, findUnusable } from './credential-findings.ts';
import { findPartProblems } from './credential-parts.ts';
import { findAmbiguousInjects } from './entry-injects.ts';
import { findTemplateProblems } from './template-findings.ts';
import { isParsed, parseOnce, type Finding } from './parse.ts';
import type {
  AgentCredential,
  AgentDestination,
  AgentPolicy,
  AgentSecretStore,
  ClusterAgentPolicy,
} from './resources/kinds.ts';
import { findOutsideCeiling, findRuleProblems } from './rule-findings.ts';
import { opensTo } from './selection.ts';
import { findShadows } from './shadow-findings.ts';

export function checkPolicy(object: unknown, context: CheckContext): readonly Finding[] {
  const policy = parseOnce('AgentPolicy', object);
  if (!isParsed<AgentPolicy>(policy)) return policy;
  const credentials = credentialsOf(policy.metadata.namespace, context);
  const names = new Set(credentials.map(({ metadata }) => metadata.name));
  return (policy.spec.rules ?? []).flatMap((rule, index) => {
    const at = `spec.rules[${index}]`;
    const findings = [
      ...checkDestinationReference(rule.destination, at, context),
      ...findRuleProblems(rule, at),
    ];
    if (rule.credential !== undefined && !names.has(rule.credential)) {
      findings.push({
        reason: 'CredentialNotFound',
        field: `${at}.credential`,
        message: `names no usable AgentCredential of this namespace; ${available([...names])}`,
        blocking: false,
      });
    }
    const credential = credentials.find(({ metadata }) => metadata.name === rule.credential);
    const destination = destinationsOf(context).find(({ metadata }) => metadata.name === rule.destination);
    return [
      ...findings,
      ...findOutsideCeiling(rule, at, credential, destination),
      ...findShadows(rule, at, policy, context),
    ];
  });
}

export function checkClusterPolicy(object: unknown, context: CheckContext): readonly Finding[] {
  const policy = parseOnce('ClusterAgentPolicy', object);
  if (!isParsed<ClusterAgentPolicy>(policy)) return policy;
  const destinations = context.destinations
    .map((raw) => parseOnce('AgentDestination', raw))
    .filter((parsed) => isParsed<AgentDestination>(parsed))
    .map(({ metadata }) => metadata.name);
  return (policy.spec.rules ?? []).flatMap((rule, index) => {
    const at = `spec.rules[${index}]`;
    const isMissing = rule.destination !== undefined && !destinations.includes(rule.destination);
    const missing: Finding[] = isMissing
      ? [
          {
            reason: 'DestinationNotFound',
            field: `${at}.destination`,
            message: `names no AgentDestination, so the rule holds everywhere; ${available(destinations)}`,
            blocking: false,
          },
        ]
      : [];
    return [...missing, ...findRuleProblems(rule, at)];
  });
}

function credentialsOf(namespace: string | undefined, { credentials }: CheckContext): AgentCredential[] {
  return credentials
    .map((raw) => parseOnce('AgentCredential', raw))
    .filter((parsed) => isParsed<AgentCredential>(parsed))
    .filter(({ metadata }) => metadata.namespace === namespace);
}

function destinationsOf({ destinations, namespaceLabels }: CheckContext): AgentDestination[] {
  return destinations
    .map((raw) => parseOnce('AgentDestination', raw))
    .filter((parsed) => isParsed<AgentDestination>(parsed))
    .filter((parsed) => opensTo(parsed, namespaceLabels));
}

export function checkCredential(object: unknown, context: CheckContext): readonly Finding[] {
  const credential = parseOnce('AgentCredential', object);
  if (!isParsed<AgentCredential>(credential)) return credential;
  const findings = credential.spec.allow.flatMap((entry, index): Finding[] => {
    const at = `spec.allow[${index}]`;
    const tooWide: Finding[] = isTooWide(entry.hosts)
      ? [
          {
            reason: 'CeilingTooWide',
            field: `${at}.hosts`,
            message:
              'has a wildcard over names that anybody can register, so the entry is not used; write a domain of your own, such as *.example.com',
            blocking: false,
          },
        ]
      : [];
    return [...tooWide, ...checkDestinationReference(entry.destination, at, context)];
  });
  const open = {
    stores: storesOf(context),
    destinations: destinationsOf(context),
    // The command of local mode is nobody's pod.
    level:
      context.isLocal === true
        ? ('cooperative' as const)
        : captureLevel(context.capture ?? defaultCapture, context.namespaceLabels),
  };
  return [
    ...findings,
    ...findUnusable(credential, open),
    ...findVolumeProblems(credential, context),
    ...findPartProblems(credential),
    ...findTemplateProblems(credential),
    ...findAmbiguousInjects(credential),
  ];
}

function findVolumeProblems({ spec }: AgentCredential, context: CheckContext): Finding[] {
  const isLocal = context.isLocal === true;
  if (spec.source.file === undefined || spec.source.file.volume !== undefined) return [];
  return [
    {
      reason: isLocal ? 'Advice' : 'VolumeMissing',
      field: 'spec.source.file.volume',
      message: isLocal
        ? 'is needed in a cluster, where there is no directory of secrets: write such as volume: { secret: github-bot }'
        : 'is required in a cluster: write the Secret or the SecretProviderClass that the file comes from, such as volume: { secret: github-bot }; only local mode has a directory of secrets',
      blocking: !isLocal,
    },
  ];
}

function storesOf({ stores, namespaceLabels }: CheckContext): AgentSecretStore[] {
  return stores
    .map((raw) => parseOnce('AgentSecretStore', raw))
    .filter((parsed) => isParsed<AgentSecretStore>(parsed))
    .filter((parsed) => opensTo(parsed, namespaceLabels));
}

export function checkStore(object: unknown): readonly Finding[] {
  const store = parseOnce('AgentSecretStore', object);
  if (!isParsed<AgentSecretStore>(store)) return store;
  const { vault, awsSecretsManager } = store.spec;
  return [
    ...findBundleProblems(vault?.caBundle, 'spec.vault.caBundle'),
    ...findBundleProblems(awsSecretsManager?.caBundle, 'spec.awsSecretsManager.caBundle'),
  ];
}

export function checkDestination(object: unknown): readonly Finding[] {
  const destination = parseOnce('AgentDestination', object);
  if (!isParsed<AgentDestination>(destination)) return destination;
  return findBundleProblems(destination.spec.caBundle, 'spec.caBundle');
}

function checkDestinationReference(name: string | undefined, at: string, context: CheckContext): Finding[] {
  if (name === undefined) return [];
  const destinations = destinationsOf(context).map(({ metadata }) => metadata.name);
  if (destinations.includes(name)) return [];
  return [
    {
      reason: 'DestinationNotFound',
      field: `${at}.destination`,
      message: `names no AgentDestination that is open to this namespace; ${available(destinations)}`,
      blocking: false,
    },
  ];
}
