// Secrets of Vault's KV engine, and the one way to change one: as the version that was read, or not at all.

import type { RulesetKv } from '../../../policy/ruleset-credential.ts';
import { onlyPart, type Material } from '../material.ts';
import type { VersionedSource } from '../provider.ts';
import { Secret } from '../secret.ts';
import { materialOfRecord, type FieldPlaces } from '../source-fields.ts';
import { isUncertain, kvRecord, kvVersion, readFailure, writeFailure } from './answer.ts';
import { kvPath } from './path.ts';
import type { VaultSession } from './session.ts';

const kvFields: FieldPlaces = {
  at: 'spec.source.vault.kv',
  missing: 'VAULT_FIELD_MISSING',
  notText: 'VAULT_FIELD_NOT_TEXT',
};

/** @throws SidecarError */
export async function readKv(session: VaultSession, kv: RulesetKv): Promise<Material> {
  const answer = await session.call({ path: kvPath(kv), refusal: (refused) => readFailure(refused, kv) });
  return materialOfRecord(kvRecord(answer, kv), kv, kvFields);
}

/** @param openSession for the store as it is now. */
export function createVersionedKv(openSession: () => Promise<VaultSession>, kv: RulesetKv): VersionedSource {
  async function current(): Promise<{ record: Readonly<Record<string, unknown>>; version: number }> {
    const session = await openSession();
    const answer = await session.call({ path: kvPath(kv), refusal: (refused) => readFailure(refused, kv) });
    return { record: kvRecord(answer, kv), version: kvVersion(answer) };
  }

  /** @throws SidecarError */
  async function write(version: number, data: object): Promise<number> {
    const session = await openSession();
    const answer = await session.call({
      path: kvPath(kv),
      body: { options: { cas: version }, data },
      once: true,
      refusal: (refused) => writeFailure(refused, kv),
    });
    return kvVersion({ data: { metadata: (answer as { data?: unknown }).data } });
  }

  return {
    nameOf: (part) => (part === onlyPart ? (kv.field ?? part) : part),

    async read() {
      const { record, version } = await current();
      const texts = Object.entries(record).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
      );
      return { material: new Map(texts.map(([name, text]) => [name, new Secret(text)])), version };
    },

    async swap(version, fields) {
      const before = await current();
      if (before.version !== version) return null;
      const removed = new Set(Object.keys(fields).filter((name) => fields[name] === null));
      const kept = Object.entries({ ...before.record, ...fields }).filter(([name]) => !removed.has(name));
      try {
        return await write(version, Object.fromEntries(kept));
      } catch (error) {
        // Whether it was written is not known, or somebody was first: the secret itself can tell. It is not written
        // twice, since the first writing may still arrive.
        if (!isUncertain(error)) throw error;
        const after = await current().catch(() => {
          throw error;
        });
        if (after.version === version) throw error;
        return after.version === version + 1 && isWritten(after.record, fields) ? after.version : null;
      }
    },
  };
}

function isWritten(record: Readonly<Record<string, unknown>>, fields: object): boolean {
  return Object.entries(fields).every(([name, value]) =>
    value === null ? !Object.hasOwn(record, name) : Object.hasOwn(record, name) && record[name] === value,
  );
}
