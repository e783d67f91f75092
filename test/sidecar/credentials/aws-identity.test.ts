import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT, type JWTPayload } from 'jose';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import {
  assertFails,
  audience,
  canary,
  source,
  startAwsScene,
  user,
  valueOf,
  type AwsScene,
} from './aws-scene.ts';

const role = (name: string): string => `arn:aws:iam::123456789012:role/${name}`;
const agents = role('outrider-agents');
const reader = role('stripe-reader');
const byUser = role('by-user');
const web = { subject: 'system:serviceaccount:research:agent', audience };

const roleField = 'spec.source.awsSecretsManager.roleArn';
const storeRole = 'spec.awsSecretsManager.roleArn';

let scene: AwsScene;
/** Logs in by web identity as the role `agents`. */
let store: AwsStore;
let good = '';

before(async () => {
  scene = await startAwsScene({
    cluster: true,
    roles: { [agents]: { web }, [reader]: { principal: agents }, [byUser]: { principal: user } },
  });
  for (const namespace of ['research', 'other']) {
    await scene.cluster?.kubectl(['create', 'namespace', namespace]);
    await scene.cluster?.kubectl(['create', 'serviceaccount', 'agent', '-n', namespace]);
  }
  await scene.cluster?.kubectl(['create', 'serviceaccount', 'other', '-n', 'research']);
  await scene.moto.request('CreateSecret', { Name: 'agents/stripe', SecretString: canary });
  good = await scene.tokenOf('research', 'agent');
  store = { ...scene.store, roleArn: agents, auth: { kind: 'webIdentity' } };
});
after(() => scene?.stop());

beforeEach(() => {
  scene.writeToken('corp-aws', good);
  scene.front.readers.clear();
  for (const principal of [agents, reader, user]) scene.front.readers.add(principal);
  scene.front.sts.calls.length = 0;
  scene.front.sts.ring.clockOffsetMs = 0;
});

const outcomes = (): string[] =>
  scene.front.sts.calls.map(
    ({ action, roleArn, outcome }) => `${action} ${roleArn.split('/')[1]} ${outcome}`,
  );

/** The same claims, as somebody who is not the cluster would sign them. */
async function forged(claims: (payload: JWTPayload) => JWTPayload, withClusterKey = false): Promise<string> {
  const key = withClusterKey
    ? createPrivateKey(readFileSync(scene.cluster?.apiServer.tokenKeyPath ?? ''))
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const { alg, kid } = decodeProtectedHeader(good);
  return new SignJWT(claims(decodeJwt(good)))
    .setProtectedHeader({ alg: String(alg), ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

describe('K-05: STS believes the pod’s own token for this store, and no other', () => {
  const past = Math.floor(Date.now() / 1000) - 60;
  const noProvider = /no OIDC provider/;
  const trust = /trust policy/;
  const tokens: Record<string, [token: () => Promise<string>, why: RegExp]> = {
    'with the audience of another store': [
      () => scene.tokenOf('research', 'agent', 'outrider.dev/other'),
      noProvider,
    ],
    'with AWS’s usual audience, which any pod may ask for': [
      () => scene.tokenOf('research', 'agent', 'sts.amazonaws.com'),
      noProvider,
    ],
    'of the same ServiceAccount’s name in another namespace': [() => scene.tokenOf('other', 'agent'), trust],
    'of another ServiceAccount': [() => scene.tokenOf('research', 'other'), trust],
    'with a forged signature': [() => forged((claims) => claims), noProvider],
    'of another issuer': [
      () => forged((claims) => ({ ...claims, iss: 'https://issuer.example' }), true),
      noProvider,
    ],
    'that has expired': [() => forged((claims) => ({ ...claims, exp: past }), true), /expired/],
    'that is no token': [() => Promise.resolve('no.such.token'), noProvider],
  };
  for (const [sentence, [token, why]] of Object.entries(tokens)) {
    test(`a token ${sentence} is refused`, async () => {
      scene.writeToken('corp-aws', await token());
      await scene.withProvider((provider) =>
        assertFails(valueOf(provider, source, store), 'AWS_LOGIN_REFUSED', storeRole, why),
      );
      assert.equal(scene.front.sts.calls.length, 1);
    });
  }

  test('the same claims, signed by the cluster, are believed: the refusals above have no other cause', async () => {
    scene.writeToken('corp-aws', await forged((claims) => claims, true));
    await scene.withProvider(async (provider) => {
      assert.equal(await valueOf(provider, source, store), canary);
    });
  });

  test('no token at all sends nothing', async () => {
    await scene.withProvider((provider) =>
      assertFails(
        valueOf(provider, { ...source, store: 'absent' }, store),
        'STORE_TOKEN_MISSING',
        'spec.source.awsSecretsManager.store',
      ),
    );
    assert.deepEqual(outcomes(), []);
  });

  test('no role sends nothing', async () => {
    const { roleArn: _, ...without } = store;
    await scene.withProvider((provider) =>
      assertFails(valueOf(provider, source, without), 'AWS_ROLE_MISSING', roleField),
    );
    assert.deepEqual(outcomes(), []);
  });

  test('a role that trusts somebody else is refused', () =>
    scene.withProvider((provider) =>
      assertFails(
        valueOf(provider, source, { ...store, roleArn: reader }),
        'AWS_LOGIN_REFUSED',
        storeRole,
        trust,
      ),
    ));

  test('a chained role that trusts somebody else is refused', () =>
    scene.withProvider((provider) =>
      assertFails(valueOf(provider, { ...source, roleArn: byUser }, store), 'AWS_ROLE_REFUSED', roleField),
    ));
});

describe('who the pod is at AWS', () => {
  test('K-05: the token is shown to STS alone, and once per login', async () => {
    const { secrets, sts } = scene.front.seen;
    secrets.length = sts.length = 0;
    await scene.withProvider(async (provider) => {
      await valueOf(provider, { ...source, roleArn: reader }, store);
      await valueOf(provider, { ...source, roleArn: reader }, store);
    });
    const shown = [...secrets, ...sts].map(
      ({ headers, body }) => `${JSON.stringify(headers)}${body.toString()}`,
    );
    assert.equal(shown.length, 4);
    assert.equal(shown.filter((text) => text.includes(good)).length, 1);
    assert.ok(sts[0]?.body.includes(good));
  });

  test('the store’s role', async () => {
    await scene.withProvider(async (provider) => {
      assert.equal(await valueOf(provider, source, store), canary);
    });
    assert.deepEqual(outcomes(), ['AssumeRoleWithWebIdentity outrider-agents granted']);
    assert.equal(scene.front.sts.calls[0]?.sessionName, 'outrider-corp-aws');
  });

  test('the credential’s role, where the store has none', async () => {
    const { roleArn: _, ...without } = store;
    await scene.withProvider(async (provider) => {
      assert.equal(await valueOf(provider, { ...source, roleArn: agents }, without), canary);
    });
    assert.deepEqual(outcomes(), ['AssumeRoleWithWebIdentity outrider-agents granted']);
  });

  test('the credential’s role by way of the store’s', async () => {
    scene.front.readers.delete(agents);
    await scene.withProvider(async (provider) => {
      assert.equal(await valueOf(provider, { ...source, roleArn: reader }, store), canary);
    });
    assert.deepEqual(outcomes(), [
      'AssumeRoleWithWebIdentity outrider-agents granted',
      'AssumeRole stripe-reader granted',
    ]);
  });

  test('a role that both name is assumed once', async () => {
    await scene.withProvider((provider) => valueOf(provider, { ...source, roleArn: agents }, store));
    assert.deepEqual(outcomes(), ['AssumeRoleWithWebIdentity outrider-agents granted']);
  });

  test('a role by way of static keys', async () => {
    await scene.withProvider(async (provider) => {
      assert.equal(
        await valueOf(provider, { ...source, roleArn: byUser }, scene.store).catch(codeOf),
        'AWS_ACCESS_DENIED',
      );
      scene.front.readers.add(byUser);
      assert.equal(await valueOf(provider, { ...source, roleArn: byUser }, scene.store), canary);
    });
    assert.deepEqual(outcomes(), ['AssumeRole by-user granted']);
  });
});

describe('P-22: a session is kept, replaced ahead, and asked for anew when AWS ends it', () => {
  test('many readings at once log in once', async () => {
    await scene.withProvider(async (provider) => {
      const values = await Promise.all(Array.from({ length: 20 }, () => valueOf(provider, source, store)));
      assert.deepEqual(new Set(values), new Set([canary]));
    });
    assert.equal(outcomes().length, 1);
  });

  test('it is replaced at two thirds of its hour, with the token as it is then', async () => {
    let nowMs = 0;
    await scene.withProvider(
      async (provider) => {
        await valueOf(provider, source, store);
        nowMs = 3_600_000 * (2 / 3 - 0.1) - 1;
        scene.writeToken('corp-aws', 'no.such.token');
        await valueOf(provider, source, store);
        assert.equal(outcomes().length, 1);
        nowMs = 3_600_000 * (2 / 3) + 1;
        scene.writeToken('corp-aws', await scene.tokenOf('research', 'agent'));
        await valueOf(provider, source, store);
        assert.equal(outcomes().length, 2);
      },
      { now: () => nowMs },
    );
  });

  test('while STS is away the old one serves to its end, and not beyond', async () => {
    let nowMs = 0;
    await scene
      .withProvider(
        async (provider) => {
          await valueOf(provider, source, store);
          scene.front.faults.sts = { kind: 'answer', status: 503, body: '' };
          nowMs = 3_599_999;
          assert.equal(await valueOf(provider, source, store), canary);
          nowMs = 3_600_001;
          await assertFails(
            valueOf(provider, source, store),
            'AWS_UNAVAILABLE',
            'spec.awsSecretsManager.stsEndpoint',
          );
        },
        { now: () => nowMs },
      )
      .finally(() => (scene.front.faults.sts = null));
  });

  test('a refused login is not covered by the old one', async () => {
    let nowMs = 0;
    await scene.withProvider(
      async (provider) => {
        await valueOf(provider, source, store);
        scene.writeToken('corp-aws', 'no.such.token');
        nowMs = 3_000_000;
        await assertFails(valueOf(provider, source, store), 'AWS_LOGIN_REFUSED', storeRole);
      },
      { now: () => nowMs },
    );
  });

  for (const [sentence, end] of Object.entries({
    'that has expired': () => {
      for (const keys of scene.front.sts.ring.all()) if (keys.principal === agents) keys.expiresAtMs = 0;
    },
    'that was revoked': () => {
      for (const keys of scene.front.sts.ring.all()) {
        if (keys.principal === agents) scene.front.sts.ring.revoke(keys.accessKeyId);
      }
    },
  })) {
    test(`one ${sentence} leads to one login and one more try`, async () => {
      let nowMs = 0;
      await scene.withProvider(
        async (provider) => {
          await valueOf(provider, source, store);
          end();
          nowMs = 10_001;
          assert.equal(await valueOf(provider, source, store), canary);
          assert.equal(outcomes().length, 2);
          end();
          nowMs = 10_002;
          await assertFails(
            valueOf(provider, source, store),
            'AWS_KEYS_REFUSED',
            'spec.awsSecretsManager.region',
          );
          assert.equal(outcomes().length, 2, 'not for each refusal');
        },
        { now: () => nowMs },
      );
    });
  }

  test('what was forgotten is asked for anew', async () => {
    await scene.withProvider(async (provider) => {
      await valueOf(provider, source, store);
      await provider.forget();
      await valueOf(provider, source, store);
    });
    assert.equal(outcomes().length, 2);
  });

  test('a store that changed is another session', async () => {
    await scene.withProvider(async (provider) => {
      await valueOf(provider, source, store);
      await assertFails(
        valueOf(provider, source, { ...store, roleArn: reader }),
        'AWS_LOGIN_REFUSED',
        storeRole,
      );
    });
  });
});

function codeOf(error: unknown): string {
  return (error as { code: string }).code;
}
