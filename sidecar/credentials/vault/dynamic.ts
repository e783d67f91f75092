// Secrets that an engine of Vault makes on reading: database, AWS, RabbitMQ, Consul and whatever else `vault read` gives.

import type { RulesetDynamic } from '../../../policy/ruleset-credential.ts';
import type { Material } from '../material.ts';
import type { SourceReading } from '../provider.ts';
import { materialOfRecord, type FieldPlaces } from '../source-fields.ts';
import { dynamicFailure, dynamicRecord } from './answer.ts';
import { createVaultLease } from './lease.ts';
import { dynamicPath } from './path.ts';
import type { VaultSession } from './session.ts';

const dynamicFields: FieldPlaces = {
  at: 'spec.source.vault.dynamic',
  missing: 'VAULT_FIELD_MISSING',
  notText: 'VAULT_FIELD_NOT_TEXT',
};

/** @throws SidecarError; then nothing that was made is left behind, as far as Vault can be reached. */
export async function readDynamic(
  session: VaultSession,
  dynamic: RulesetDynamic,
  now: () => number,
): Promise<SourceReading> {
  const atMs = now();
  return session.callHeld(
    {
      path: dynamicPath(dynamic),
      once: true,
      refusal: (refused) => dynamicFailure(refused, dynamic),
    },
    (answer, login) => {
      const lease = createVaultLease({ answer, login, atMs, now });
      try {
        return { material: materialOf(dynamicRecord(answer), dynamic), lease };
      } catch (error) {
        void lease?.revoke();
        throw error;
      }
    },
  );
}

/** Without `field` and `fields`, each text is a part by its own name: engines say what they give. */
function materialOf(record: Readonly<Record<string, unknown>>, dynamic: RulesetDynamic): Material {
  if (dynamic.field !== undefined || dynamic.fields !== undefined) {
    return materialOfRecord(record, dynamic, dynamicFields);
  }
  const texts = Object.keys(record).filter((name) => typeof record[name] === 'string' && record[name] !== '');
  return materialOfRecord(record, { fields: texts }, dynamicFields);
}
