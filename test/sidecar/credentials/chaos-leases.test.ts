// A database user that Vault makes for one pod, and an agent that goes on asking while its lease, its login and Vault come
// to all the ends that they can come to; and that nothing of it is left when the agent is halted.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDurableVault, type DurableVault } from '../../cluster/vault-durable.ts';
import { enableDatabase, startPostgres, type Postgres } from '../../cluster/vault-postgres.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { withSteadyAgent, type SteadyAgent } from './steady-agent.ts';
import { mostPerSecond, startVaultFront, type VaultFront } from './vault-front.ts';
import { createTenant, type VaultTenant } from './vault-tenant.ts';

const halted = '403 halted';

let vault: DurableVault;
let postgres: Postgres;
let tenant: VaultTenant;
let ca: TestCa;
let origin: Origin;
let front: VaultFront;
/** Users that came to the upstream and exist. */
const admitted = new Set<string>();

before(async () => {
  [vault, postgres, ca] = await Promise.all([startDurableVault(), startPostgres(), createTestCa()]);
  tenant = await createTenant(vault);
  await enableDatabase(vault, postgres);
  for (const [role, ttl, maxTtl] of [
    ['short', '3s', '6s'],
    ['long', '1h', '24h'],
  ] as const) {
    await vault.request('POST', `database/roles/${role}`, {
      db_name: 'postgres',
      creation_statements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}';`],
      default_ttl: ttl,
      max_ttl: maxTtl,
    });
    await tenant.allow(role, `path "database/creds/${role}" { capabilities = ["read"] }`);
  }
  const exists = createUsers(postgres);
  origin = await startOrigin(ca, {
    answer: (message, response) => {
      const { authorization = '' } = message.headers;
      const [user = ''] = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':');
      const answer = async (): Promise<void> => {
        const isKnown = await exists(user);
        if (isKnown) admitted.add(user);
        response.writeHead(isKnown ? 200 : 401).end();
      };
      answer().catch(() => response.destroy());
    },
  });
});
after(async () => {
  await origin?.close();
  await vault?.stop();
  await postgres?.stop();
  tenant?.remove();
  ca?.close();
});
beforeEach(async () => {
  admitted.clear();
  front = await startVaultFront(ca, tenant.store);
});
afterEach(() => front?.stop());

type Role = 'short' | 'long';

async function chaos(
  t: TestContext,
  role: Role,
  work: (agent: SteadyAgent, skip: (ms: number) => void) => Promise<void>,
): Promise<void> {
  let skippedMs = 0;
  const options = {
    ca,
    origin,
    stores: { corp: front.store },
    credential: {
      source: {
        kind: 'vault' as const,
        store: 'corp',
        role,
        dynamic: { path: `database/creds/${role}`, fields: ['username', 'password'] },
      },
      inject: { kind: 'basic' as const },
      refreshIntervalMs: 300_000,
    },
    providers: {
      vault: tenant.provider({ timeoutMs: 2000, now: () => performance.now() + skippedMs }),
    },
  };
  await withSteadyAgent(options, async (agent) => {
    await work(agent, (ms) => (skippedMs += ms));
    const issued = issuesOf(role).length;
    t.diagnostic(`${agent.figures()}; ${admitted.size} users, ${issued} readings`);
  });
}

const issuesOf = (role: Role) => front.calls.filter(({ path }) => path === `database/creds/${role}`);

/** What Vault still holds of this pod: logins, and leases of its users. */
async function left(): Promise<{ readonly logins: readonly string[]; readonly leases: readonly string[] }> {
  const list = async (path: string): Promise<readonly string[]> =>
    vault.request('GET', `${path}?list=true`).then(
      ({ data }) => data?.['keys'] as string[],
      () => [],
    );
  const logins: string[] = [];
  for (const accessor of await list('auth/token/accessors')) {
    const { data } = await vault
      .request('POST', 'auth/token/lookup-accessor', { accessor })
      .catch(() => ({ data: null }));
    if (String(data?.['path']).startsWith('auth/jwt')) logins.push(accessor);
  }
  const roles = await Promise.all(
    ['short', 'long'].map((role) => list(`sys/leases/lookup/database/creds/${role}`)),
  );
  return { logins, leases: roles.flat() };
}

async function assertNothingLeft(withinMs: number): Promise<void> {
  await waitFor({ what: 'the end of all logins and leases', timeoutMs: withinMs, everyMs: 50 }, async () => {
    const { logins, leases } = await left();
    return logins.length + leases.length === 0;
  });
}

async function revokeLeases(role: Role): Promise<void> {
  await vault.request('PUT', `sys/leases/revoke-prefix/database/creds/${role}`);
}

describe('P-21: an agent with a user of its own', () => {
  test('whose lease comes to its maximum, again and again: another takes its place, and no request fails', (t) =>
    chaos(t, 'short', async (agent) => {
      await sleep(16_000);
      agent.assertGood();
      assert.ok(admitted.size >= 3, `${admitted.size} users`);
      assert.ok(mostPerSecond(issuesOf('short')) <= 1);
    }));

  test('whose lease an operator revokes: another is made at once, and no request fails', (t) =>
    chaos(t, 'long', async (agent) => {
      for (let round = 0; round < 2; round += 1) {
        await sleep(5200);
        await revokeLeases('long');
        await agent.until('good');
      }
      agent.assertGood();
      assert.equal(issuesOf('long').length, 3);
    }));

  test('whose login an operator revokes, and its lease with it: so, too', (t) =>
    chaos(t, 'long', async (agent, skip) => {
      // Denials log in again only where the login is older than ten seconds.
      skip(10_001);
      for (const accessor of (await left()).logins)
        await vault.request('POST', 'auth/token/revoke-accessor', { accessor });
      await waitFor({ what: 'another user', timeoutMs: 10_000 }, async () => admitted.size > 1);
      await agent.until('good');
      agent.assertGood();
      assert.equal(front.calls.filter(({ path }) => path === 'auth/jwt/login').length, 2);
    }));

  test('while Vault is sealed: until the lease ends, then refused, then with another user', (t) =>
    chaos(t, 'short', async (agent) => {
      await front.answered('database/creds/short');
      const sealedAtMs = performance.now();
      try {
        await vault.request('PUT', 'sys/seal');
        await agent.until('VAULT_SEALED');
        await sleep(2000);
      } finally {
        await vault.unseal();
      }
      await agent.until('good');
      const recoveredAtMs = performance.now();
      await sleep(4000);
      agent.assertGood(sealedAtMs, sealedAtMs + 2000);
      agent.assertGood(recoveredAtMs);
      agent.assertSound(['VAULT_SEALED', 'VAULT_UNAVAILABLE']);
    }));
});

describe('P-11: an agent with a user of its own', () => {
  test('that is halted: the user, its lease and the login are gone at once; and it goes on when the halt ends', (t) =>
    chaos(t, 'long', async (agent) => {
      const [before_] = admitted;
      const haltedAtMs = performance.now();
      agent.fixture.swap({ halt: { policy: 'stop' } });
      const swappedAtMs = performance.now();
      await assertNothingLeft(2000);
      t.diagnostic(`nothing was left after ${Math.round(performance.now() - haltedAtMs)} ms`);
      await agent.until(halted);
      const late = agent.outcomes.filter(({ atMs, verdict }) => atMs > swappedAtMs && verdict !== halted);
      assert.deepEqual(late, []);
      agent.fixture.swap({});
      await agent.until('good');
      assert.ok(admitted.size > 1 && before_ !== undefined);
    }));

  test('that ends: nothing of it is left', async (t) => {
    await chaos(t, 'long', async () => {
      assert.equal((await left()).leases.length, 1);
    });
    await assertNothingLeft(2000);
  });

  for (const path of ['auth/jwt/login', 'database/creds/long']) {
    test(`that is halted while ${path} is under way: nothing of it is left`, async (t) => {
      await chaos(t, 'long', async (agent) => {
        agent.fixture.swap({ halt: { policy: 'stop' } });
        await assertNothingLeft(2000);
        front.delayMs = 300;
        const from = front.calls.length;
        agent.fixture.swap({});
        await waitFor({ what: path, timeoutMs: 5000, everyMs: 5 }, async () =>
          front.calls.slice(from).some((call) => call.path === path),
        );
        agent.fixture.swap({ halt: { policy: 'stop' } });
        await agent.until(halted);
        await sleep(1500);
        await assertNothingLeft(1000);
      });
    });
  }

  test('that is halted at any moment, while Vault is slow: nothing of it is left', async (t) => {
    await chaos(t, 'long', async (agent) => {
      for (let round = 0; round < 12; round += 1) {
        front.delayMs = 30 + 200 * Math.random();
        agent.fixture.swap({});
        await sleep(1500 * Math.random());
        // Its 401 has another user made, which waits until the last reading is a second old.
        if (round % 2 === 0) void revokeLeases('long');
        await sleep(100 * Math.random());
        agent.fixture.swap({ halt: { policy: 'stop' } });
        if (round % 3 === 0) await sleep(500 * Math.random());
      }
      await agent.until(halted);
      await sleep(1500);
      await assertNothingLeft(3000);
    });
  });
});

/** Who may log in by now: looked up again every so often, and at once for whoever is new. */
function createUsers(database: Postgres): (name: string) => Promise<boolean> {
  const keptMs = 300;
  let users = new Set<string>();
  let lookedAtMs = -Infinity;
  let looking: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    const atMs = performance.now();
    const rows = await database.sql('SELECT rolname FROM pg_roles WHERE rolcanlogin');
    users = new Set(rows.split('\n'));
    lookedAtMs = atMs;
    looking = null;
  };
  return async (name) => {
    const askedAtMs = performance.now();
    while (lookedAtMs < askedAtMs - (users.has(name) ? keptMs : 0)) await (looking ??= look());
    return users.has(name);
  };
}
