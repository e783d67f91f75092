// Three places know what an injected pod looks like: the injector writes it, the webhook looks at it again, and the admission
// policies say it in CEL. What one of them learns the others must learn too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sidecarPorts } from '../../policy/contract.ts';
import { capturePorts } from '../../policy/capture-plan.ts';
import { awsVariables } from '../../operator/injector/aws-identity.ts';
import { seLinuxTypes } from '../../operator/injector/container-shape.ts';
import { finalProblems } from '../../operator/injector/final-shape.ts';
import { meshes } from '../../operator/injector/mesh.ts';
import type { Container } from '../../operator/injector/pod.ts';
import { safeSysctls } from '../../operator/injector/shape.ts';
import { volumeKinds } from '../../operator/injector/volume-shape.ts';
import { injectedPod, injectionOf } from '../support/injected-pod.ts';
import { chartPath } from '../support/helm.ts';
import { edited } from './edited.ts';
import { containers, sidecars, volumes, wholePod } from './refused-pods.ts';

const manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'triage', namespace: 'research', labels: { app: 'triage' } },
  spec: {
    initContainers: [{ name: 'fetch', image: 'registry.example/fetch:1' }],
    containers: [{ name: 'agent', image: 'registry.example/triage:1' }],
  },
};
const captured = injectedPod(manifest);
const [capture, sidecar] = captured.spec.initContainers as [Container, Container];

const policy = (name: string): string =>
  readFileSync(join(chartPath, `templates/policy-${name}.yaml`), 'utf8').replaceAll(/\s+/g, ' ');

/** The quoted words that the first group of the pattern finds, in order. */
function words(text: string, pattern: RegExp): string[] {
  const [, list = assert.fail(`no ${pattern}`)] = pattern.exec(text) ?? [];
  return [...list.matchAll(/"([^"]*)"/g)].map(([, word = '']) => word).toSorted();
}

test('the webhook admits what the injector writes', () => {
  assert.deepEqual(finalProblems(injectionOf(captured)), []);
});

describe('what the policies refuse, the webhook refuses of the final pod:', () => {
  const tables = { 'a pod that': wholePod, 'a container of which': containers, 'a volume that': volumes, 'a sidecar that': sidecars };
  for (const [kind, table] of Object.entries(tables)) {
    for (const [sentence, { edit }] of Object.entries(table)) {
      test(`${kind} ${sentence}`, () => {
        assert.notDeepEqual(finalProblems(injectionOf(edited(captured, edit))), []);
      });
    }
  }
});

describe('the policies let our containers have what the injector writes, and nothing else:', () => {
  const text = policy('agent-sidecar');
  test('variables', () => {
    const written = (sidecar.env ?? []).map(({ name }) => name).toSorted();
    assert.deepEqual(words(text, /\$names := list ([^}]*)\}/), written);
  });
  test('fields', () => {
    const shared = words(text, /key in \{\{ concat \(list ([^)]*)\)/);
    const own = /\$keys := eq \$name "capture" \| ternary \(list ([^)]*)\) \(list ([^)]*)\)/.exec(text);
    const wordsOf = (list = ''): string[] => [...list.matchAll(/"(\w+)"/g)].map(([, word = '']) => word);
    for (const [container, keys] of [
      [capture, wordsOf(own?.[1])],
      [sidecar, wordsOf(own?.[2])],
    ] as const) {
      // In-place resizing gives it to containers that have resources.
      assert.deepEqual([...shared, ...keys].toSorted(), [...Object.keys(container), 'resizePolicy'].toSorted(), container.name);
    }
  });
  test('mounts', () => {
    const own = (sidecar.volumeMounts ?? []).filter(({ name }) => !name.startsWith('outrider-secret-'));
    const [, list = ''] = /volumeMounts must be outrider-keys alone.*?all\(c, \[(.*?)\]\.all\(ours/.exec(text) ?? [];
    const found = [...list.matchAll(/"name": dyn\("([^"]+)"\), "mountPath": dyn\("([^"]+)"\)(, "readOnly": dyn\(true\))?/g)];
    assert.deepEqual(
      found.map(([, name, mountPath, readOnly]) => ({ name, mountPath, ...(readOnly === undefined ? {} : { readOnly: true }) })),
      own,
    );
  });
  test('volumes', () => {
    const named = words(policy('agent-volumes'), /!\(v\.name in \[([^\]]*)\]/);
    const own = (captured.spec.volumes ?? []).map(({ name }) => name).filter((name) => !name.startsWith('outrider-secret-'));
    assert.deepEqual(named, own.toSorted());
  });
});

describe('the webhook and the policies have the same lists:', () => {
  test('kinds of volumes', () => {
    const named = words(policy('agent-volumes'), /dyn\(v\)\.all\(kind, kind in \[([^\]]*)\]/);
    assert.deepEqual(named, ['name', ...volumeKinds].toSorted());
  });
  test('kernel parameters', () => {
    assert.deepEqual(words(policy('agent-pod'), /sysctl\.name in \[([^\]]*)\]/), [...safeSysctls].toSorted());
  });
  test('types of SELinux', () => {
    assert.deepEqual(words(policy('agent-pod'), /\?type\.orValue\(""\) in \["", ([^\]]*)\]/), [...seLinuxTypes].toSorted());
  });
  test('variables with an AWS identity', () => {
    assert.deepEqual(words(policy('agent-containers'), /i\.name in \{\{ list ([^|]*)\|/), [...awsVariables].toSorted());
  });
  test('containers of meshes', () => {
    const text = policy('agent-containers');
    const named = [...text.matchAll(/"containers" \(list ([^)]*)\)/g)].flatMap(([, list = '']) =>
      [...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name),
    );
    assert.deepEqual(named, meshes.flatMap(({ containers: added }) => added));
  });
  test('ports of the sidecar', () => {
    const [, declared = ''] = /i\.containerPort in \[([^\]]*)\]/.exec(policy('agent-containers')) ?? [];
    assert.deepEqual(declared.split(', ').map(Number), Object.values(sidecarPorts));
    const [, reached = ''] = /\$ports := "([^"]*)"/.exec(policy('sidecar-access')) ?? [];
    const { tls, http, dns } = capturePorts;
    assert.deepEqual(reached.split('|').map(Number), [...Object.values(sidecarPorts), dns, http, tls]);
  });
});
