import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BoundAgent } from '../../../operator/controllers/bound-agents.ts';
import {
  createCredentialAccount,
  type CredentialAccount,
} from '../../../operator/controllers/credential-account.ts';
import type { CredentialState } from '../../../operator/control/reports.ts';
import type { NewEvent } from '../../../operator/kube/events.ts';
import type { RawResource } from '../../../operator/kube/informers.ts';
import { createMetrics, type Metrics } from '../../../operator/metrics.ts';
import { credential } from '../resources.ts';

interface Leader {
  readonly account: CredentialAccount;
  readonly events: NewEvent[];
  readonly metrics: Metrics;
  /** `reason: note` of what was told since it was last asked. */
  readonly told: () => string[];
}

const complete = { volume: null, placeholder: false };

function object(status?: Record<string, unknown>): RawResource {
  const raw = credential({ namespace: 'team', name: 'github' }) as RawResource;
  const metadata = { ...raw.metadata, uid: 'c1' };
  return { ...raw, metadata, ...(status === undefined ? {} : { status }) };
}

function agents(...states: readonly (CredentialState | null)[]): readonly BoundAgent[] {
  return states.map((state, index) => ({ uid: `pod-${index}`, state, shortfall: complete }));
}

const resolved = (rotatedAt?: string): CredentialState => ({
  state: 'Resolved',
  ...(rotatedAt === undefined ? {} : { rotatedAt }),
});
const failing = (code: string): CredentialState => ({ state: 'Failing', code });
const pending: CredentialState = { state: 'Pending' };

async function leader(options: { readonly settleMs?: number } = {}): Promise<Leader> {
  const events: NewEvent[] = [];
  const metrics = createMetrics();
  const record = (event: NewEvent): void => void events.push(event);
  const account = createCredentialAccount({ events: { record }, metrics, settleMs: options.settleMs ?? 1 });
  await new Promise<void>((resolve) => {
    account.begin(new AbortController().signal, resolve);
    if (options.settleMs !== undefined) resolve();
  });
  const told = (): string[] => events.splice(0).map(({ reason, note }) => `${reason}: ${note}`);
  return { account, events, metrics, told };
}

async function samples(metrics: Metrics): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split('\n').filter((line) => line.startsWith('outrider_credential_'));
}

describe('what the leader tells of a credential', () => {
  it('nothing, while it has just begun to lead and heard from few', async () => {
    const { account, told, metrics } = await leader({ settleMs: 60_000 });
    account.take(object(), agents(failing('VAULT_SEALED')), null);
    account.take(object(), agents(resolved('2026-01-01T00:00:00Z')), '2026-01-01T00:00:00Z');
    assert.deepEqual(told(), []);
    const lines = await samples(metrics);
    assert.ok(lines.includes('outrider_credential_rotations_total 0'));
    assert.ok(!lines.some((line) => line.startsWith('outrider_credential_failures_total{')));
  });

  it('nothing anew of what the status said when it began to lead', async () => {
    const { account, told } = await leader();
    const known = object({
      agents: { bound: 2, resolved: 1, failing: 1 },
      lastRotationTime: '2026-01-01T00:00:00Z',
      conditions: [{ type: 'Degraded', status: 'True', reason: 'StoreSealed', message: '' }],
    });
    account.take(known, agents(resolved(), failing('VAULT_SEALED')), '2026-01-01T00:00:00Z');
    assert.deepEqual(told(), []);
    account.take(known, agents(resolved(), resolved()), '2026-01-01T00:00:00Z');
    assert.deepEqual(told(), ['SecretResolved: 2 of 2 agents hold the secret']);
  });

  it('a status of another schema is read as far as it can be', async () => {
    const { account, told } = await leader();
    account.take(object({ agents: 7, conditions: [null], lastRotationTime: 7 }), agents(resolved()), null);
    assert.deepEqual(told(), ['SecretResolved: 1 of 1 agents hold the secret']);
  });

  it('that agents fail, with the cause and its sentence, once for each cause', async () => {
    const { account, told, events } = await leader();
    account.take(object(), agents(failing('VAULT_SEALED'), resolved()), null);
    assert.deepEqual(
      events.map(({ type, about, regarding }) => [type, about, regarding.uid]),
      [['Warning', 'StoreSealed', 'c1']],
    );
    assert.match(told()[0] ?? '', /^SecretFailing: StoreSealed: .*unseal it.* \(1 of 2 agents\)$/);
    account.take(object(), agents(failing('VAULT_SEALED'), failing('VAULT_SEALED')), null);
    account.take(object(), agents(failing('VAULT_SEALED'), pending), null);
    assert.deepEqual(told(), []);
    account.take(object(), agents(failing('VAULT_PERMISSION_DENIED'), pending), null);
    assert.match(told()[0] ?? '', /^SecretFailing: PermissionDenied: /);
  });

  it('that all hold the secret: at first, and after some failed, and not at every new agent', async () => {
    const { account, told } = await leader();
    account.take(object(), agents(pending, resolved()), null);
    assert.deepEqual(told(), []);
    account.take(object(), agents(resolved(), resolved()), null);
    assert.deepEqual(told(), ['SecretResolved: 2 of 2 agents hold the secret']);
    account.take(object(), agents(resolved(), resolved(), null), null);
    account.take(object(), agents(resolved(), resolved(), resolved()), null);
    account.take(object(), [], null);
    account.take(object(), agents(resolved()), null);
    assert.deepEqual(told(), []);
    account.take(object(), agents(failing('AWS_THROTTLED')), null);
    account.take(object(), agents(pending), null);
    account.take(object(), agents(resolved()), null);
    assert.deepEqual(
      told().map((text) => text.split(':')[0]),
      ['SecretFailing', 'SecretResolved'],
    );
  });

  it('that the secret was rotated, when the last time moves', async () => {
    const { account, told } = await leader();
    const [first, second] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
    account.take(object(), agents(resolved()), null);
    told();
    account.take(object(), agents(resolved(first)), first);
    account.take(object(), agents(resolved(first)), first);
    assert.deepEqual(told(), [
      'SecretRotated: agents use a new value of the secret; 1 of 1 agents hold the secret',
    ]);
    account.take(object(), agents(resolved(second)), second);
    assert.equal(told().length, 1);
  });

  it('counts agents, rotations and failures, with labels that are bounded', async () => {
    const { account, metrics } = await leader();
    account.take(object(), agents(resolved(), resolved(), null), null);
    account.take(object(), agents(resolved('2026-01-01T00:00:00Z'), failing('VAULT_SEALED'), pending), null);
    account.take(object(), agents(resolved('2026-01-01T00:00:00Z'), failing('VAULT_SEALED'), pending), null);
    account.take(object(), agents(resolved('2026-01-01T00:00:00Z'), failing('FROM_A_NEWER_ONE'), null), null);
    assert.deepEqual(await samples(metrics), [
      'outrider_credential_agents{state="bound"} 3',
      'outrider_credential_agents{state="resolved"} 1',
      'outrider_credential_agents{state="failing"} 1',
      'outrider_credential_rotations_total 1',
      'outrider_credential_failures_total{reason="StoreSealed"} 1',
      'outrider_credential_failures_total{reason="SourceFailing"} 1',
    ]);
    account.forget('team/github');
    const [bound] = await samples(metrics);
    assert.equal(bound, 'outrider_credential_agents{state="bound"} 0');
  });
});
