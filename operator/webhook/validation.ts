// Verdicts on what becomes of a pod after all mutating webhooks: its creation, changes of an injected one, and connections to
// one. What CEL can say, the chart's admission policies say too, and go on saying while the operator is down.

import { finalProblems } from '../injector/final-shape.ts';
import { heldSecretProblems } from '../injector/held-secrets.ts';
import type { InjectionInput } from '../injector/injection.ts';
import { changeProblems, ephemeralProblems, type SelectedBy } from '../injector/pod-changes.ts';
import type { Pod } from '../injector/pod.ts';
import type { Problem } from '../injector/problem.ts';
import type { SecretNeed } from '../injector/secret-volumes.ts';
import { allow, deny, type Verdict } from './review.ts';

export function verdictOnCreation(input: InjectionInput): Verdict {
  const problems = finalProblems(input);
  return problems.length === 0
    ? allow('whole')
    : deny('refused: not what was injected', `outrider refuses this pod: ${sentence(problems)}`);
}

export function verdictOnChange(before: Pod, after: Pod, selectedBy: SelectedBy): Verdict {
  const problems = changeProblems(before, after, selectedBy);
  return problems.length === 0
    ? allow('who the pod is stays')
    : deny('refused: pod change', `outrider refuses this change of an agent’s pod: ${sentence(problems)}`);
}

export function verdictOnEphemeral(before: Pod, after: Pod, secrets: readonly SecretNeed[]): Verdict {
  const problems = [...ephemeralProblems(before, after), ...ephemeralSecrets(after, secrets)];
  return problems.length === 0
    ? allow('ephemeral containers are as agents’')
    : deny(
        'refused: ephemeral container',
        `outrider refuses this ephemeral container: ${sentence(problems)}`,
      );
}

function ephemeralSecrets({ metadata, spec }: Pod, secrets: readonly SecretNeed[]): readonly Problem[] {
  const containers = spec.ephemeralContainers ?? [];
  const envOf = (wanted: string) => containers.find(({ name }) => name === wanted)?.env ?? [];
  return heldSecretProblems({ metadata, spec: { containers } }, secrets, envOf).map((problem) => ({
    ...problem,
    field: problem.field.replace(/^spec\.containers/, 'spec.ephemeralContainers'),
  }));
}

/**
 * The ports travel inside the connection, where no webhook sees them (SPDY, and WebSockets that carry it), and the sidecar's
 * lie on the same loopback as the agent's.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
 */
export function verdictOnForward(namespace: string, pod: string, isInjected: boolean): Verdict {
  return isInjected
    ? deny(
        'refused: port-forward',
        `outrider refuses to forward ports of the agent’s pod ${namespace}/${pod}: the sidecar’s are among them, and a request does not show which is meant; reach the agent’s own port by a Service, or from another pod`,
      )
    : allow('no agent’s pod');
}

export function sentence(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => `${field} ${message}`).join('; ');
}
