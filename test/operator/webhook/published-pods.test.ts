// Workloads shaped like those that real projects publish, with a stand-in image: what is admitted loses nothing, and what is
// refused is so for a reason that its file names.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { Container, Pod } from '../../../operator/injector/pod.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { asks, assertInjected, startReviewedCluster, type ReviewedCluster } from './reviewed-cluster.ts';

interface Template {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  spec: Pod['spec'];
}

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; namespace?: string; annotations?: Record<string, string> };
  readonly spec: {
    readonly template?: Template;
    readonly jobTemplate?: { readonly spec: { readonly template: Template } };
  };
}

const folder = join(import.meta.dirname, 'shapes');
const shapes = readdirSync(folder).map((file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  const refused = /^# refused: (.*)$/m.exec(text)?.[1];
  return { name: basename(file, '.yaml'), workload: parse(text) as Workload, refused };
});

let cluster: ReviewedCluster;

before(async () => {
  cluster = await startReviewedCluster();
});
after(() => cluster?.stop());

/** Where something that was written is not there as it was written. */
function lost(written: unknown, found: unknown, path: string): string[] {
  if (Array.isArray(written)) {
    if (!Array.isArray(found)) return [path];
    const isNamed = written.every((item) => typeof (item as { name?: unknown } | null)?.name === 'string');
    if (!isNamed)
      return JSON.stringify(written) === JSON.stringify(found) ? [] : lostEach(written, found, path);
    return written.flatMap((item: { name: string }) => {
      const same = (found as { name?: string }[]).find(({ name }) => name === item.name);
      return lost(item, same, `${path}[${item.name}]`);
    });
  }
  if (typeof written !== 'object' || written === null) return written === found ? [] : [path];
  return Object.entries(written).flatMap(([key, value]) =>
    lost(value, (found as Record<string, unknown> | undefined)?.[key], `${path}.${key}`),
  );
}

/** The API server adds defaults inside items. */
function lostEach(written: readonly unknown[], found: readonly unknown[], path: string): string[] {
  if (written.length > found.length) return [path];
  return written.flatMap((item, index) => lost(item, found[index], `${path}[${index}]`));
}

/** The order of the author's own containers, which is the order in which init containers run. */
const names = (containers: readonly Container[] | undefined): string[] =>
  (containers ?? []).map(({ name }) => name);

describe('of pods that projects publish', () => {
  for (const { name, workload } of shapes.filter(({ refused }) => refused === undefined)) {
    test(`${name} is admitted, with all that its template says`, async () => {
      const template = workload.spec.template ?? workload.spec.jobTemplate?.spec.template ?? assert.fail();
      const written = structuredClone(template);
      template.metadata.annotations = { ...template.metadata.annotations, ...asks };
      workload.metadata.namespace = 'plain';
      await cluster.chart.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(workload) });
      if (workload.kind === 'CronJob') {
        const job = ['create', 'job', name, `--from=cronjob/${workload.metadata.name}`, '-n', 'plain'];
        await cluster.chart.cluster.kubectl(job);
      }
      const selector = Object.entries(written.metadata.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(',');
      const pod = await waitFor({ what: `the pod of ${name}`, timeoutMs: 30_000 }, async () => {
        const { items } = await cluster.chart.read<{ items: Pod[] }>('pods', '-n', 'plain', '-l', selector);
        return items[0];
      });
      assertInjected(pod);
      const { initContainers, containers, ...rest } = written.spec;
      assert.deepEqual(lost(written.metadata, pod.metadata, 'metadata'), []);
      assert.deepEqual(lost(rest, pod.spec, 'spec'), []);
      assert.deepEqual(lost(initContainers ?? [], pod.spec.initContainers, 'spec.initContainers'), []);
      assert.deepEqual(lost(containers, pod.spec.containers, 'spec.containers'), []);
      assert.deepEqual(names(pod.spec.initContainers), [
        'outrider-capture',
        'outrider',
        ...names(initContainers),
      ]);
      assert.deepEqual(names(pod.spec.containers), names(containers));
    });
  }

  for (const { name, workload, refused } of shapes) {
    if (refused === undefined) continue;
    test(`${name} is refused, and says what to change`, async () => {
      workload.metadata.namespace = 'plain';
      workload.metadata.annotations = { ...workload.metadata.annotations, ...asks };
      await assert.rejects(cluster.create(workload), new RegExp(refused));
    });
  }
});
