import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'rolldown';
import config from '../../../rolldown.config.ts';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import type { AwsProgramInput, AwsProgramOutput } from './aws-program.ts';
import { canary, source, startAwsScene, user, type AwsScene } from './aws-scene.ts';

const runFile = promisify(execFile);

const role = 'arn:aws:iam::123456789012:role/reader';

let scene: AwsScene;
before(async () => {
  scene = await startAwsScene({ roles: { [role]: { principal: user } } });
  scene.front.readers.add(role);
  await scene.moto.request('CreateSecret', { Name: 'agents/stripe', SecretString: canary });
  scene.writeToken('corp-aws', 'a.b.c');
});
after(() => scene?.stop());

async function runProgram(
  input: Pick<AwsProgramInput, 'readings' | 'resolveNothing'>,
  environment: Readonly<Record<string, string>> = {},
  command: readonly string[] = [join(import.meta.dirname, 'aws-program.ts')],
): Promise<AwsProgramOutput & { readonly stderr: string }> {
  const places = { tokensDirectory: scene.tokens, secretsDirectory: scene.secrets };
  const { stdout, stderr } = await runFile(
    process.execPath,
    ['--expose-gc', ...command, JSON.stringify({ ...places, ...input })],
    { env: { PATH: process.env['PATH'] ?? '', ...environment }, timeout: 60_000, killSignal: 'SIGKILL' },
  );
  return { ...(JSON.parse(stdout) as AwsProgramOutput), stderr };
}

describe('T-07: nothing in the environment decides whom AWS is, or as whom it is asked', () => {
  test('not variables, proxies, profiles or CA bundles', async () => {
    let lured = 0;
    const decoy = createServer((socket) => {
      lured += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(decoy, 'listening');
    const elsewhere = `127.0.0.1:${(decoy.address() as AddressInfo).port}`;
    const home = join(scene.moto.folder, 'lured');
    const ran = join(home, 'ran');
    mkdirSync(join(home, '.aws'), { recursive: true });
    const profile = [
      'region = us-east-1',
      `endpoint_url = https://${elsewhere}`,
      `credential_process = /usr/bin/touch ${ran}`,
      `ca_bundle = ${home}/none.pem`,
      'max_attempts = 1',
      'use_fips_endpoint = true',
      'use_dualstack_endpoint = true',
      'sdk_ua_app_id = canary',
    ].join('\n');
    writeFileSync(
      join(home, '.aws/config'),
      `[default]\n${profile}\n[profile lured]\n${profile}\n[profile none]\n${profile}\n`,
    );
    writeFileSync(
      join(home, '.aws/credentials'),
      '[default]\naws_access_key_id = AKIALURED\naws_secret_access_key = x\n',
    );
    const environment = {
      HOME: home,
      AWS_PROFILE: 'lured',
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIALURED',
      AWS_SECRET_ACCESS_KEY: 'x',
      AWS_SESSION_TOKEN: 'x',
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/lured',
      AWS_WEB_IDENTITY_TOKEN_FILE: '/dev/null',
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${elsewhere}/`,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${elsewhere}/`,
      AWS_ENDPOINT_URL: `https://${elsewhere}`,
      AWS_ENDPOINT_URL_STS: `https://${elsewhere}`,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: `https://${elsewhere}`,
      AWS_USE_FIPS_ENDPOINT: 'true',
      AWS_USE_DUALSTACK_ENDPOINT: 'true',
      AWS_CA_BUNDLE: join(home, 'none.pem'),
      AWS_MAX_ATTEMPTS: '1',
      AWS_RETRY_MODE: 'adaptive',
      AWS_DEFAULTS_MODE: 'auto',
      AWS_EXECUTION_ENV: 'canary',
      AWS_SDK_UA_APP_ID: 'canary',
      AWS_LAMBDA_FUNCTION_NAME: 'canary',
      _X_AMZN_TRACE_ID: 'canary',
      AWS_STS_REGIONAL_ENDPOINTS: 'legacy',
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'false',
      AWS_SIGV4A_SIGNING_REGION_SET: '*',
      AWS_AUTH_SCHEME_PREFERENCE: 'sigv4a',
      AWS_DISABLE_CLOCK_SKEW_CORRECTION: 'true',
      HTTPS_PROXY: `http://${elsewhere}`,
      HTTP_PROXY: `http://${elsewhere}`,
      NODE_USE_ENV_PROXY: '1',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_DEBUG: '',
    };
    const { caBundle: _, ...untrusting } = scene.store;
    const regional: AwsStore = { kind: 'awsSecretsManager', region: 'eu-central-1', auth: scene.store.auth };
    scene.front.seen.secrets.length = 0;
    // One wrong answer, whose Date corrects the clock, and one more try: what the variables would prevent.
    scene.front.faults.secrets = { kind: 'answer', status: 500, body: '{}', times: 1 };
    scene.front.sts.ring.clockOffsetMs = 600_000;
    const { outcomes, stderr } = await runProgram(
      {
        readings: [
          { source, store: scene.store },
          { source, store: untrusting },
        ],
      },
      environment,
    );
    const byNames = await runProgram(
      {
        readings: [
          { source, store: regional },
          {
            source,
            store: {
              ...regional,
              roleArn: 'arn:aws:iam::123456789012:role/a',
              auth: { kind: 'webIdentity' },
            },
          },
        ],
        resolveNothing: true,
      },
      environment,
    );
    scene.front.faults.secrets = null;
    scene.front.sts.ring.clockOffsetMs = 0;
    decoy.close();

    assert.deepEqual(outcomes, [canary, 'AWS_UNTRUSTED']);
    assert.deepEqual(byNames.outcomes, ['AWS_UNREACHABLE', 'AWS_UNREACHABLE']);
    assert.deepEqual(byNames.lookedUp, [
      'secretsmanager.eu-central-1.amazonaws.com',
      'sts.eu-central-1.amazonaws.com',
    ]);
    assert.equal(lured, 0);
    assert.ok(!existsSync(ran));
    assert.match(
      stderr,
      /^(?:\(node:\d+\) Warning: Setting the NODE_TLS_REJECT_UNAUTHORIZED[^\n]*\n[^\n]*\n)?$/,
    );
    assert.equal(scene.front.seen.secrets.length, 2);
    for (const { headers } of scene.front.seen.secrets) {
      assert.doesNotMatch(JSON.stringify(headers), /canary|LURED/);
    }
  });
});

describe('where AWS is asked', () => {
  const webIdentity = { roleArn: 'arn:aws:iam::123456789012:role/a', auth: { kind: 'webIdentity' } } as const;
  const cases: Record<string, [store: Pick<AwsStore, 'region' | 'fips'>, names: readonly string[]]> = {
    'in the region': [
      { region: 'us-east-1' },
      ['secretsmanager.us-east-1.amazonaws.com', 'sts.us-east-1.amazonaws.com'],
    ],
    'in another partition': [
      { region: 'cn-north-1' },
      ['secretsmanager.cn-north-1.amazonaws.com.cn', 'sts.cn-north-1.amazonaws.com.cn'],
    ],
    'at FIPS endpoints': [
      { region: 'us-east-1', fips: true },
      ['secretsmanager-fips.us-east-1.amazonaws.com', 'sts-fips.us-east-1.amazonaws.com'],
    ],
    'at FIPS endpoints of GovCloud': [
      { region: 'us-gov-west-1', fips: true },
      ['secretsmanager-fips.us-gov-west-1.amazonaws.com', 'sts.us-gov-west-1.amazonaws.com'],
    ],
  };
  for (const [sentence, [place, names]] of Object.entries(cases)) {
    test(sentence, async () => {
      const store = { kind: 'awsSecretsManager', ...place } as const;
      const { outcomes, lookedUp } = await runProgram({
        readings: [
          { source, store: { ...store, auth: scene.store.auth } },
          { source, store: { ...store, ...webIdentity } },
        ],
        resolveNothing: true,
      });
      assert.deepEqual(outcomes, ['AWS_UNREACHABLE', 'AWS_UNREACHABLE']);
      assert.deepEqual(lookedUp, names);
    });
  }
});

describe('what the SDK costs', () => {
  const reading = (): AwsProgramInput['readings'][number] => ({ source, store: scene.store });

  test('nothing until a credential is read from AWS', async () => {
    const none = await runProgram({ readings: [] });
    assert.deepEqual([none.loadedEarly, none.loadedLate], [false, false]);
    const one = await runProgram({ readings: [reading()] });
    assert.deepEqual([one.loadedEarly, one.loadedLate], [false, true]);
  });

  test('its memory, once, in a bundle made as the image’s, which loads it late and finds what it exports', async (context) => {
    const options = config.find(({ input }) => JSON.stringify(input).includes('sidecar/main.ts'));
    assert.ok(options !== undefined);
    const folder = join(scene.moto.folder, 'bundle');
    const { output } = await build({
      ...options,
      input: { program: join(import.meta.dirname, 'aws-program.ts') },
      output: { ...[options.output].flat()[0], dir: folder },
    });
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const chunks = output.filter((each) => each.type === 'chunk');
    const holdSdk = (names: readonly string[]): boolean =>
      chunks.some(({ fileName, moduleIds }) => names.includes(fileName) && moduleIds.some(isSdk));
    const [entry] = chunks.filter(({ isEntry }) => isEntry);
    assert.ok(entry !== undefined && !entry.moduleIds.some(isSdk) && !holdSdk(entry.imports));
    assert.ok(holdSdk(entry.dynamicImports));

    const program = join(folder, 'program.js');
    // As Dockerfile.sidecar starts it.
    const flags = ['--no-addons', '--max-old-space-size=48', '--max-semi-space-size=2'];
    const chained = { ...reading(), source: { ...source, roleArn: role } };
    for (const [what, each] of Object.entries({ 'Secrets Manager': reading(), 'and STS': chained })) {
      const one = await runProgram({ readings: [each] }, {}, [...flags, program]);
      assert.deepEqual(one.outcomes, [canary]);
      const hundred = Array.from({ length: 100 }, () => each);
      const many = await runProgram({ readings: hundred }, {}, [...flags, program]);
      context.diagnostic(
        `${what}: the first reading costs ${mebibytes(one)} MiB, 100 cost ${mebibytes(many)} MiB`,
      );
    }
  });
});

function isSdk(module: string): boolean {
  return /node_modules\/@(?:aws-sdk|smithy)\//.test(module);
}

function mebibytes({ residentAfter, residentBefore }: AwsProgramOutput): string {
  return ((residentAfter - residentBefore) / 2 ** 20).toFixed(1);
}
