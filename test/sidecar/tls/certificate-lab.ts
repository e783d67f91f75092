// A laboratory of certificates that should not be, made by openssl so that no bug of our own encoder can hide.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './program.ts';

export interface Issued {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly subject?: string;
  /** Lines of an extensions section of openssl's. */
  readonly extensions?: readonly string[];
  /** The issuer; absent: itself. */
  readonly by?: Issued;
  /** Arguments of -newkey. */
  readonly key?: readonly string[];
  readonly digest?: string;
  /** In days from now. */
  readonly from?: number;
  readonly until?: number;
}

export interface CertificateLab {
  readonly folder: string;
  issue(options?: CertificateOptions): Promise<Issued>;
  /** A CA certificate, whatever its extensions allow it. */
  issueAuthority(options?: CertificateOptions): Promise<Issued>;
  close(): void;
}

const p256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const dayMs = 86_400_000;

export function createCertificateLab(): CertificateLab {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-lab-'));
  let count = 0;

  async function issue(options: CertificateOptions = {}): Promise<Issued> {
    const { by, key = p256, digest = 'sha256', from = -1, until = 30, extensions = [] } = options;
    count += 1;
    const base = join(folder, `c${count}`);
    const paths = { certPath: `${base}.crt`, keyPath: `${base}.key` };
    writeFileSync(
      `${base}.cnf`,
      `[req]\ndistinguished_name=empty\n[empty]\n[own]\n${extensions.join('\n')}\n`,
    );
    const subject = ['-subj', options.subject ?? `/CN=lab ${count}`];
    const request = ['req', '-new', '-config', `${base}.cnf`, '-nodes', '-newkey', ...key, ...subject];
    await run('openssl', [...request, '-keyout', paths.keyPath, '-out', `${base}.csr`]);
    // `openssl ca` is the one of its programs that takes both dates, the past included.
    writeFileSync(`${base}.txt`, '');
    writeFileSync(
      `${base}.ca.cnf`,
      [
        '[ca]\ndefault_ca=lab\n[lab]',
        `database=${base}.txt\nnew_certs_dir=${folder}\nrand_serial=yes`,
        'policy=any\nunique_subject=no\nemail_in_dn=no',
        '[any]\norganizationName=optional\ncommonName=optional',
        `[own]\n${extensions.join('\n')}\n`,
      ].join('\n'),
    );
    const issuer = by ?? paths;
    const signing = by === undefined ? ['-selfsign'] : ['-cert', issuer.certPath];
    const how = ['ca', '-batch', '-notext', '-config', `${base}.ca.cnf`, '-extensions', 'own', '-md', digest];
    const when = ['-startdate', asn1Time(from), '-enddate', asn1Time(until)];
    const files = ['-in', `${base}.csr`, '-out', paths.certPath, '-keyfile', issuer.keyPath];
    await run('openssl', [...how, ...when, ...files, ...signing]);
    return { ...paths, cert: readFileSync(paths.certPath, 'utf8'), key: readFileSync(paths.keyPath, 'utf8') };
  }

  return {
    folder,
    issue,
    issueAuthority: (options = {}) =>
      issue({
        ...options,
        extensions: options.extensions ?? [
          'basicConstraints=critical,CA:TRUE',
          'keyUsage=critical,keyCertSign,cRLSign',
          'subjectKeyIdentifier=hash',
        ],
      }),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function asn1Time(days: number): string {
  const iso = new Date(Date.now() + days * dayMs).toISOString();
  return iso.replace(/[-:T]|\.\d+/g, '');
}
