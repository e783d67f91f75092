import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface CertificateRequest {
  /** Names the files: NAME.crt and NAME.key. */
  readonly name: string;
  /** In openssl's form: /O=system:masters/CN=admin */
  readonly subject: string;
  /** In openssl's form: DNS:vault.vault.svc, IP:127.0.0.1 */
  readonly alternativeNames?: readonly string[];
  readonly usages: readonly ('serverAuth' | 'clientAuth')[];
}

export interface Certificate {
  readonly certPath: string;
  readonly keyPath: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Authority {
  readonly certPath: string;
  readonly keyPath: string;
  readonly certPem: string;
  issue(request: CertificateRequest): Promise<Certificate>;
}

/** A certificate authority for one run, in `folder`. Thirty days, because nobody keeps a test cluster longer. */
export async function createAuthority(folder: string, name = 'ca'): Promise<Authority> {
  // The system's openssl.cnf adds extensions of its own, which ours would then contradict.
  const config = join(folder, `${name}.cnf`);
  await writeFile(config, '[req]\ndistinguished_name = empty\n[empty]\n');
  const newKey = [
    '-config',
    config,
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '30',
  ];
  const paths = (base: string): { certPath: string; keyPath: string } => ({
    certPath: join(folder, `${base}.crt`),
    keyPath: join(folder, `${base}.key`),
  });
  const make = async (base: string, args: readonly string[]): Promise<Certificate> => {
    const { certPath, keyPath } = paths(base);
    await run('openssl', ['req', '-x509', ...newKey, '-keyout', keyPath, '-out', certPath, ...args]);
    const [certPem, keyPem] = await Promise.all([readFile(certPath, 'utf8'), readFile(keyPath, 'utf8')]);
    return { certPath, keyPath, certPem, keyPem };
  };

  const extensions = (...lines: string[]): string[] => lines.flatMap((line) => ['-addext', line]);
  const authority = await make(name, [
    '-subj',
    `/CN=outrider-test ${name}`,
    ...extensions(
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
      'subjectKeyIdentifier=hash',
    ),
  ]);
  const signing = ['-CA', authority.certPath, '-CAkey', authority.keyPath];
  return {
    certPath: authority.certPath,
    keyPath: authority.keyPath,
    certPem: authority.certPem,
    issue: (request) =>
      make(request.name, [
        '-subj',
        request.subject,
        ...signing,
        ...extensions(
          'basicConstraints=critical,CA:FALSE',
          `extendedKeyUsage=${request.usages.join(',')}`,
          'authorityKeyIdentifier=keyid',
          ...(request.alternativeNames ? [`subjectAltName=${request.alternativeNames.join(',')}`] : []),
        ),
      ]),
  };
}
