// I3, I4: raw requests through every way in to four servers that are not ours and tell what they read.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { emptyRuleset, type Ruleset } from '../../../policy/ruleset.ts';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { createTestCa, type TestCa } from '../proxy/origin.ts';
import { attempt } from './attempt.ts';
import type { Corpus, WireCase } from './corpus/case.ts';
import { chunks } from './corpus/chunks.ts';
import { contentLength } from './corpus/content-length.ts';
import { headerLines } from './corpus/header-lines.ts';
import { requestLines } from './corpus/request-lines.ts';
import { targets } from './corpus/targets.ts';
import { transferEncoding } from './corpus/transfer-encoding.ts';
import { entries, type Entry } from './entries.ts';
import { startWireOrigins, type TappedOrigin, type WireOrigins } from './origins.ts';

const corpora: Record<string, Corpus> = {
  'H-03: Transfer-Encoding': transferEncoding,
  'H-02: Content-Length and bodies': contentLength,
  'H-04: chunks': chunks,
  'H-30 to H-35: headers': headerLines,
  'H-20 to H-24: targets': targets,
  'H-10, H-11, H-13: request lines and hosts': requestLines,
};

let ca: TestCa;
let origins: WireOrigins;
/** One for each origin, so that its records are of one request at a time. */
const fixtures: Fixture[] = [];

before(async () => {
  ca = await createTestCa();
  origins = await startWireOrigins(ca);
  for (const origin of origins.all) {
    fixtures.push(
      await startFixture({
        ca,
        origin: { port: origin.tls.port },
        capture: { ports: [{ port: origin.plain.port, listener: 0 }] },
        ruleset: rulesetFor([origin], ca),
        resolver: createResolver({ overrides: { [origin.host]: '127.0.0.1' } }),
      }),
    );
  }
});
after(async () => {
  for (const fixture of fixtures) await fixture.close();
  await origins?.close();
  ca.close();
});

for (const entry of entries) {
  describe(`H-01, I3: through ${entry.title}, it is refused before a byte is sent, or four servers read what was decided`, () => {
    for (const [title, corpus] of Object.entries(corpora)) {
      test(title, { timeout: 300_000 }, async (context) => {
        const cases = Object.entries(corpus).filter(([, each]) => isMeant(each, entry));
        const counts = { refused: 0, agreed: 0 };
        const failures: string[] = [];
        // A line each: what one origin read is known from its log alone, so requests to it wait for each other.
        await Promise.all(
          origins.all.map(async (origin, lane) => {
            const fixture = fixtures[lane];
            assert.ok(fixture !== undefined);
            for (const [at, [name, each]] of cases.entries()) {
              // What is refused is refused before there is an origin, so each of the four sees every fourth.
              if (each.reading === undefined && each.isDenied !== true && at % 4 !== lane) continue;
              try {
                counts[await attempt({ entry, origin, fixture }, each)] += 1;
              } catch (error) {
                failures.push(`${origin.name}: ${name}: ${(error as Error).message}`);
              }
            }
          }),
        );
        context.diagnostic(`${cases.length} cases: ${counts.refused} refused, ${counts.agreed} agreed`);
        assert.equal(failures.length, 0, failures.join('\n\n'));
      });
    }
  });
}

function isMeant(each: WireCase, entry: Entry): boolean {
  if (each.needsTls === true && entry.scheme === 'http') return false;
  return each.only === undefined || each.only === entry.target;
}

/** Everything under /plain as it is, /token with a credential, and nothing else. */
function rulesetFor(all: readonly TappedOrigin[], { authority }: TestCa): Ruleset {
  const places = all.flatMap(({ name, host, tls, plain }) => [
    { key: name, host, port: tls.port, scheme: 'https' as const },
    { key: `${name}-plain`, host, port: plain.port, scheme: 'http' as const },
  ]);
  return {
    ...emptyRuleset({ namespace: 'research', serviceAccount: 'agent' }),
    grants: places.flatMap(({ key, scheme }) => [
      {
        policy: 'team',
        name: `plain-${key}`,
        action: 'Allow' as const,
        destination: key,
        paths: ['/plain/**'],
      },
      ...(scheme === 'http'
        ? []
        : [
            {
              policy: 'team',
              name: `token-${key}`,
              action: 'Allow' as const,
              destination: key,
              paths: ['/token/**'],
              credential: 'token',
            },
          ]),
    ]),
    credentials: {
      token: {
        source: { kind: 'file', path: 'token' },
        allow: all.map(({ name }) => ({ destination: name })),
        inject: { kind: 'bearer' },
        refreshIntervalMs: 60_000,
      },
    },
    destinations: Object.fromEntries(
      places.map(({ key, host, port, scheme }) => [
        key,
        {
          names: [host],
          port,
          scheme,
          cidrs: ['127.0.0.0/8'],
          ...(scheme === 'https' ? { caBundle: authority.certPem } : {}),
        },
      ]),
    ),
  };
}
