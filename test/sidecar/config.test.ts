import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePlan } from '../../policy/capture-plan.ts';
import { loadConfig } from '../../sidecar/config.ts';

const good = {
  OUTRIDER_OPERATOR: 'outrider.outrider-system.svc:8443',
  OUTRIDER_OPERATOR_CA: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  OUTRIDER_POD_NAME: 'triage-6d4b75cb6d-hx2qz',
  OUTRIDER_POD_NAMESPACE: 'support',
  OUTRIDER_POD_UID: '1b0f7a52-3f1e-4f0e-9d3e-0c4f6f0e4a11',
  OUTRIDER_POD_IP: '10.244.0.7',
};
const ofTheImage = {
  PATH: '/usr/bin',
  HOME: '/',
  NODE_VERSION: '26.10.0',
  KUBERNETES_SERVICE_HOST: '10.0.0.1',
};

describe('K-20, K-25, T-06: a sidecar does not start with', () => {
  const forbidden = [
    'NODE_OPTIONS',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'NODE_EXTRA_CA_CERTS',
    'NODE_DEBUG',
    'NODE_USE_ENV_PROXY',
    'NODE_USE_SYSTEM_CA',
    'NODE_V8_COVERAGE',
    'SSLKEYLOGFILE',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'DEBUG',
    'HTTPS_PROXY',
    'https_proxy',
    'Http_Proxy',
    'ALL_PROXY',
    'NO_PROXY',
    'LD_PRELOAD',
    'UV_THREADPOOL_SIZE',
  ];
  for (const name of forbidden) {
    for (const value of ['1', '']) {
      test(`${name}=${value}`, () => {
        assert.throws(
          () => loadConfig({ ...good, [name]: value }),
          (error: Error & { code?: string }) => {
            assert.equal(error.code, 'ENVIRONMENT_FORBIDDEN');
            assert.ok(error.message.includes(name));
            return true;
          },
        );
      });
    }
  }
});

test('a sidecar starts beside Services of any name, which the kubelet writes into its environment', () => {
  const links = ['OTEL_COLLECTOR', 'NODE_EXPORTER', 'SQUID_PROXY'].flatMap((service) => [
    `${service}_SERVICE_HOST`,
    `${service}_SERVICE_PORT`,
    `${service}_SERVICE_PORT_OTLP_HTTP`,
    `${service}_PORT`,
    `${service}_PORT_4318_TCP`,
    `${service}_PORT_4318_TCP_ADDR`,
  ]);
  loadConfig({ ...good, ...Object.fromEntries(links.map((name) => [name, '1'])) });
});

describe('a sidecar does not start without', () => {
  const bad: Record<string, [name: string, value: string | undefined]> = {
    'an operator': ['OUTRIDER_OPERATOR', undefined],
    'the port of the operator': ['OUTRIDER_OPERATOR', 'outrider.outrider-system.svc'],
    'a port that exists': ['OUTRIDER_OPERATOR', 'outrider:70000'],
    'an address alone': ['OUTRIDER_OPERATOR', 'https://outrider:8443/x'],
    'a certificate authority': ['OUTRIDER_OPERATOR_CA', 'trust me'],
    "its pod's name": ['OUTRIDER_POD_NAME', ''],
    "its pod's namespace": ['OUTRIDER_POD_NAMESPACE', 'Not A Name'],
    "its pod's uid": ['OUTRIDER_POD_UID', undefined],
    "its pod's address": ['OUTRIDER_POD_IP', '10.244.0'],
    'DNS servers that are addresses': ['OUTRIDER_DNS_SERVERS', '10.96.0.10,kube-dns.kube-system'],
    'a plan that can be read': ['OUTRIDER_CAPTURE', '{"ports":[]}'],
    'any plan at all where one is announced': ['OUTRIDER_CAPTURE', ''],
    'a plan whose ports are ports': [
      'OUTRIDER_CAPTURE',
      '{"ports":[{"port":0,"listener":16000}],"relays":[]}',
    ],
  };
  for (const [what, [name, value]] of Object.entries(bad)) {
    test(what, () => {
      assert.throws(
        () => loadConfig({ ...good, [name]: value }),
        (error: Error & { code?: string; field?: string }) => {
          assert.deepEqual([error.code, error.field], ['CONFIG_INVALID', name]);
          assert.match(error.message, new RegExp(`${name} must be `));
          return true;
        },
      );
    });
  }
});

test('what injection writes is read, beside what images and the kubelet set', () => {
  const config = loadConfig({ ...ofTheImage, ...good });
  assert.deepEqual(Object.values(config), [...Object.values(good), null, null]);
  assert.equal(loadConfig({ ...good, OUTRIDER_OPERATOR: '[fd00::1]:8443' }).operator, '[fd00::1]:8443');
  assert.equal(loadConfig({ ...good, OUTRIDER_POD_IP: 'fd00::7' }).podIp, 'fd00::7');
});

test('K-26: a captured sidecar needs DNS servers: whoever writes a pod chooses its resolv.conf', () => {
  const plan = { ports: [{ port: 8443, listener: 16_000 }], relays: [] };
  const captured = { ...good, OUTRIDER_CAPTURE: encodePlan(plan) };
  assert.throws(() => loadConfig(captured), { code: 'CONFIG_INVALID', field: 'OUTRIDER_DNS_SERVERS' });
  const servers = ['10.96.0.10', '[fd00::a]:5353'];
  const config = loadConfig({ ...captured, OUTRIDER_DNS_SERVERS: servers.join(',') });
  assert.deepEqual(config.capture, plan);
  assert.deepEqual(config.dnsServers, servers);
});
