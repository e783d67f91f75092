// Dynamic secrets of a real Vault, whose database engine makes users in a real PostgreSQL.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RulesetDynamic, VaultSource } from '../../../policy/ruleset-credential.ts';
import type { Lease, SourceReading } from '../../../sidecar/credentials/provider.ts';
import type { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { enableDatabase, startPostgres, type Postgres } from '../../cluster/vault-postgres.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

type VaultProvider = ReturnType<typeof createVaultProvider>;

let postgres: Postgres;
let vault: Vault & { stop(): Promise<void> };
let tenant: VaultTenant;

const reads = `
path "database/creds/*" { capabilities = ["read"] }
path "database/static-creds/*" { capabilities = ["read"] }
path "ssh/creds/*" { capabilities = ["read"] }
path "secret/data/*" { capabilities = ["read"] }`;
const revokes = 'path "sys/leases/revoke" { capabilities = ["update"] }';

before(async () => {
  [postgres, vault] = await Promise.all([startPostgres(), startVault()]);
  tenant = await createTenant(vault);
  await enableDatabase(vault, postgres);
  await vault.request('POST', 'sys/mounts/ssh', { type: 'ssh' });
  await vault.request('POST', 'secret/data/other', { data: { token: 'canary-kv' } });
  await databaseRole('reader', '1h', '24h');
  await databaseRole('short', '4s', '1h');
  await databaseRole('ending', '3s', '4s');
  await tenant.allow('agents', `${reads}\n${revokes}`);
  await tenant.allow('readers', reads);
  await tenant.allow('brief', `${reads}\n${revokes}`, { token_ttl: '3s', token_max_ttl: '1h' });
  await tenant.allow('ending', `${reads}\n${revokes}`, { token_ttl: '4s', token_max_ttl: '5s' });
  await tenant.allow('batch', `${reads}\n${revokes}`, { token_ttl: '3s', token_type: 'batch' });
});
after(async () => {
  await vault?.stop();
  await postgres?.stop();
  tenant?.remove();
});

async function databaseRole(name: string, defaultTtl: string, maxTtl: string): Promise<void> {
  await vault.request('POST', `database/roles/${name}`, {
    db_name: 'postgres',
    creation_statements: [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`,
    ],
    default_ttl: defaultTtl,
    max_ttl: maxTtl,
  });
}

function sourceOf(dynamic: RulesetDynamic, role = 'agents'): VaultSource {
  return { kind: 'vault', store: 'corp', role, dynamic };
}

const fields = ['username', 'password'];

async function read(
  provider: VaultProvider,
  path: string,
  role = 'agents',
): Promise<{ readonly accepted: () => Promise<boolean>; readonly user: string; readonly lease: Lease }> {
  const { material, lease } = await provider.read(sourceOf({ path, fields }, role), { corp: tenant.store });
  const [user = '', password = ''] = fields.map((name) => material.get(name)?.open());
  assert.ok(lease !== null);
  return { accepted: () => postgres.accepts(user, password), user, lease };
}

async function withProvider<Result>(
  work: (provider: VaultProvider) => Promise<Result>,
  options: Parameters<VaultTenant['provider']>[0] = {},
): Promise<Result> {
  const provider = tenant.provider(options);
  try {
    return await work(provider);
  } finally {
    await provider.forget();
  }
}

function users(): Promise<string> {
  return postgres.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%'");
}

/** Vault revokes in the background. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let left = 50; !(await holds()); left -= 1) {
    if (left === 0) assert.fail(`not within 5 s: ${what}`);
    await sleep(100);
  }
}

describe('refused', () => {
  const at = 'spec.source.vault.dynamic.path';
  const cases: Record<string, [dynamic: RulesetDynamic, code: string, field: string]> = {
    'a role that the engine does not have': [{ path: 'database/creds/nobody' }, 'VAULT_DYNAMIC_REFUSED', at],
    'a path that can only be written': [{ path: 'ssh/creds/otp' }, 'VAULT_DYNAMIC_REFUSED', at],
    'a path without a policy': [{ path: 'aws/creds/deploy' }, 'VAULT_PERMISSION_DENIED', at],
    'the session’s own token': [{ path: 'auth/token/lookup-self', field: 'id' }, 'VAULT_PATH_INVALID', at],
    'Vault’s own API': [{ path: 'sys/leases/lookup' }, 'VAULT_PATH_INVALID', at],
    'a path that climbs': [{ path: 'database/../sys/mounts' }, 'VAULT_PATH_INVALID', at],
    'a field that the engine does not give': [
      { path: 'database/creds/reader', fields: ['username', 'pin'] },
      'VAULT_FIELD_MISSING',
      'spec.source.vault.dynamic.fields[1]',
    ],
  };
  for (const [what, [dynamic, code, field]] of Object.entries(cases)) {
    test(`${what}, and nothing is left behind`, async () => {
      await withProvider(async (provider) => {
        await assert.rejects(provider.read(sourceOf(dynamic), { corp: tenant.store }), { code, field });
        await until('no user is left', async () => (await users()) === '0');
      });
    });
  }
});

describe('a secret that Vault makes', () => {
  const shapes: Record<string, [wanted: Omit<RulesetDynamic, 'path'>, parts: readonly string[]]> = {
    'is the parts that are named': [{ fields: ['password'] }, ['password']],
    'is one value where one is named': [{ field: 'password' }, ['value']],
    'is each of its texts where none is named': [{}, ['password', 'username']],
  };
  for (const [what, [wanted, parts]] of Object.entries(shapes)) {
    test(what, async () => {
      await withProvider(async (provider) => {
        const reading = await provider.read(sourceOf({ path: 'database/creds/reader', ...wanted }), {
          corp: tenant.store,
        });
        assert.deepEqual([...reading.material.keys()].toSorted(), parts);
        assertLasts(reading, 3_600_000);
      });
    });
  }

  test('is accepted by the database, and another one for each reading', async () => {
    await withProvider(async (provider) => {
      const [a, b] = [
        await read(provider, 'database/creds/reader'),
        await read(provider, 'database/creds/reader'),
      ];
      assert.notEqual(a.user, b.user);
      assert.deepEqual([await a.accepted(), await b.accepted()], [true, true]);
    });
  });

  test('has no lease where it belongs to a static role', async () => {
    await postgres.sql(`CREATE ROLE "static" WITH LOGIN PASSWORD 'x'`);
    await vault.request('POST', 'database/static-roles/static', {
      db_name: 'postgres',
      username: 'static',
      rotation_period: '24h',
    });
    await withProvider(async (provider) => {
      const dynamic = { path: 'database/static-creds/static', field: 'password' };
      const { lease, material } = await provider.read(sourceOf(dynamic), { corp: tenant.store });
      assert.equal(lease, null);
      assert.ok(await postgres.accepts('static', material.get('value')?.open() ?? ''));
    });
  });

  function assertLasts({ lease }: SourceReading, ms: number): void {
    const lastsMs = lease?.durationMs ?? 0;
    assert.ok(lastsMs <= ms && lastsMs > ms - 5000, String(lastsMs));
  }
});

describe('P-21: its lease', () => {
  test('is renewed, and outlives its first duration', async () => {
    await withProvider(async (provider) => {
      const { lease, accepted } = await read(provider, 'database/creds/short');
      assert.ok(lease.durationMs > 3000 && lease.durationMs <= 4000, String(lease.durationMs));
      for (let left = 2; left > 0; left -= 1) {
        await sleep(2700);
        const lastsMs = await lease.renew();
        assert.ok(lastsMs !== null && lastsMs > 3600 && lastsMs <= 4000, String(lastsMs));
      }
      assert.ok(await accepted());
    });
  });

  test('is not renewed beyond its maximum TTL; the next secret is there before it ends', async () => {
    await withProvider(async (provider) => {
      const old = await read(provider, 'database/creds/ending');
      await sleep(2500);
      assert.equal(await old.lease.renew(), null);
      const next = await read(provider, 'database/creds/ending');
      assert.deepEqual([await old.accepted(), await next.accepted()], [true, true]);
      await old.lease.revoke();
      await until('the old user is gone', async () => !(await old.accepted()));
      assert.ok(await next.accepted());
    });
  });

  test('lasts no longer than the token that made it, which is renewed with it', async () => {
    await withProvider(async (provider) => {
      const kept = await read(provider, 'database/creds/reader', 'brief');
      assert.ok(kept.lease.durationMs <= 3000, String(kept.lease.durationMs));
      await withProvider(async (other) => {
        const left = await read(other, 'database/creds/reader', 'brief');
        for (let renewals = 3; renewals > 0; renewals -= 1) {
          await sleep(1900);
          const lastsMs = await kept.lease.renew();
          assert.ok(lastsMs !== null && lastsMs > 2600 && lastsMs <= 3000, String(lastsMs));
        }
        assert.ok(await kept.accepted());
        // What Vault does to a lease whose token was left alone, so that the above says something.
        await until('the user whose token ended is gone', async () => !(await left.accepted()));
        assert.equal(await left.lease.renew(), null);
      });
    });
  });

  test('ends with its login’s maximum TTL; a new login makes the next one, and the old one stays till it is let go', async () => {
    const before_ = tenant.audited().length;
    await withProvider(async (provider) => {
      const old = await read(provider, 'database/creds/reader', 'ending');
      await sleep(2700);
      assert.equal(await old.lease.renew(), null, 'the token can get 2.3 s more, where it had 4 s');
      const next = await read(provider, 'database/creds/reader', 'ending');
      assert.ok(next.lease.durationMs > 3000, String(next.lease.durationMs));
      assert.deepEqual([await old.accepted(), await next.accepted()], [true, true]);
      const revocations = (): number =>
        tenant
          .audited()
          .slice(before_)
          .filter(({ path }) => path === 'auth/token/revoke-self').length;
      assert.equal(revocations(), 0);
      await old.lease.revoke();
      await until('the old token is revoked', async () => revocations() === 1);
      assert.deepEqual([await old.accepted(), await next.accepted()], [false, true]);
    });
    const logins = tenant
      .audited()
      .slice(before_)
      .filter(({ path }) => path === 'auth/jwt/login');
    assert.equal(logins.length, 2);
  });

  test('keeps its login when a KV secret is read meanwhile, by one login', async () => {
    const before_ = tenant.audited().length;
    let skewMs = 0;
    await withProvider(
      async (provider) => {
        const { accepted } = await read(provider, 'database/creds/reader');
        skewMs = 0.7 * 3_600_000;
        const kv = { mount: 'secret', path: 'other', version: 2, field: 'token' } as const;
        const other: VaultSource = { kind: 'vault', store: 'corp', role: 'agents', kv };
        await provider.read(other, { corp: tenant.store });
        assert.ok(await accepted());
      },
      { now: () => performance.now() + skewMs },
    );
    const paths = tenant
      .audited()
      .slice(before_)
      .map(({ path }) => path);
    assert.equal(paths.filter((path) => path === 'auth/jwt/login').length, 1);
    assert.equal(paths.filter((path) => path === 'auth/token/renew-self').length, 1);
  });

  test('under a batch token, which cannot be renewed, lasts as long as that and is made again', async () => {
    await withProvider(async (provider) => {
      const { lease } = await read(provider, 'database/creds/reader', 'batch');
      assert.ok(lease.durationMs <= 3000, String(lease.durationMs));
      await sleep(1900);
      assert.equal(await lease.renew(), null);
      const next = await read(provider, 'database/creds/reader', 'batch');
      assert.ok(await next.accepted());
      await next.lease.revoke();
      await until('the user is gone', async () => !(await next.accepted()));
    });
  });

  test('that an operator revoked is not renewed, and the next reading is another secret', async () => {
    await withProvider(async (provider) => {
      const { lease, accepted } = await read(provider, 'database/creds/reader');
      await vault.request('PUT', 'sys/leases/revoke-prefix/database/creds/reader');
      await until('the user is gone', async () => !(await accepted()));
      assert.equal(await lease.renew(), null);
      assert.ok(await (await read(provider, 'database/creds/reader')).accepted());
    });
  });

  test('whose token an operator revoked is not renewed, and the next reading logs in again at once', async () => {
    await withProvider(async (provider) => {
      const { lease } = await read(provider, 'database/creds/reader');
      await vault.request('PUT', 'sys/leases/revoke-prefix/auth/jwt/login');
      assert.equal(await lease.renew(), null);
      assert.ok(await (await read(provider, 'database/creds/reader')).accepted());
    });
  });

  test('is revoked when the pod ends, even without a policy to revoke leases', async () => {
    const reading = await withProvider(async (provider) => {
      const made = await read(provider, 'database/creds/reader', 'readers');
      assert.ok(await made.accepted());
      return made;
    });
    await until('the user is gone', async () => !(await reading.accepted()));
    assert.equal(await reading.lease.renew(), null);
    await reading.lease.revoke();
  });

  test('stays, without a policy to revoke leases, until its end or its token’s', async () => {
    await withProvider(async (provider) => {
      const { lease, accepted } = await read(provider, 'database/creds/reader', 'readers');
      await lease.revoke();
      assert.ok(await accepted());
      assert.equal(await lease.renew(), null);
    });
  });
});

describe('P-21: in the end', () => {
  test('an engine whose database is down says so, once for each reading', async () => {
    await postgres.stop();
    const before_ = tenant.audited().length;
    await withProvider(async (provider) => {
      await assert.rejects(
        provider.read(sourceOf({ path: 'database/creds/reader' }), { corp: tenant.store }),
        {
          code: 'VAULT_ENGINE_FAILED',
          field: 'spec.source.vault.dynamic.path',
        },
      );
    });
    const asked = tenant
      .audited()
      .slice(before_)
      .filter(({ path }) => path === 'database/creds/reader');
    assert.equal(asked.length, 1);
  });

  test('a sealed Vault renews nothing, says so, and takes nothing away', async () => {
    await withProvider(async (provider) => {
      const static_ = { path: 'secret/data/other' };
      await assert.rejects(provider.read(sourceOf({ ...static_, field: 'data' }), { corp: tenant.store }), {
        code: 'VAULT_FIELD_NOT_TEXT',
      });
      await vault.request('PUT', 'sys/seal');
      await assert.rejects(provider.read(sourceOf(static_), { corp: tenant.store }), {
        code: 'VAULT_SEALED',
      });
    });
  });
});
