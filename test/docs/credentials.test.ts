// docs/credentials is what a team reads first: each source, login and injection must have a page there that is whole, and
// whatever can fail must be on one.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { causeOfCode } from '../../operator/controllers/failure-causes.ts';
import { reasons } from '../../policy/reasons.ts';
import { isParsed, parseResource } from '../../policy/parse.ts';
import { kinds } from '../../policy/resources/kinds.ts';
import { errorCatalogue } from '../../sidecar/errors.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'docs', 'credentials');
const pages = new Map(
  globSync('*.md', { cwd: folder }).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
);
const index = pageOf('README.md');

/** What is about all credentials, or about none of one's own. */
const general = new Set(['README.md', 'status.md', 'minting-endpoints.md', 'token-endpoints.md']);
const pagesOfKinds = [...pages.keys()].filter((name) => !general.has(name)).toSorted();

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

function pageOf(name: string): string {
  const page = pages.get(name);
  assert.ok(page !== undefined, `there is no docs/credentials/${name}`);
  return page;
}

/** The spec as the API server knows it. */
function specOf(crd: string): Schema {
  const { spec } = parse(readFileSync(join(root, 'crds', crd), 'utf8')) as {
    spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
  };
  return spec.versions[0]?.schema.openAPIV3Schema.properties?.spec ?? {};
}

function fieldsAt(schema: Schema, path: string): string[] {
  const at = path.split('.').reduce((node, name) => node.properties?.[name] ?? {}, schema);
  const fields = Object.keys(at.properties ?? {});
  assert.ok(fields.length > 0, `there is nothing at ${path}`);
  return fields.toSorted();
}

const credentialSpec = specOf('agentcredentials.yaml');
const storeSpec = specOf('agentsecretstores.yaml');
const sources = fieldsAt(credentialSpec, 'source');
const injections = fieldsAt(credentialSpec, 'inject');

/** A section, which ends at the next heading of its level or above. */
function sectionOf(page: string, heading: RegExp): string | null {
  const found = heading.exec(page);
  if (found === null) return null;
  const level = found[0].trimStart().indexOf(' ');
  const rest = page.slice(found.index + found[0].length);
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** Cells of a table's rows, but for its head. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| .+ \|$/gm)]
    .map(([row]) =>
      row
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
    .filter(([first = '']) => !/^-+$/.test(first))
    .slice(1);
}

function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

interface Shown {
  readonly kind: string;
  readonly spec: {
    readonly source?: object;
    readonly inject?: object;
    readonly allow?: readonly { readonly inject?: object }[];
    readonly vault?: { readonly auth: object };
    readonly awsSecretsManager?: { readonly auth?: object };
  };
}

/** The resources of a page, each of them whole. */
function resourcesOf(page: string): Shown[] {
  return [...page.matchAll(/^( *)```yaml\n([\s\S]*?)\n\1```$/gm)].flatMap(([, indent, text = '']) =>
    [...parseAllDocuments(text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))].map(
      (document) => document.toJS() as Shown,
    ),
  );
}

/** Keys of unions that a page has an example of. */
function shownOn(page: string): Set<string> {
  const shown = new Set<string>();
  for (const { spec } of resourcesOf(page)) {
    const unions = [spec.source, spec.inject, ...(spec.allow ?? []).map(({ inject }) => inject)];
    const source = Object.values(spec.source ?? {}) as object[];
    for (const union of [...unions, ...source, spec.vault?.auth, spec.awsSecretsManager?.auth]) {
      for (const key of Object.keys(union ?? {})) shown.add(key);
    }
    // What is not written is the default.
    if (spec.awsSecretsManager !== undefined && spec.awsSecretsManager.auth === undefined) {
      shown.add('webIdentity');
    }
  }
  return shown;
}

const seeing = /^## (?:How to see that it works|See that it works)$/m;
const failing = /^## (?:When it fails|What (?:each|a) failure says)$/m;

/** The sidecar's own troubles, and capture's, which are in docs/capture.md; a credential can fail with all others. */
const ownTrouble =
  /^(?:CAPTURE|CONFIG|ENVIRONMENT|PORT|STATE|COUNTERS|KEYS|TRUST|SIDECAR|OPERATOR|STREAM|RULESET|DECISIONS|SPANS)_/;
const codes = Object.keys(errorCatalogue).filter((code) => !ownTrouble.test(code));

describe('docs/credentials/README.md', () => {
  const tables: Record<string, readonly string[]> = { '### Sources': sources, '### Injections': injections };
  for (const [heading, kindsOfIt] of Object.entries(tables)) {
    const rows = rowsOf(sectionOf(index, new RegExp(`^${heading}$`, 'm')) ?? '');

    it(`has every kind under “${heading}”, and no other`, () => {
      const listed = rows.map(([first = '']) => first.replaceAll('`', ''));
      assert.deepEqual(listed.toSorted(), kindsOfIt);
    });

    for (const [first = '', second = ''] of rows) {
      it(`leads from ${first} to a page with an example of it`, () => {
        const [link = ''] = linksOf(second);
        assert.ok(shownOn(pageOf(link.split('#')[0] ?? '')).has(first.replaceAll('`', '')), link);
      });
    }
  }

  it('leads to every page', () => {
    const linked = new Set(linksOf(index).map((link) => link.split('#')[0]));
    for (const name of pages.keys()) if (name !== 'README.md') assert.ok(linked.has(name), name);
  });

  it('shows the columns that kubectl prints', () => {
    const { spec } = parse(readFileSync(join(root, 'crds', 'agentcredentials.yaml'), 'utf8')) as {
      spec: { versions: { additionalPrinterColumns: { name: string; priority?: number }[] }[] };
    };
    const columns = (spec.versions[0]?.additionalPrinterColumns ?? [])
      .filter(({ priority = 0 }) => priority === 0)
      .map(({ name }) => name.toUpperCase());
    const shown = /^NAME .+$/m.exec(index)?.[0].split(/\s+/);
    assert.deepEqual(shown, ['NAME', ...columns]);
  });
});

describe('the pages of sources and injections', () => {
  it('have an example of every way to log in, and of every part of a source', () => {
    const shown = new Set(pagesOfKinds.flatMap((name) => [...shownOn(pageOf(name))]));
    const ways = [
      ...fieldsAt(storeSpec, 'vault.auth'),
      ...fieldsAt(storeSpec, 'awsSecretsManager.auth'),
      'kv',
      'dynamic',
      'volume',
    ];
    for (const way of ways) assert.ok(shown.has(way), way);
  });

  for (const name of pagesOfKinds) {
    describe(name, () => {
      const page = pageOf(name);

      it('has a whole AgentCredential, and no resource with a mistake', () => {
        const resources = resourcesOf(page);
        assert.ok(resources.some(({ kind }) => kind === 'AgentCredential'));
        for (const resource of resources) {
          assert.ok(Object.hasOwn(kinds, resource.kind), resource.kind);
          const parsed = parseResource(resource.kind as keyof typeof kinds, resource);
          assert.ok(isParsed(parsed), JSON.stringify(parsed));
        }
      });

      it('says how to see that it works', () => {
        assert.match(sectionOf(page, seeing) ?? '', /^```(?:shell|sh|console)\n/m);
      });

      it('has a table of failures, of codes and reasons that there are', () => {
        const rows = rowsOf(sectionOf(page, failing) ?? '');
        assert.ok(rows.length > 3, 'a table of failures');
        for (const [first = ''] of rows) {
          for (const [, code = ''] of first.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
            assert.ok(Object.hasOwn(errorCatalogue, code), code);
          }
          for (const [, reason = ''] of first.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)) {
            const isOAuth = /^(?:invalid|unauthorized|unsupported|signature|timestamp)_/.test(reason);
            assert.ok(isOAuth || Object.hasOwn(reasons, reason), reason);
          }
        }
      });
    });
  }
});

describe('of what can fail', () => {
  const told = pagesOfKinds.map((name) => sectionOf(pageOf(name), failing) ?? '').concat(index);

  for (const code of codes) {
    it(`${code} is on a page that says what to do`, () => {
      assert.ok(
        told.some((text) => text.includes(`\`${code}\``)),
        causeOfCode(code).message,
      );
    });
  }
});

describe('the folder', () => {
  for (const [name, page] of pages) {
    it(`${name} links only to what is there`, () => {
      for (const link of linksOf(page).filter((each) => !/^https?:/.test(each))) {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? join(folder, name) : join(folder, path);
        assert.ok(existsSync(target), link);
        assert.ok(!relative(root, target).startsWith('..'), link);
        if (anchor !== undefined) {
          assert.ok(anchorsOf(readFileSync(target, 'utf8')).has(anchor), `${link}: no such heading`);
        }
      }
    });

    it(`${name} shows commands that a shell can read`, () => {
      for (const [, indent, text = ''] of page.matchAll(/^( *)```(?:shell|sh)\n([\s\S]*?)\n\1```$/gm)) {
        const input = text.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
        const { status, stderr } = spawnSync('bash', ['-n'], { input, encoding: 'utf8' });
        assert.equal(status, 0, `${stderr}${input}`);
      }
    });
  }

  for (const page of ['README.md', 'docs/errors.md', 'docs/policy.md']) {
    it(`is where ${page} leads`, () => {
      const links = linksOf(readFileSync(join(root, page), 'utf8'));
      assert.ok(links.some((link) => join(dirname(page), link) === 'docs/credentials/README.md'));
    });
  }
});

function anchorsOf(page: string): Set<string> {
  return new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9 _-]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
