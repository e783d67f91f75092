// T-01: a laboratory of upstreams that do not prove who they are. Nothing of a request may reach them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { createTestCa, originName, type TestCa } from '../proxy/origin.ts';
import { createCertificateLab, type CertificateOptions, type Issued } from './certificate-lab.ts';
import { askThrough, startUpstream } from './upstream-server.ts';

let ca: TestCa;
const lab = createCertificateLab();
/** Trusted: of an elliptic curve, and of RSA for digests that go with it alone. */
let root: Issued;
let rsaRoot: Issued;
let rogue: Issued;

before(async () => {
  [ca, root, rogue, rsaRoot] = await Promise.all([
    createTestCa(),
    lab.issueAuthority(),
    lab.issueAuthority(),
    lab.issueAuthority({ key: ['rsa:2048'] }),
  ]);
});
after(() => {
  ca.close();
  lab.close();
});

const san = `subjectAltName=DNS:${originName}`;
const server = 'extendedKeyUsage=serverAuth';
const good = [san, server];
const weak = { ciphers: 'ALL:@SECLEVEL=0' } as const;

interface Shown {
  readonly chain: readonly Issued[];
  /** CAs of the destination beside the two roots. */
  readonly trusted?: readonly Issued[];
  readonly server?: TlsOptions;
  readonly host?: string;
}

interface Bad {
  /** What the refusal names: the code of OpenSSL or Node. */
  readonly says: string;
  readonly shown: () => Promise<Shown>;
}

async function shown(options: CertificateOptions, more: Partial<Shown> = {}): Promise<Shown> {
  return { chain: [await lab.issue({ by: root, ...options })], ...more };
}

const named = (name: string): (() => Promise<Shown>) => {
  return () => shown({ extensions: [`subjectAltName=${name}`, server] });
};

const authority = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'];

/** A leaf below an intermediate, of which something is wrong. */
function below(intermediate: CertificateOptions, leaf: CertificateOptions = {}, more: Partial<Shown> = {}) {
  return async (): Promise<Shown> => {
    const middle = await lab.issueAuthority({ by: root, extensions: authority, ...intermediate });
    const end = await lab.issue({ by: middle, extensions: good, ...leaf });
    return { chain: [end, middle], ...more };
  };
}

const wrongName = 'ERR_TLS_CERT_ALTNAME_INVALID';
const refused: Record<string, Bad> = {
  'is self-signed': {
    says: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    shown: async () => ({ chain: [await lab.issue({ extensions: good })] }),
  },
  'is of a CA that is not trusted': {
    says: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    shown: () => shown({ by: rogue, extensions: good }),
  },
  'comes with its own root, which is not trusted': {
    says: 'SELF_SIGNED_CERT_IN_CHAIN',
    shown: async () => ({ chain: [await lab.issue({ by: rogue, extensions: good }), rogue] }),
  },
  'has expired': { says: 'CERT_HAS_EXPIRED', shown: () => shown({ extensions: good, from: -30, until: -1 }) },
  'is not valid yet': {
    says: 'CERT_NOT_YET_VALID',
    shown: () => shown({ extensions: good, from: 1, until: 2 }),
  },
  'is of an intermediate that has expired': {
    says: 'CERT_HAS_EXPIRED',
    shown: below({ from: -30, until: -1 }),
  },
  'comes without its intermediate': {
    says: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    shown: async () => {
      const { chain } = await below({})();
      return { chain: chain.slice(0, 1) };
    },
  },
  'is of another host': { says: wrongName, shown: named('DNS:other.example.test') },
  'is of a longer name': { says: wrongName, shown: named(`DNS:x.${originName}`) },
  'is of the parent of the name': { says: wrongName, shown: named('DNS:example.test') },
  'is of a wildcard over a top-level domain': { says: wrongName, shown: named('DNS:*.test') },
  'is of a wildcard over everything': { says: wrongName, shown: named('DNS:*') },
  'is of a wildcard in another label than the first': { says: wrongName, shown: named('DNS:api.*.test') },
  'is of two wildcards': { says: wrongName, shown: named('DNS:*.*.test') },
  'names the host as its subject alone': {
    says: wrongName,
    shown: () => shown({ subject: `/CN=${originName}`, extensions: [server] }),
  },
  'names the host as its subject, and an e-mail': {
    says: wrongName,
    shown: () => shown({ subject: `/CN=${originName}`, extensions: ['subjectAltName=email:a@b.test'] }),
  },
  'names the host as an e-mail': { says: wrongName, shown: named(`email:a@${originName}`) },
  'names the host as a URI': { says: wrongName, shown: named(`URI:https://${originName}/`) },
  'names its address alone': { says: wrongName, shown: named('IP:127.0.0.1') },
  'names an address as a DNS name, where the address is asked for': {
    says: wrongName,
    shown: async () => ({ ...(await named('DNS:127.0.0.1')()), host: '127.0.0.1' }),
  },
  'is for clients': {
    says: 'INVALID_PURPOSE',
    shown: () => shown({ extensions: [san, 'extendedKeyUsage=clientAuth'] }),
  },
  'is for signing code': {
    says: 'INVALID_PURPOSE',
    shown: () => shown({ extensions: [san, 'extendedKeyUsage=codeSigning'] }),
  },
  'has a critical extension that nobody knows': {
    says: 'UNHANDLED_CRITICAL_EXTENSION',
    shown: () => shown({ extensions: [...good, '1.3.6.1.4.1.57264.99=critical,ASN1:NULL'] }),
  },
  'is of an issuer that is no CA': {
    says: 'INVALID_PURPOSE',
    shown: below({ extensions: ['basicConstraints=critical,CA:FALSE'] }),
  },
  'is of a leaf of the trusted CA': {
    says: 'INVALID_PURPOSE',
    shown: below({ extensions: good }),
  },
  'is of an issuer that may not sign certificates': {
    says: 'KEY_USAGE_DOES_NOT_INCLUDE_CERTIFICATE_SIGNING',
    shown: below({ extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign'] }),
  },
  'is further from its root than the root allows': {
    says: 'PATH_LENGTH_EXCEEDED',
    shown: async () => {
      const short = await lab.issueAuthority({
        extensions: ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign'],
      });
      const middle = await lab.issueAuthority({ by: short, extensions: authority });
      const end = await lab.issue({ by: middle, extensions: good });
      return { chain: [end, middle], trusted: [short] };
    },
  },
  'has a name that its CA is not permitted': {
    says: 'PERMITTED_SUBTREE_VIOLATION',
    shown: below({ extensions: [...authority, 'nameConstraints=critical,permitted;DNS:elsewhere.test'] }),
  },
  'has a name that its CA is denied': {
    says: 'EXCLUDED_SUBTREE_VIOLATION',
    shown: below({ extensions: [...authority, 'nameConstraints=critical,excluded;DNS:example.test'] }),
  },
  'is signed with SHA-1': {
    says: 'CA_SIGNATURE_DIGEST_ALGORITHM_TOO_WEAK',
    shown: () => shown({ extensions: good, digest: 'sha1' }),
  },
  'is signed with MD5': {
    says: 'CA_SIGNATURE_DIGEST_ALGORITHM_TOO_WEAK',
    shown: () => shown({ by: rsaRoot, extensions: good, digest: 'md5' }),
  },
  'is of an intermediate that is signed with SHA-1': {
    says: 'CA_SIGNATURE_DIGEST_ALGORITHM_TOO_WEAK',
    shown: below({ digest: 'sha1' }),
  },
  'has an RSA key of 1024 bits': {
    says: 'EE_CERTIFICATE_KEY_TOO_WEAK',
    shown: () => shown({ extensions: good, key: ['rsa:1024'] }, { server: weak }),
  },
  'is of an intermediate with an RSA key of 1024 bits': {
    says: 'CA_CERTIFICATE_KEY_TOO_WEAK',
    shown: below({ key: ['rsa:1024'] }, {}, { server: weak }),
  },
  'has a key of a curve of 192 bits': {
    says: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    shown: () =>
      shown({ extensions: good, key: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime192v1'] }, { server: weak }),
  },
};

const accepted: Record<string, () => Promise<Shown>> = {
  'is what it should be': () => shown({ extensions: good }),
  'has neither key identifiers nor key usages': () =>
    shown({ extensions: [san, 'subjectKeyIdentifier=none', 'authorityKeyIdentifier=none'] }),
  'is of a wildcard over the one label': named('DNS:*.example.test'),
  'is of an intermediate that comes along': below({}),
  'has an RSA key of 2048 bits': () => shown({ extensions: good, key: ['rsa:2048'] }),
  'has a key of P-384': () => shown({ extensions: good, key: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'] }),
  'names its address, where the address is asked for': async () => ({
    ...(await named('IP:127.0.0.1')()),
    host: '127.0.0.1',
  }),
  // Nobody asks for revocation here: docs/security says so. A stapled answer would be the server's own choice.
  'says that it must be stapled and is not': () =>
    shown({ extensions: [...good, 'tlsfeature=status_request'] }),
};

async function ask({ chain, trusted = [], host, ...rest }: Shown) {
  const cert = chain.map((each) => each.cert).join('');
  const upstream = await startUpstream({ cert, key: chain[0]?.key ?? '', ...rest.server });
  const caBundle = [root, rsaRoot, ...trusted].map((each) => each.cert).join('');
  try {
    const answer = await askThrough({
      ca,
      port: upstream.port,
      caBundle,
      ...(host === undefined ? {} : { host }),
    });
    return { answer, received: upstream.received() };
  } finally {
    await upstream.close();
  }
}

describe('T-01: an upstream is not trusted when its certificate', () => {
  for (const [title, bad] of Object.entries(refused)) {
    test(title, async () => {
      const { answer, received } = await ask(await bad.shown());
      assert.deepEqual([answer.status, answer.problem?.code], [502, 'upstream_untrusted'], answer.body);
      assert.match(answer.problem?.message ?? '', new RegExp(`\\((?:${bad.says})\\)`));
      assert.equal(received, '', 'nothing is sent');
    });
  }
});

describe('T-01: an upstream is trusted when its certificate', () => {
  for (const [title, make] of Object.entries(accepted)) {
    test(title, async () => {
      const { answer, received } = await ask(await make());
      assert.equal(answer.status, 200, answer.body);
      assert.match(received, /^GET \/token\/x /);
    });
  }
});
