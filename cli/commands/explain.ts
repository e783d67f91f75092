// `outrider explain`: one request against files or a cluster.

import { readArguments, readChoice } from '../arguments.ts';
import { loadClusterResources } from '../cluster-resources.ts';
import { explain, explanationText } from '../explanation.ts';
import { parseAgent } from '../local-agent.ts';
import { readRequest } from '../request-arguments.ts';
import { loadResourceFiles, type AnyResource } from '../resource-files.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import { createTrial, knowNamespace } from '../trial.ts';
import { UsageError } from '../usage-error.ts';

export const usage = `Usage: outrider explain -f DIR... [--as NAMESPACE/SERVICEACCOUNT[,LABEL=VALUE...]] [OPTION]... METHOD URL
       outrider explain --cluster [--context NAME] --as NAMESPACE/SERVICEACCOUNT[,LABEL=VALUE...] [OPTION]... METHOD URL

Says what becomes of one request, and what each rule has to do with it: whether it matches, or the first of its
fields that does not. The request is METHOD URL, URL, or the name of a YAML file as in PolicyTests; - reads one from
standard input. Nothing is sent anywhere.

  -f DIR             reads resources from files; may be repeated.
  --cluster          reads them with kubectl, as whoever you are there.
  --context NAME     of the kubeconfig.
  --as WHO           the agent; needed with --cluster, and when a policy selects agents.
  -H 'NAME: VALUE'   a header; may be repeated.
  -d DATA            a body, or @FILE; a form unless -H says otherwise. Without METHOD it is a POST.
  --placeholder NS.CREDENTIAL
                     the credential whose placeholder the agent sends.
  --time TIME        RFC 3339; absent means now.
  --used POLICY/RULE/LIMIT=NUMBER
                     what a limit has counted before; may be repeated.
  --output FORMAT    readable or json.

Exit codes: 0 it was explained, whatever the decision, 2 a mistake in the command line or a file.
`;

export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      file: { type: 'string', short: 'f', multiple: true },
      cluster: { type: 'boolean' },
      context: { type: 'string' },
      as: { type: 'string' },
      header: { type: 'string', short: 'H', multiple: true },
      data: { type: 'string', short: 'd' },
      placeholder: { type: 'string' },
      time: { type: 'string' },
      used: { type: 'string', multiple: true },
      output: { type: 'string' },
    },
    usage,
  );
  const output = readChoice('output', values.output, ['readable', 'json']);
  const request = readRequest(
    {
      positionals,
      headers: values.header ?? [],
      data: values.data ?? null,
      placeholder: values.placeholder ?? null,
    },
    usage,
  );
  const nowMs = readTime(values.time);
  const used = Object.fromEntries((values.used ?? []).map(readUsed));
  if ((values.cluster === true) === (values.file !== undefined))
    throw new UsageError(`write either -f DIR or --cluster\n\n${usage}`);
  const as = values.as ?? null;
  if (values.cluster === true && as === null)
    throw new UsageError(`--as is missing: say who the agent is, such as --as research/triage,app=triage`);

  const local = values.file === undefined ? null : loadResourceFiles(values.file);
  const found = local?.found.map(({ resource }) => resource) ?? [];
  const who = parseAgent(as, found);
  const { resources, labels } =
    local === null
      ? await fromCluster(who.namespace, values.context ?? null)
      : { resources: found, labels: local.namespaces.get(who.namespace) };
  const known = knowNamespace(resources, labels);
  const agent = { ...who, namespaceLabels: known.namespaceLabels };
  const trial = createTrial(known.resources, agent);
  const explanation = explain(trial, { request, nowMs, used }, known.resources, agent, known.assumed);
  process.stdout.write(
    output === 'json' ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation),
  );
  return 0;
}

async function fromCluster(
  namespace: string,
  context: string | null,
): Promise<{ resources: readonly AnyResource[]; labels: Labels }> {
  const { resources, namespaceLabels } = await loadClusterResources(namespace, context);
  return { resources, labels: namespaceLabels };
}

function readTime(text: string | undefined): number {
  if (text === undefined) return Date.now();
  const nowMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : NaN;
  if (Number.isNaN(nowMs))
    throw new UsageError(`--time ${text}: write RFC 3339, such as 2026-11-23T09:00:00Z`);
  return nowMs;
}

function readUsed(text: string): [key: string, count: number] {
  const [, key, count] = /^([^=/]+\/[^=/]+\/[^=]+)=(\d{1,15})$/.exec(text) ?? [];
  if (key === undefined) throw new UsageError(`--used ${text}: write POLICY/RULE/LIMIT=NUMBER`);
  return [key, Number(count)];
}
