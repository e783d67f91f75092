// What may become of an injected pod after it was admitted: it stays who it was, and nothing enters it that admission would
// have refused. An image's user cannot be seen, so one that is chosen after the sidecar's ids were drawn could have them.

import { annotations, labels } from '../../policy/contract.ts';
import { containerProblems } from './container-shape.ts';
import { captureName } from './capture-container.ts';
import { sidecarName } from './containers.ts';
import { identityOf } from './identity.ts';
import { containersOf, type Container, type Pod } from './pod.ts';
import type { Problem } from './problem.ts';
import { reservedName } from './volumes.ts';

/** Whether an AgentPolicy selects a pod with these labels, by the policies' names. */
export type SelectedBy = (podLabels: Readonly<Record<string, string>>) => ReadonlySet<string>;

export function changeProblems(before: Pod, after: Pod, selectedBy: SelectedBy): readonly Problem[] {
  return [...labelProblems(before, after, selectedBy), ...imageProblems(before, after)];
}

/** Those of Outrider stay too: the status says what a pod was admitted as. */
function labelProblems(before: Pod, after: Pod, selectedBy: SelectedBy): readonly Problem[] {
  const [old = {}, now = {}] = [before.metadata.labels, after.metadata.labels];
  const ours = [
    ...[labels.injected].filter((key) => old[key] !== now[key]).map((key) => `metadata.labels[${key}]`),
    ...[annotations.status]
      .filter((key) => before.metadata.annotations?.[key] !== after.metadata.annotations?.[key])
      .map((key) => `metadata.annotations[${key}]`),
  ].map((field) => ({
    field,
    message: 'must stay as it was when the pod was created: it says what the pod was admitted as',
  }));
  const changed = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (key) => old[key] !== now[key] && key !== labels.injected,
  );
  if (changed.length === 0) return ours;
  const [selectedBefore, selectedAfter] = [selectedBy(old), selectedBy(now)];
  const gained = [...selectedAfter].filter((name) => !selectedBefore.has(name));
  const lost = [...selectedBefore].filter((name) => !selectedAfter.has(name));
  if (gained.length + lost.length === 0) return ours;
  const what = [
    ...(gained.length === 0 ? [] : [`select it by ${gained.join(', ')}`]),
    ...(lost.length === 0 ? [] : [`no longer select it by ${lost.join(', ')}`]),
  ].join(' and ');
  const field =
    changed.length === 1 ? `metadata.labels[${changed[0]}]` : `metadata.labels (${changed.join(', ')})`;
  const message = `must stay as it was when the pod was created, since AgentPolicies would ${what}: change the pod template, and pods that are created from it follow`;
  return [...ours, { field, message }];
}

function imageProblems(before: Pod, after: Pod): readonly Problem[] {
  const images = new Map(containersOf(before).map(({ field, container }) => [field, container['image']]));
  return containersOf(after)
    .filter(({ field, container }) => images.get(field) !== container['image'])
    .flatMap(({ field, container }) => {
      if (reservedName.test(container.name)) {
        return [
          {
            field: `${field}.image`,
            message: 'must stay as it is: delete the pod, and the next one has another',
          },
        ];
      }
      if (!isCaptured(after) || hasUser(container, after)) return [];
      const message =
        'may change only where runAsUser is set: an image’s own user cannot be seen, and could be the sidecar’s; change the pod template, or set securityContext.runAsUser there';
      return [{ field: `${field}.image`, message }];
    });
}

/** Of containers that `kubectl debug` adds. The webhook fills nothing in there, so all must be said. */
export function ephemeralProblems(before: Pod, after: Pod): readonly Problem[] {
  const sidecar = after.spec.initContainers?.find(({ name }) => name === sidecarName);
  const identity = sidecar && identityOf(sidecar);
  // Without ours there is nothing to protect; that an injected pod has it was seen to when it was created.
  if (identity === undefined || identity === null) return [];
  const known = new Set((before.spec.ephemeralContainers ?? []).map(({ name }) => name));
  return (after.spec.ephemeralContainers ?? [])
    .filter(({ name }) => !known.has(name))
    .flatMap((container) => {
      const field = `spec.ephemeralContainers[${container.name}]`;
      return [
        ...containerProblems(field, container, { pod: after, identity }),
        ...unsaid(field, container, after),
        ...(reservedName.test(container.targetContainerName ?? '')
          ? [
              {
                field: `${field}.targetContainerName`,
                message: 'must be another container: that one is the sidecar, whose files are under /proc',
              },
            ]
          : []),
      ];
    });
}

function unsaid(field: string, container: Container, pod: Pod): readonly Problem[] {
  const context = container.securityContext ?? {};
  const seccomp = context.seccompProfile ?? pod.spec.securityContext?.seccompProfile;
  const missing = [
    ...(context.allowPrivilegeEscalation === undefined
      ? [{ field: 'allowPrivilegeEscalation', message: 'must be false' }]
      : []),
    ...(context.capabilities?.drop?.includes('ALL') === true
      ? []
      : [{ field: 'capabilities.drop', message: 'must be [ALL]' }]),
    ...(seccomp === undefined ? [{ field: 'seccompProfile.type', message: 'must be RuntimeDefault' }] : []),
  ];
  return [
    ...missing.map((each) => ({
      field: `${field}.securityContext.${each.field}`,
      message: `${each.message} (kubectl debug: --profile=restricted)`,
    })),
    ...(!isCaptured(pod) || hasUser(container, pod)
      ? []
      : [
          {
            field: `${field}.securityContext.runAsUser`,
            message:
              'must be set: an image’s own user cannot be seen, and could be the sidecar’s (kubectl debug: --custom with securityContext.runAsUser)',
          },
        ]),
  ];
}

function hasUser({ securityContext }: Container, { spec }: Pod): boolean {
  return (securityContext?.runAsUser ?? spec.securityContext?.runAsUser) !== undefined;
}

function isCaptured({ spec }: Pod): boolean {
  return (spec.initContainers ?? []).some(({ name }) => name === captureName);
}
