import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { injectPod, type Injection, type InjectionInput } from '../../../operator/injector/injection.ts';
import type { PatchOperation } from '../../../operator/injector/patch.ts';
import type { Container, Pod } from '../../../operator/injector/pod.ts';
import { secretVolumes, type SecretNeed } from '../../../operator/injector/secret-volumes.ts';
import { countingIds, operatorCas, settings } from '../../golden/cases.ts';
import { applyPatch } from '../../support/apply-patch.ts';

const stores = [{ store: 'corp-vault', audience: 'outrider.dev/corp-vault', file: 'store.corp-vault' }];
const secrets: readonly SecretNeed[] = [{ volume: { secret: 'github' }, keys: null }];
const wiki = { destination: 'wiki', name: 'wiki.corp.example', port: 8443, scheme: 'https' } as const;
const secretName = secretVolumes(secrets)[0]?.volume.name ?? '';
const token = {
  name: 'kube-api-access-x7z',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  readOnly: true,
};

function inject(pod: Pod, changes: Partial<InjectionInput> = {}): Injection {
  const rest = {
    namespaceLabels: {},
    stores,
    secrets,
    placeholders: [],
    destinations: [wiki],
    operatorCas,
    settings,
    drawId: countingIds(),
  };
  return injectPod({ pod, ...rest, ...changes });
}

/** What the tests change of our container. */
interface Sidecar extends Container {
  env: { name: string; value?: string; valueFrom?: Record<string, unknown> }[];
  resources: { limits: Record<string, string>; requests: Record<string, string> };
  securityContext: { runAsUser: number; runAsGroup?: number };
}

interface InjectedPod extends Pod {
  spec: Pod['spec'] & { initContainers: Container[]; volumes: Record<string, unknown>[] };
}

/** A pod after the first pass, fresh for each test to change. */
function injected(): InjectedPod {
  const pod: Pod = {
    metadata: { name: 'triage', annotations: { 'outrider.dev/inject': 'true' } },
    spec: { containers: [{ name: 'agent', image: 'a' }], initContainers: [{ name: 'fetch', image: 'b' }] },
  };
  const first = inject(pod);
  assert.equal(first.kind, 'patch');
  return applyPatch(pod, first.kind === 'patch' ? first.operations : []) as InjectedPod;
}

function sidecarOf(pod: InjectedPod): Sidecar {
  const sidecar = pod.spec.initContainers.find(({ name }) => name === 'outrider');
  assert.ok(sidecar);
  return sidecar as Sidecar;
}

function captureOf(pod: InjectedPod): Container & { args: string[]; securityContext: { runAsUser: number } } {
  const [capture] = pod.spec.initContainers;
  assert.equal(capture?.name, 'outrider-capture');
  return capture as ReturnType<typeof captureOf>;
}

function secretVolumeOf(spec: Pod['spec']): NonNullable<Pod['spec']['volumes']>[number] {
  return spec.volumes?.find(({ name }) => name === secretName) ?? assert.fail();
}

function tokenSources(pod: InjectedPod): object[] {
  const tokens = pod.spec.volumes.find(({ name }) => name === 'outrider-tokens');
  assert.ok(tokens);
  return (tokens['projected'] as { sources: object[] }).sources;
}

describe('a second pass refuses', () => {
  const cases: Record<
    string,
    { change: (pod: InjectedPod) => void; field: string; also?: string[]; says: RegExp }
  > = {
    'another image in our container (K-18)': {
      change: (pod) => (sidecarOf(pod)['image'] = 'registry.example/evil:1'),
      field: 'spec.initContainers[outrider]',
      says: /in image: remove the container/,
    },
    'another image in the container that captures (K-18)': {
      change: (pod) => (captureOf(pod)['image'] = 'registry.example/evil:1'),
      field: 'spec.initContainers[outrider-capture]',
      says: /in image: remove the container/,
    },
    'a command of its own in the container that captures (K-14)': {
      change: (pod) => (captureOf(pod)['command'] = ['/bin/true']),
      field: 'spec.initContainers[outrider-capture]',
      says: /in command:/,
    },
    'free passage for another uid (K-10)': {
      change: (pod) => (captureOf(pod).args[0] = '--uid=1000'),
      field: 'spec.initContainers[outrider-capture]',
      says: /in args:/,
    },
    'one more argument for the container that captures (K-14)': {
      change: (pod) => captureOf(pod).args.push('--only-report'),
      field: 'spec.initContainers[outrider-capture]',
      says: /in args:/,
    },
    'variables for the container that captures (K-25)': {
      change: (pod) => (captureOf(pod).env = [{ name: 'NODE_OPTIONS', value: '--require=/x' }]),
      field: 'spec.initContainers[outrider-capture]',
      says: /in env:/,
    },
    'the tokens in the container that captures (K-01)': {
      change: (pod) =>
        captureOf(pod).volumeMounts?.push({ name: 'outrider-tokens', mountPath: '/t', readOnly: true }),
      field: 'spec.initContainers[outrider-capture]',
      says: /in volumeMounts:/,
    },
    'a plan for our container from elsewhere (K-18)': {
      change: (pod) => {
        const { env } = sidecarOf(pod);
        const at = env.findIndex(({ name }) => name === 'OUTRIDER_CAPTURE');
        env[at] = {
          name: 'OUTRIDER_CAPTURE',
          valueFrom: { configMapKeyRef: { name: 'evil', key: 'plan' } },
        };
      },
      field: 'spec.initContainers[outrider]',
      says: /in env:/,
    },
    'an operator CA for our container from elsewhere (K-18)': {
      change: (pod) => {
        sidecarOf(pod).env[1] = {
          name: 'OUTRIDER_OPERATOR_CA',
          valueFrom: { configMapKeyRef: { name: 'evil', key: 'ca' } },
        };
      },
      field: 'spec.initContainers[outrider]',
      says: /in env:/,
    },
    'something else among our tokens (K-09)': {
      change: (pod) => {
        tokenSources(pod).push({ secret: { name: 'others' } });
      },
      field: 'spec.volumes[outrider-tokens]',
      says: /remove the volume/,
    },
    'a token for somebody else among ours (K-02)': {
      change: (pod) => {
        const source = { serviceAccountToken: { audience: 'vault', path: 'vault' } };
        tokenSources(pod).push(source);
      },
      field: 'spec.volumes[outrider-tokens]',
      says: /remove the volume/,
    },
    'one more variable in our container (K-25)': {
      change: (pod) => sidecarOf(pod).env.push({ name: 'NODE_OPTIONS', value: '--inspect=0.0.0.0' }),
      field: 'spec.initContainers[outrider]',
      says: /in env:/,
    },
    'variables for our container from elsewhere (K-25)': {
      change: (pod) => (sidecarOf(pod)['envFrom'] = [{ configMapRef: { name: 'evil' } }]),
      field: 'spec.initContainers[outrider]',
      says: /in envFrom:/,
    },
    'a lifecycle hook in our container (K-18)': {
      change: (pod) => (sidecarOf(pod)['lifecycle'] = { preStop: { sleep: { seconds: 600 } } }),
      field: 'spec.initContainers[outrider]',
      says: /in lifecycle:/,
    },
    'more memory for our container, by another unit': {
      change: (pod) => (sidecarOf(pod).resources.limits.memory = '64M'),
      field: 'spec.initContainers[outrider]',
      says: /in resources:/,
    },
    'another volume under our name (K-09)': {
      change: (pod) => {
        const keys = pod.spec.volumes.find(({ name }) => name === 'outrider-keys');
        if (keys) keys['emptyDir'] = {};
      },
      field: 'spec.volumes[outrider-keys]',
      says: /remove the volume/,
    },
    'the tokens mounted in another container (K-01)': {
      change: ({ spec }) => {
        spec.containers[0]?.volumeMounts?.push({
          name: 'outrider-tokens',
          mountPath: '/tokens',
          readOnly: true,
        });
      },
      field: 'spec.containers[agent].volumeMounts[outrider-tokens]',
      says: /must be removed/,
    },
    'a Secret of the sidecar mounted in another container, a part of it even (K-01)': {
      change: ({ spec }) => {
        const { name } = secretVolumeOf(spec);
        spec.containers[0]?.volumeMounts?.push({ name, mountPath: '/own', subPath: 'token', readOnly: true });
      },
      field: `spec.containers[agent].volumeMounts[${secretName}]`,
      says: /volumes are its own/,
    },
    'a Secret of the sidecar as a device of another container (K-01)': {
      change: ({ spec }) => {
        const { name } = secretVolumeOf(spec);
        if (spec.containers[0]) spec.containers[0].volumeDevices = [{ name, devicePath: '/dev/own' }];
      },
      field: `spec.containers[agent].volumeDevices[${secretName}]`,
      says: /volumes are its own/,
    },
    'another Secret behind the name of one of ours (K-09)': {
      change: ({ spec }) => (secretVolumeOf(spec).secret = { secretName: 'other' }),
      field: `spec.volumes[${secretName}]`,
      says: /remove the volume/,
    },
    'a Secret of the sidecar that it could write, or elsewhere in it (K-09)': {
      change: (pod) => {
        const mount = sidecarOf(pod).volumeMounts?.find(({ name }) => name.startsWith('outrider-secret-'));
        if (mount) mount.mountPath = '/etc/ssl';
      },
      field: 'spec.initContainers[outrider]',
      says: /in volumeMounts:/,
    },
    'an AWS identity in our container (K-05)': {
      change: (pod) => sidecarOf(pod).env.push({ name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::1:role/a' }),
      field: 'spec.initContainers[outrider]',
      says: /in env:/,
    },
    'an AWS identity in another container, whatever a first pass wrote (K-05)': {
      change: ({ spec }) => {
        spec.containers[0]?.env?.push({ name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: '/token' });
      },
      field: 'spec.containers[agent].env[AWS_WEB_IDENTITY_TOKEN_FILE]',
      says: /eks.amazonaws.com\/skip-containers: agent/,
    },
    'a part of the trust volume mounted elsewhere (K-24)': {
      change: ({ spec }) => {
        spec.containers[0]?.volumeMounts?.push({ name: 'outrider-trust', mountPath: '/x', readOnly: true });
      },
      field: 'spec.containers[agent].volumeMounts[outrider-trust]',
      says: /must be removed/,
    },
    'a uid that was never drawn (K-10)': {
      change: (pod) => (sidecarOf(pod).securityContext.runAsUser = 0),
      field: 'spec.initContainers[outrider]',
      // Another one is drawn then, which the container that captures does not know.
      also: ['spec.initContainers[outrider-capture]'],
      says: /in args:/,
    },
  };
  for (const [sentence, { change, field, also = [], says }] of Object.entries(cases)) {
    test(sentence, () => {
      const pod = injected();
      change(pod);
      const injection = inject(pod);
      assert.equal(injection.kind, 'refuse');
      const problems = injection.kind === 'refuse' ? injection.problems : [];
      assert.deepEqual(
        problems.map((problem) => problem.field),
        [...also, field],
      );
      assert.match(problems[0]?.message ?? '', says);
    });
  }
});

test('a container that captures is refused without the sidecar that it captures for (K-18)', () => {
  const pod = injected();
  pod.spec.initContainers = pod.spec.initContainers.filter(({ name }) => name !== 'outrider');
  const injection = inject(pod, { drawId: () => 40_000 });
  assert.ok(injection.kind === 'refuse');
  assert.deepEqual(
    injection.problems.map(({ field }) => field),
    ['spec.initContainers[outrider-capture]'],
  );
});

const byName = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

describe('a second pass', () => {
  const operationsFor = (pod: Pod, changes: Partial<InjectionInput> = {}): readonly PatchOperation[] => {
    const injection = inject(pod, changes);
    assert.equal(injection.kind, 'patch', JSON.stringify(injection));
    return injection.kind === 'patch' ? injection.operations : [];
  };

  /** The ids that a second pass draws, written as those of the first. */
  const asFirst = <T extends Pod>(pod: T): T =>
    JSON.parse(JSON.stringify(pod).replaceAll('31003', '31001').replaceAll('31004', '31002')) as T;
  const again = (pod: InjectedPod, changes: Partial<InjectionInput> = {}): InjectedPod =>
    asFirst(applyPatch<InjectedPod>(pod, operationsFor(pod, changes)));

  test('changes nothing but the ids of the sidecar', () => {
    assert.deepEqual(again(injected()), injected());
  });

  const copied: Record<string, (pod: InjectedPod) => void> = {
    'that an author copied from another pod': () => undefined,
    'that another container has': ({ spec }) =>
      spec.containers.push({ name: 'late', image: 'c', securityContext: { runAsUser: 31_001 } }),
    'whose group the pod has': ({ spec }) => (spec.securityContext = { fsGroup: 31_002 }),
  };
  for (const [sentence, change] of Object.entries(copied)) {
    test(`draws other ids than those ${sentence} (K-10, K-18)`, () => {
      const pod = injected();
      change(pod);
      const after = applyPatch<InjectedPod>(pod, operationsFor(pod));
      const { runAsUser, runAsGroup } = sidecarOf(after).securityContext;
      assert.deepEqual([runAsUser, runAsGroup], [31_003, 31_004]);
      assert.deepEqual(captureOf(after).args.slice(0, 2), ['--uid=31003', '--gid=31004']);
    });
  }

  test('writes the current CAs and stores, whatever another replica knew a moment ago (K-18)', () => {
    const pod = injected();
    sidecarOf(pod).env[1]!.value = 'the CAs of a replica that has not heard of the next one';
    tokenSources(pod).pop();
    const after = again(pod);
    assert.deepEqual(after, injected());
  });

  const otherCredentials: Record<string, readonly SecretNeed[]> = {
    'without the volume': [],
    'with one key of it': [{ volume: { secret: 'github' }, keys: ['token'] }],
    'with another Secret': [{ volume: { secret: 'gitlab' }, keys: null }],
    'with volumes of a driver': [...secrets, { volume: { csi: 'vault' }, keys: null }],
  };
  for (const [sentence, then] of Object.entries(otherCredentials)) {
    test(`leaves the pod ${sentence}, where credentials changed since the first (K-01)`, () => {
      const pod = injected();
      const other = again(pod, { secrets: then });
      const { volumes, initContainers } = other.spec;
      const expected = secretVolumes(then);
      assert.deepEqual(
        volumes.filter(({ name }) => /^outrider-(?:secret|csi)-/.test(name)).toSorted(byName),
        expected.map(({ volume }) => volume).toSorted(byName),
      );
      assert.deepEqual(
        initContainers.find(({ name }) => name === 'outrider')?.volumeMounts?.slice(4),
        expected.map(({ mount }) => mount),
      );
      const back = again(other);
      assert.deepEqual({ ...back.spec, volumes: [] }, { ...pod.spec, volumes: [] });
      assert.deepEqual(back.spec.volumes?.toSorted(byName), pod.spec.volumes.toSorted(byName));
    });
  }

  test('writes the plan of now in both containers, where destinations came or went since the first', () => {
    const pod = injected();
    const changes = {
      destinations: [wiki, { ...wiki, destination: 'db', port: 5432, scheme: 'tcp' } as const],
    };
    const after = again(pod, changes);
    const plan = sidecarOf(after).env.find(({ name }) => name === 'OUTRIDER_CAPTURE')?.value;
    assert.match(plan ?? '', /"relays":\[\{[^}]*"port":5432/);
    assert.deepEqual(captureOf(after).args, ['--uid=31001', '--gid=31002', `--plan=${plan}`]);
    assert.match(after.metadata.annotations?.['outrider.dev/status'] ?? '', /"destinations":\["db","wiki"\]/);
    assert.deepEqual(again(after, changes), after);
    assert.deepEqual(again(after), pod);
  });

  test('leaves the container that captures out, where the level of the namespace changed since the first', () => {
    const pod = injected();
    const changes = { namespaceLabels: { 'outrider.dev/capture': 'cooperative' } };
    const after = again(pod, changes);
    assert.deepEqual(
      after.spec.initContainers.map(({ name }) => name),
      ['outrider', 'fetch'],
    );
    assert.ok(!sidecarOf(after).env.some(({ name }) => name === 'OUTRIDER_CAPTURE'));
    assert.deepEqual(again(after, changes), after);
    assert.deepEqual(again(after).spec, pod.spec);
  });

  test('tells the webhook of Amazon EKS to pass over a container that came late (K-05)', () => {
    const pod = injected();
    pod.spec.containers.push({ name: 'mesh', image: 'c' });
    const after = again(pod);
    const skipped = after.metadata.annotations?.['eks.amazonaws.com/skip-containers'];
    assert.equal(skipped, 'outrider-capture,outrider,fetch,agent,mesh');
  });

  test('takes the pod’s own token out of our container again, and of no other (K-01)', () => {
    const pod = injected();
    for (const container of [...pod.spec.initContainers, ...pod.spec.containers]) {
      container.volumeMounts = [...(container.volumeMounts ?? []), token];
    }
    const after = again(pod);
    assert.deepEqual(captureOf(after), captureOf(injected()));
    assert.deepEqual(sidecarOf(after).volumeMounts, sidecarOf(injected()).volumeMounts);
    assert.deepEqual(after.spec.containers[0]?.volumeMounts?.at(-1), token);
  });

  test('leaves what LimitRanger, AlwaysPullImages and in-place resize write', () => {
    const pod = injected();
    const sidecar = sidecarOf(pod);
    sidecar['imagePullPolicy'] = 'Always';
    sidecar.resources.limits.cpu = '500m';
    sidecar.resources.requests.memory = '65536Ki';
    sidecar['resizePolicy'] = [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }];
    assert.deepEqual(again(pod), pod);
  });

  test('puts our containers first again, in their order (K-14)', () => {
    const pod = injected();
    const [capture, sidecar, fetch] = pod.spec.initContainers;
    assert.ok(capture && sidecar && fetch);
    const late = { name: 'late', image: 'c', restartPolicy: 'Always' };
    pod.spec.initContainers = [late, fetch, sidecar, capture];
    const after = again(pod);
    assert.deepEqual(
      after.spec.initContainers.map(({ name }) => name),
      ['outrider-capture', 'outrider', 'late', 'fetch'],
    );
    assert.deepEqual(captureOf(after), capture);
    assert.deepEqual(sidecarOf(after), sidecar);
    assert.ok(after.spec.initContainers[2]?.env?.some(({ name }) => name === 'HTTPS_PROXY'));
  });

  test('gives a container that another webhook added what every agent container has (I11)', () => {
    const pod = injected();
    pod.spec.containers.unshift({ name: 'mesh', image: 'c', env: [{ name: 'NO_PROXY', value: '*' }] });
    const after = again(pod);
    const [mesh, agent] = after.spec.containers;
    assert.deepEqual(
      new Map(mesh?.env?.map((v) => [v.name, v.value])),
      new Map(agent?.env?.map((v) => [v.name, v.value])),
    );
    assert.deepEqual(mesh?.volumeMounts, agent?.volumeMounts);
    assert.deepEqual(again(after), after);
  });

  test('repairs the environment of an agent container that another webhook changed (K-25)', () => {
    const pod = injected();
    const agent = pod.spec.containers[0];
    assert.ok(agent?.env);
    agent.env = agent.env.filter(({ name }) => name !== 'https_proxy');
    const [https, ...others] = again(pod).spec.containers[0]?.env ?? [];
    assert.deepEqual(https, { name: 'https_proxy', value: 'http://127.0.0.1:15001' });
    assert.deepEqual(others, agent.env);
  });
});
