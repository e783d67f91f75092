import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { operatorSettings, parseConfig } from '../../operator/config.ts';

const required = {
  OUTRIDER_POD_NAME: 'outrider-7d9f-abcde',
  OUTRIDER_POD_NAMESPACE: 'outrider-system',
  OUTRIDER_POD_IP: 'fd00::7',
  OUTRIDER_SIDECAR_IMAGE: 'registry.example.com/outrider-sidecar@sha256:0000',
};

describe('the operator’s settings', () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['OUTRIDER_POD_NAME', '', /OUTRIDER_POD_NAME must be a pod’s name/],
    ['OUTRIDER_POD_NAMESPACE', 'a_b', /OUTRIDER_POD_NAMESPACE must be a namespace’s name/],
    ['OUTRIDER_POD_IP', 'localhost', /OUTRIDER_POD_IP must be an IPv4 or IPv6 address/],
    ['OUTRIDER_CONTROL_PORT', '0', /OUTRIDER_CONTROL_PORT must be a port/],
    ['OUTRIDER_CONTROL_PORT', '65536', /OUTRIDER_CONTROL_PORT/],
    ['OUTRIDER_CLUSTER_CIDRS', '10.0.0.1', /OUTRIDER_CLUSTER_CIDRS must be CIDR ranges such as/],
    ['OUTRIDER_CLUSTER_CIDRS', '34.0.0.0/33', /OUTRIDER_CLUSTER_CIDRS/],
    ['OUTRIDER_CLUSTER_CIDRS', '34.0.0.0/8,', /OUTRIDER_CLUSTER_CIDRS/],
    ['OUTRIDER_DNS_SERVERS', 'dns.example', /OUTRIDER_DNS_SERVERS must be addresses such as/],
    ['OUTRIDER_DNS_SERVERS', '10.96.0.10:0', /OUTRIDER_DNS_SERVERS/],
    ['OUTRIDER_TOKEN_FILE', 'token', /OUTRIDER_TOKEN_FILE must be an absolute path/],
    ['OUTRIDER_CA_OVERLAP', 'a month', /OUTRIDER_CA_OVERLAP must be a duration such as 720h/],
    ['OUTRIDER_CA_OVERLAP', '0s', /OUTRIDER_CA_OVERLAP/],
    ['OUTRIDER_CA_LIFETIME', '721h', /OUTRIDER_CA_LIFETIME must be .* at least three times the overlap/],
    ['OUTRIDER_SIDECAR_PULL_POLICY', 'always', /must be Always, IfNotPresent or Never/],
    ['OUTRIDER_LOG_LEVEL', 'loud', /must be trace, debug, info, warn or error/],
    ['OUTRIDER_OTLP_ENDPOINT', 'collector:4318', /OUTRIDER_OTLP_ENDPOINT must be https/],
    ['OUTRIDER_OTLP_ENDPOINT', 'https://user:hunter2@collector', /OUTRIDER_OTLP_ENDPOINT must be https/],
    ['OUTRIDER_OTLP_ENDPOINT', 'http://collector:4318', /only with OUTRIDER_OTLP_INSECURE=true/],
    ['OUTRIDER_OTLP_INSECURE', 'yes', /OUTRIDER_OTLP_INSECURE must be true or false/],
  ];
  for (const [name, value, message] of refused) {
    it(`${name}=${value} is refused, with what is allowed and without the value`, () => {
      assert.throws(
        () => parseConfig({ ...required, [name]: value }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'CONFIG_INVALID');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /hunter2/);
          return true;
        },
      );
    });
  }

  for (const name of Object.keys(required)) {
    it(`without ${name} the operator does not start`, () => {
      assert.throws(() => parseConfig({ ...required, [name]: undefined }), new RegExp(`${name} must be`));
    });
  }

  it('with what is required, everything else has its default', () => {
    const config = parseConfig(required);
    assert.equal(config.OUTRIDER_KUBECONFIG, null);
    assert.equal(config.OUTRIDER_CONTROL_PORT, 8443);
    assert.equal(config.OUTRIDER_CA_OVERLAP, 30 * 24 * 3_600_000);
    assert.equal(config.OUTRIDER_OTLP_ENDPOINT, null);
    assert.deepEqual([config.OUTRIDER_CLUSTER_CIDRS, config.OUTRIDER_DNS_SERVERS], [[], []]);
  });

  it('lists may have spaces', () => {
    const lists = {
      OUTRIDER_CLUSTER_CIDRS: '34.0.0.0/8, 2600::/16',
      OUTRIDER_DNS_SERVERS: '[fd00::a]:53, 10.96.0.10',
    };
    const config = parseConfig({ ...required, ...lists });
    assert.deepEqual(config.OUTRIDER_CLUSTER_CIDRS, ['34.0.0.0/8', '2600::/16']);
    assert.deepEqual(config.OUTRIDER_DNS_SERVERS, ['[fd00::a]:53', '10.96.0.10']);
  });

  it('plain OTLP is possible, when somebody says so', () => {
    const config = parseConfig({
      ...required,
      OUTRIDER_OTLP_ENDPOINT: 'http://collector:4318/',
      OUTRIDER_OTLP_INSECURE: 'true',
    });
    assert.equal(config.OUTRIDER_OTLP_ENDPOINT, 'http://collector:4318');
  });

  it('variables that Kubernetes makes of a Service named outrider are none of ours', () => {
    assert.ok(
      parseConfig({ ...required, OUTRIDER_SERVICE_HOST: '10.0.0.1', OUTRIDER_PORT: 'tcp://10.0.0.1:443' }),
    );
  });

  it('are what docs/operator-settings.md says, word for word', async () => {
    const page = await readFile('docs/operator-settings.md', 'utf8');
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
      );
    const settings = Object.entries<{ fallback?: string; allowed: string; says: string }>(
      operatorSettings,
    ).map(([name, { fallback, allowed, says }]) => [
      name,
      fallback === '' ? 'empty' : (fallback ?? 'required'),
      allowed,
      says,
    ]);
    assert.deepEqual(rows, settings);
  });
});
