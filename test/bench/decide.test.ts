import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { requireAgreement } from '../../bench/decide.ts';
import { createFloor } from '../../bench/decide/floor.ts';
import { refusal, spell, type Engine } from '../../bench/decide/engine.ts';
import { shapeOf } from '../../bench/decide/path-shape.ts';
import { placeOf, rulesByPlace } from '../../bench/decide/places.ts';
import { createReader, generateRequests, type WireRequest } from '../../bench/decide/requests.ts';
import { generateRules, type BenchRule } from '../../bench/decide/rules.ts';
import { timeDecisions } from '../../bench/decide/stopwatch.ts';

const main = join(import.meta.dirname, '../../bench/main.ts');

interface Percentiles {
  readonly p50Us: number;
  readonly p99Us: number;
}
type PrintedFigure = Percentiles & { readonly fresh: Percentiles };

describe('the bench of decisions', () => {
  const request: WireRequest = {
    host: 'api.example.com',
    method: 'GET',
    target: '/v1/items?page=2',
    headers: [],
    placeholder: null,
  };

  it('refuses to compare who do not agree, and names the request and what each says', () => {
    const answers = new Map([
      ['outrider', ['deny by no rule', 'allow by a/b']],
      ['opa', ['deny by no rule', 'deny by no rule']],
    ]);
    assert.throws(() => requireAgreement(answers, [request, request], 1000), {
      message:
        'no agreement on GET https://api.example.com/v1/items?page=2 by 1000 rules: outrider: allow by a/b; opa: deny by no rule',
    });
  });

  it('refuses an engine that answered fewer requests than the others', () => {
    const answers = new Map([
      ['outrider', ['deny by no rule']],
      ['opa', []],
    ]);
    assert.throws(() => requireAgreement(answers, [request], 10), /opa: nothing/);
  });

  it('refuses to hand a peer a path that it would read otherwise', () => {
    for (const path of ['/a/**/b/**', '/a*b*c', '/**/a/**/b']) assert.throws(() => shapeOf(path), RangeError);
  });

  it('measures nothing of an engine that answers nothing', () => {
    const silent = { decide: () => undefined } as unknown as Engine;
    assert.throws(() => timeDecisions(silent, [createReader(request)], { ms: 0, decisions: 1 }), /no answer/);
  });

  it('draws the same rules and requests each time, the fewer rules being the first of the more', () => {
    const rules = generateRules(200);
    assert.deepEqual(generateRules(200), rules);
    assert.deepEqual(generateRules(50), rules.slice(0, 50));
    assert.deepEqual(generateRequests(rules, 300), generateRequests(rules, 300));
  });

  it('draws requests of every kind', () => {
    const rules = generateRules(500);
    const floor = createFloor(rules);
    const answers = generateRequests(rules, 1000).map((each) => floor.decide(createReader(each)()));
    const allowed = answers.filter(({ action }) => action === 'allow');
    const guarded = answers.filter(({ action, rule }) => action === 'deny' && rule !== null);
    assert.equal(allowed.length, 700);
    assert.equal(guarded.length, 60);
    assert.ok(allowed.some(({ credential }) => credential !== null));
    assert.ok(allowed.some(({ credential }) => credential === null));
  });

  it('gives each peer the rules of a host in their order, wildcards and guards without hosts among them', () => {
    const rule = (index: number, hosts: string[] | null): BenchRule => ({
      index,
      policy: 'p',
      name: `r-${index}`,
      action: 'Deny',
      hosts,
      methods: null,
      paths: null,
      credential: null,
    });
    const rules = [
      rule(0, ['**.example.com']),
      rule(1, null),
      rule(2, ['a.example.com']),
      rule(3, ['*.example.com', '*.b.example.com']),
    ];
    const places = rulesByPlace(rules);
    const expected: Record<string, number[]> = {
      'a.example.com': [0, 1, 2, 3],
      'c.example.com': [0, 1, 3],
      'x.b.example.com': [0, 1, 3],
      'x.y.example.com': [0, 1],
      'example.com': [1],
      'example.org': [1],
    };
    for (const [host, indices] of Object.entries(expected)) {
      assert.deepEqual(
        placeOf(places, host).map(({ index }) => index),
        indices,
        host,
      );
    }
  });

  it('spells answers so that rule and credential count', () => {
    assert.equal(spell(refusal), 'deny by no rule');
    assert.equal(spell({ action: 'allow', policy: 'p', rule: 'r', credential: 'c' }), 'allow by p/r with c');
  });

  it('ends with one line of JSON once Outrider, the floor and the rules as written agree', async () => {
    const { promise, resolve } = Promise.withResolvers<[number, string, string]>();
    const argv = [main, 'decide', '--json', '--rules=10', '--rounds=5', '--only=outrider,floor'];
    const child = execFile(process.execPath, argv, { timeout: 120_000 }, (_, stdout, stderr) => {
      resolve([child.exitCode ?? -1, stdout, stderr]);
    });
    const [code, stdout, stderr] = await promise;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^[^\n]+\n$/);
    assert.match(stderr, /10 rules: all agree on 2000 requests/);
    const figures = JSON.parse(stdout) as Record<string, Record<string, PrintedFigure>>;
    const outrider = figures['outrider']?.['10'];
    const floor = figures['floor']?.['10'];
    assert.ok(outrider !== undefined && floor !== undefined);
    assert.deepEqual(Object.keys(outrider), ['p50Us', 'p99Us', 'fresh', 'compileMs']);
    assert.deepEqual(Object.keys(floor), ['p50Us', 'p99Us', 'fresh']);
    for (const { p50Us, p99Us } of [outrider, outrider.fresh, floor, floor.fresh]) {
      assert.ok(p50Us > 0 && p99Us >= p50Us);
    }
  });
});
