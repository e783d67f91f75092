// A placeholder may stand where its credential is put, and nowhere else in the head of a request; where two credentials
// could be used, it chooses.

import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import type { RulesetCredential, RulesetInject } from '../../../policy/ruleset-credential.ts';
import type { Ruleset } from '../../../policy/ruleset.ts';
import { createPlaceholderKey, googleKeyFile } from '../../../sidecar/credentials/google-placeholder.ts';
import { materialOf } from '../credentials/opened.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { openTunnel, send, type Answer } from './raw-client.ts';

const injects: Readonly<Record<string, RulesetInject>> = {
  bearer: { kind: 'bearer' },
  header: { kind: 'header', name: 'x-api-key' },
  query: { kind: 'query', name: 'key' },
  path: { kind: 'path', prefix: '/path/bot' },
  aws: { kind: 'awsSigV4', service: 'execute-api', regions: ['eu-central-1'] },
};
const awsKeys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'k' };
const placeholder = (name: string): string => `outrider-placeholder.research.${name}`;

let ca: TestCa;
let origin: Origin;
let fixture: Fixture | null = null;
let status = 200;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (_message, response) => response.writeHead(status).end() });
});
afterEach(async () => {
  await fixture?.close();
  [fixture, status] = [null, 200];
});
after(async () => {
  await origin.close();
  ca.close();
});

function ruleset(): Partial<Ruleset> {
  const credentials = Object.entries(injects).map(([name, inject]): [string, RulesetCredential] => [
    name,
    {
      source: { kind: 'file', path: name },
      allow: [{ destination: 'origin' }],
      inject,
      refreshIntervalMs: 60_000,
    },
  ]);
  const grant = (name: string, paths: readonly string[], credential: string) =>
    ({ policy: 'team', name, action: 'Allow', destination: 'origin', paths, credential }) as const;
  return {
    guards: [],
    grants: [
      ...Object.keys(injects).map((name) => grant(name, [`/${name}/**`], name)),
      grant('both-bearer', ['/both/**'], 'bearer'),
      grant('both-header', ['/both/**'], 'header'),
      { policy: 'team', name: 'plain', action: 'Allow', destination: 'origin', paths: ['/plain/**'] },
    ],
    credentials: Object.fromEntries(credentials),
  };
}

async function ask(target: string, head = '', method = 'GET', body = ''): Promise<Answer> {
  if (fixture === null) {
    fixture = await startFixture({ ca, origin, ruleset: ruleset() });
    fixture.setSecret(materialOf({ value: 'real-1', ...awsKeys }));
  }
  const place = `${originName}:${origin.port}`;
  const tunnel = await openTunnel(fixture, origin.port);
  try {
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    return await send(
      tunnel,
      `${method} ${target} HTTP/1.1\r\nHost: ${place}\r\n${head}${length}\r\n${body}`,
    );
  } finally {
    tunnel.destroy();
  }
}

describe('refused, and nothing is sent', () => {
  const cases: Readonly<Record<string, [target: string, head?: string, where?: RegExp]>> = {
    'S-22: in a header, where the credential goes into another': [
      '/bearer/x',
      `x-api-key: ${placeholder('bearer')}\r\n`,
      /in the header x-api-key; send it in the header authorization/,
    ],
    'S-22: in Authorization, where the credential goes into a header of its own': [
      '/header/x',
      `Authorization: Bearer ${placeholder('header')}\r\n`,
      /send it in the header x-api-key/,
    ],
    'S-22: in a parameter, where the credential goes into another': [
      `/query/x?token=${placeholder('query')}`,
      '',
      /in the query parameter token; send it in the query parameter key/,
    ],
    'S-22: in a cookie': ['/bearer/x', `Cookie: session=${placeholder('bearer')}\r\n`, /the header cookie/],
    'S-22: in the path, where the credential goes into a header': [
      `/bearer/${placeholder('bearer')}`,
      '',
      /in the path; send it in/,
    ],
    'S-22: in the right place and in another': [
      '/header/x',
      `x-api-key: ${placeholder('header')}\r\nx-auth-token: ${placeholder('header')}\r\n`,
    ],
    'S-22: without a credential': ['/plain/x', `x-api-key: ${placeholder('header')}\r\n`],
    'S-22: of two credentials': [
      '/both/x',
      `Authorization: ${placeholder('bearer')}\r\nx-api-key: ${placeholder('header')}\r\n`,
      /two credentials/,
    ],
    'S-22: twice in one header': [
      '/bearer/x',
      `Authorization: ${placeholder('bearer')}${placeholder('bearer')}\r\n`,
    ],
    'S-22: of another credential than the rule names': [
      '/bearer/x',
      `Authorization: ${placeholder('header')}\r\n`,
    ],
  };
  for (const [what, [target, head = '', where = /placeholder/]] of Object.entries(cases)) {
    test(what, async () => {
      const before = origin.received.length;
      const answer = await ask(target, head);
      assert.deepEqual(
        [answer.status, answer.problem?.code],
        [403, 'credential_ambiguous'],
        JSON.stringify(answer),
      );
      assert.match(String(answer.problem?.message), where);
      assert.equal(origin.received.length, before);
    });
  }

  test('where two credentials match and nothing chooses', async () => {
    assert.equal((await ask('/both/x')).problem?.code, 'credential_ambiguous');
  });
});

describe('replaced', () => {
  const seen = () => origin.received.at(-1);

  test('in a header', async () => {
    assert.equal((await ask('/header/x', `X-Api-Key: ${placeholder('header')}\r\n`)).status, 200);
    assert.equal(seen()?.headers['x-api-key'], 'real-1');
  });

  test('in a parameter', async () => {
    assert.equal((await ask(`/query/x?a=1&key=${placeholder('query')}&b=2`)).status, 200);
    assert.equal(seen()?.url, '/query/x?a=1&b=2&key=real-1');
  });

  test('in a path', async () => {
    assert.equal((await ask(`/path/bot${placeholder('path')}/getMe`)).status, 200);
    assert.equal(seen()?.url, '/path/botreal-1/getMe');
  });

  test('and passed on in a body, where agents quote their environment', async () => {
    const body = `{"chat":"${placeholder('header')}"}`;
    assert.equal((await ask('/bearer/x', 'Content-Type: application/json\r\n', 'POST', body)).status, 200);
    assert.equal(seen()?.body, body);
  });
});

describe('what an agent says of itself', () => {
  const own =
    'Authorization: Bearer mine\r\nX-Api-Key: mine\r\nPrivate-Token: mine\r\nCookie: session=mine\r\n';
  const names = ['authorization', 'x-api-key', 'private-token', 'cookie'];
  const arrived = () => names.map((name) => origin.received.at(-1)?.headers[name]);

  test('H-31: is left out beside a credential, so that the upstream acts for nobody else', async () => {
    assert.equal((await ask('/bearer/x', own)).status, 200);
    assert.deepEqual(arrived(), ['Bearer real-1', undefined, undefined, undefined]);
    assert.equal((await ask('/header/x', own)).status, 200);
    assert.deepEqual(arrived(), [undefined, 'real-1', undefined, undefined]);
    assert.equal((await ask('/query/x?a=1', own)).status, 200);
    assert.deepEqual(arrived(), [undefined, undefined, undefined, undefined]);
  });

  test('arrives where no credential is put on the request', async () => {
    assert.equal((await ask('/plain/x', own)).status, 200);
    assert.deepEqual(arrived(), ['Bearer mine', 'mine', 'mine', 'session=mine']);
  });
});

describe('where two credentials match', () => {
  for (const [name, head] of Object.entries({
    bearer: `Authorization: Bearer ${placeholder('bearer')}\r\n`,
    header: `x-api-key: ${placeholder('header')}\r\n`,
  })) {
    test(`the placeholder chooses ${name}`, async () => {
      assert.equal((await ask('/both/x', head)).status, 200);
      const { authorization, 'x-api-key': key } = origin.received.at(-1)?.headers ?? {};
      assert.deepEqual(
        [authorization, key],
        name === 'bearer' ? ['Bearer real-1', undefined] : [undefined, 'real-1'],
      );
    });
  }

  test('a token that an SDK signed with its placeholder file chooses too', async () => {
    const file = JSON.parse(googleKeyFile('research', 'bearer', await createPlaceholderKey())) as {
      client_email: string;
      private_key: string;
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'RS256' })}.${part({ iss: file.client_email, sub: file.client_email })}`;
    const signature = createSign('RSA-SHA256').update(unsigned).sign(file.private_key).toString('base64url');
    assert.equal((await ask('/both/x', `Authorization: Bearer ${unsigned}.${signature}\r\n`)).status, 200);
    assert.equal(origin.received.at(-1)?.headers.authorization, 'Bearer real-1');
  });
});

describe('a secret that was rotated', () => {
  test('P-20: a request that cannot be sent twice has its own record, not that of the next reading', async () => {
    status = 401;
    await ask('/plain/x');
    let asked = 0;
    fixture?.beforeResolve(() => {
      asked += 1;
      if (asked === 2) fixture?.setSecret(null);
    });
    assert.equal((await ask('/bearer/x', 'Content-Type: text/plain\r\n', 'POST', 'a')).status, 401);
    assert.equal(asked, 2, 'the secret was read again');
    const last = fixture?.records.at(-1);
    assert.deepEqual([last?.status, last?.errorCode, last?.refusal], [401, null, null]);
  });

  for (const [target, answered, tries] of [
    ['/bearer/x', 401, 2],
    ['/bearer/x', 403, 1],
    ['/aws/x', 403, 2],
  ] as const) {
    test(`P-20: ${target} that is answered ${answered} is tried ${tries === 1 ? 'once' : 'again'}`, async () => {
      status = answered;
      const before = origin.received.length;
      await ask('/plain/x');
      // The source has another value at each asking.
      let asked = 0;
      fixture?.beforeResolve(() => {
        asked += 1;
        fixture?.setSecret(materialOf({ value: `next-${asked}`, ...awsKeys, secretAccessKey: `k${asked}` }));
      });
      assert.equal((await ask(target)).status, answered);
      assert.equal(origin.received.length - before - 1, tries);
    });
  }
});
