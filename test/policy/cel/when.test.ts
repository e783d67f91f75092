import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { compileExpression } from '../../../policy/cel/expression.ts';
import { createRun, maxSteps } from '../../../policy/cel/run.ts';
import { compileWhen } from '../../../policy/cel/when.ts';
import { createReading, type Reading } from '../../../policy/reading.ts';
import { noBody, type CanonicalRequest } from '../../../policy/request.ts';

const agent = { namespace: 'support', serviceAccount: 'triage' };
const nowMs = Date.parse('2026-11-18T09:30:00Z');

interface Sent {
  readonly json?: string;
  readonly form?: string;
  readonly type?: string;
  readonly query?: string;
  readonly headers?: string[];
  readonly nowMs?: number | null;
}

function readingOf({ json, form, type, query, headers = [], nowMs: clock = nowMs }: Sent = {}): Reading {
  const text = json ?? form;
  const mediaType = type ?? (json === undefined ? 'application/x-www-form-urlencoded' : 'application/json');
  const request: CanonicalRequest = {
    scheme: 'https',
    host: 'api.example',
    port: 443,
    method: 'POST',
    path: '/v1/refunds',
    segments: ['v1', 'refunds'],
    opens: [],
    query: query ?? null,
    headers: text === undefined ? headers : ['content-type', mediaType, ...headers],
    body: text === undefined ? noBody : { kind: 'read', bytes: Buffer.from(text), isWhole: true },
    placeholder: null,
  };
  return createReading(request, clock);
}

const grants = (when: string, sent?: Sent): boolean =>
  compileWhen(when, 'grant', agent).condition(readingOf(sent)) === null;
const guards = (when: string, sent?: Sent): boolean =>
  compileWhen(when, 'guard', agent).condition(readingOf(sent)) === null;

describe('an expression that cannot be decided grants nothing and guards', () => {
  const undecided: Record<string, [when: string, sent?: Sent]> = {
    'with a number that servers read differently (H-51)': [
      'request.body.amount > 5',
      { json: '{"amount": 9007199254740993}' },
    ],
    'with such a number, even where the rest would do (H-51)': [
      'request.body.amount > 5 || true',
      { json: '{"amount": 1e400}' },
    ],
    'with such a number in a list that is searched (H-51)': [
      '!(5 in request.body)',
      { json: '[1, 9007199254740993]' },
    ],
    'with a body that is not JSON (H-50)': ['request.body == null || true', { json: '{' }],
    'with a body with a key twice (H-51)': ['request.body.a == 1', { json: '{"a":1,"\\u0061":1}' }],
    'with JSON sent as text (H-50)': ['request.body.a == 1', { json: '{"a":1}', type: 'text/plain' }],
    'with a multipart body (H-52)': [
      'request.body != null',
      { form: '--x--', type: 'multipart/form-data; boundary=x' },
    ],
    'with a query that cannot be read': ['size(request.query) >= 0', { query: 'a=%ff' }],
    'with a clock in doubt (P-14)': ['now > timestamp(0) || true', { nowMs: null }],
    'with a message that is none (M-03)': ['mcp.method == "tools/call" || true', { json: '{}' }],
    'with a key that is not there': ['request.body.amount > 5', { json: '{}' }],
    'with a key that a prototype has': ['request.body.constructor != null', { json: '{}' }],
    'with __proto__, which is a key like any other': ['request.body.__proto__ != null', { json: '{}' }],
    'with a value of another type': ['request.body.amount > 5', { json: '{"amount": "6"}' }],
    'with a value that is no bool': ['request.body', { json: '"true"' }],
    'with a division by zero': ['1 / size(request.query) == 1'],
    'with an integer of more than 64 bits': [
      'request.body * 9007199254740991 > 0',
      { json: '9007199254740991' },
    ],
    'with an element of a list that is not there': ['request.segments[2] != ""'],
    'with all of a list, one of which has no value, when no other decides': [
      'request.body.all(x, x > 0)',
      { json: '[1, "2"]' },
    ],
  };
  for (const [how, [when, sent]] of Object.entries(undecided)) {
    it(how, () => {
      assert.equal(compileWhen(when, 'grant', agent).problem, null);
      assert.equal(grants(when, sent), false);
      assert.equal(guards(when, sent), true);
    });
  }
});

describe('what is no expression grants nothing, guards, and says where', () => {
  const broken: Record<string, [when: string, problem: RegExp]> = {
    'with a syntax error': ['request.method == ', /^line 1, column 19: Unexpected token/],
    'with an error on its second line': [
      'request.method == "GET" &&\n  request.metod == "x"',
      /^line 2, column 11: /,
    ],
    'with a field that requests do not have': [
      'request.token == ""',
      /^line 1, column 9: No such key: token$/,
    ],
    'with a variable that does not exist': ['env.HOME == ""', /Unknown variable: env/],
    'with types that never compare': ['request.port == "443"', /no such overload: int == string/],
    'that is no bool': ['request.method', /must be a bool, and is of type string/],
    'longer than 1,024 characters (O-06)': [`"${'a'.repeat(1024)}" == ""`, /longer than 1024/],
    'nested too deeply (O-06)': [`${'('.repeat(60)}true${')'.repeat(60)}`, /maxDepth/],
    'with too many parts (O-06)': [`${'1+'.repeat(400)}1 == 1`, /maxAstNodes/],
    'with a pattern that is no RE2 (H-25)': [
      'request.path.matches("(a)\\\\1")',
      /^line 1, column \d+: The pattern has/,
    ],
    'with a pattern from the request (H-25)': [
      'request.path.matches(request.body.pattern)',
      /must be written as a string/,
    ],
    'with a pattern that is put together (H-25)': [
      'request.path.matches("a" + "b")',
      /must be written as a string/,
    ],
    'with a time zone that does not exist': [
      'now.getHours("Mars/Olympus") > 8',
      /no time zone Mars\/Olympus/,
    ],
    'with a time zone from the request': ['now.getHours(request.host) > 8', /time zone must be written/],
    'with a function that is not standard': ['request.path.split("/").size() > 1', /split\(\) is not part/],
    'with a method of bytes that is not standard': [
      'bytes(request.body).json().a == 1',
      /json\(\) is not part/,
    ],
    'with bindings, which double what they bind': [
      'cel.bind(x, "a", x + x) == "aa"',
      /bind\(\) is not part|Unknown/,
    ],
    'with optional values': ['request.?body.orValue(1) == 1', /./],
    'with request as a value': ['dyn(request) == dyn(request)', /request has the fields method, /],
    'with an index into request': ['request["body"] == 1', /request has the fields method, /],
    'with an integer of more than 64 bits': ['request.port < 9223372036854775808', /more than 64 bits/],
  };
  for (const [how, [when, problem]] of Object.entries(broken)) {
    it(how, () => {
      assert.match(compileWhen(when, 'grant', agent).problem ?? 'no problem', problem);
      assert.equal(grants(when), false);
      assert.equal(guards(when), true);
    });
  }
});

describe('an expression is false', () => {
  const refused: Record<string, [when: string, sent?: Sent]> = {
    'of another method': ['request.method == "GET"'],
    'of a header with another value': ['request.headers["x-team"] == ["a"]', { headers: ['x-team', 'b'] }],
    'of a text that is not a number': ['request.body.amount == 5', { json: '{"amount":"5"}' }],
    'of a body that is not there': ['request.body != null'],
    'of a pattern that is nowhere in a text': ['request.path.matches("^/v2")'],
    'of all of a list with one that is not': ['request.body.all(x, x > 1)', { json: '[2, 1, "3"]' }],
  };
  for (const [how, [when, sent]] of Object.entries(refused)) {
    it(`${how}: its grant and its guard miss`, () => {
      assert.equal(compileWhen(when, 'grant', agent).problem, null);
      assert.equal(grants(when, sent), false);
      assert.equal(guards(when, sent), false);
    });
  }
});

describe('an expression is true', () => {
  const form: Sent = { form: 'amount=5&to=a&to=b' };
  const json: Sent = {
    json: '{"amount": 5, "rate": 0.5, "to": ["a@acme.example", "b@acme.example"], "a": {"b": null}, "\\ud83d\\ude00": 1}',
  };
  const call: Sent = {
    json: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create","arguments":{"n":2}}}',
  };
  const held: Record<string, [when: string, sent?: Sent]> = {
    'of the request’s head': [
      'request.method == "POST" && request.scheme == "https" && request.host.endsWith(".example") && request.port == 443',
    ],
    'of the path and its segments': ['request.path == "/v1/refunds" && request.segments[1] == "refunds"'],
    'of the query, whose names have lists': [
      'request.query.a == ["1", "2"] && request.query["b"][0] == "x y"',
      { query: 'a=1&b=x+y&a=2' },
    ],
    'of headers': [
      '"x-team" in request.headers && request.headers["x-team"][0] == "a"',
      { headers: ['x-team', 'a'] },
    ],
    'of a JSON body': ['request.body.amount <= 10 && request.body.rate < 1.0 && request.body.rate < 1', json],
    'of every recipient': ['request.body.to.all(x, x.endsWith("@acme.example"))', json],
    'of some recipient': ['request.body.to.exists(x, x.startsWith("b@"))', json],
    'of exactly one recipient': ['request.body.to.exists_one(x, x.contains("a@"))', json],
    'of recipients that are picked out': ['request.body.to.filter(x, x < "b").map(x, size(x)) == [14]', json],
    'of a field that is there and null': ['has(request.body.a.b) && request.body.a.b == null', json],
    'of a field that is not there': ['!has(request.body.a.c)', json],
    'of a key of two code units': ['request.body["\\U0001F600"] == 1 && size("\\U0001F600") == 1', json],
    'of a body that is not there': ['request.body == null && !has(request.body)'],
    'of a form, whose names have lists': ['request.body.amount == ["5"] && size(request.body.to) == 2', form],
    'of a number in a form, converted on purpose': ['int(request.body.amount[0]) < 6', form],
    'of a tool and its arguments': [
      'mcp.method == "tools/call" && mcp.tool == "create" && mcp.arguments.n < 3',
      call,
    ],
    'of the agent': ['agent.namespace == "support" && agent.serviceAccount == "triage"'],
    'of the time': [
      'now > timestamp("2026-11-18T09:00:00Z") && now < timestamp("2026-11-18T10:00:00+00:00")',
    ],
    'of the time on a wall': [
      'now.getHours("Europe/Berlin") == 10 && now.getMinutes("+05:45") == 15 && now.getHours() == 9',
    ],
    'of the day of the week, from Sunday': ['now.getDayOfWeek("UTC") == 3'],
    'of a span of time': ['now - timestamp("2026-11-18T08:00:00Z") == duration("1h30m")'],
    'of a pattern that is found': [
      'request.path.matches("^/v[12]/(refunds|charges)$") && matches(request.path, "v1")',
    ],
    'of nested macros with one name': ['request.body.to.all(x, ["a"].exists(x, x == "a") && x != "")', json],
    'of a variable of a macro named like ours': ['["POST"].all(request, request == "POST")'],
    'when either side of || is, though the other has no value': [
      'request.body.none || request.method == "POST"',
      json,
    ],
    'when an element decides, though another has no value': [
      'request.body.exists(x, x > 1)',
      { json: '["1", 2]' },
    ],
    'when a number that servers read differently is not looked at': [
      'request.body.b == 1',
      { json: '{"a":1e400,"b":1}' },
    ],
    'when one is there, and only that is asked': [
      'has(request.body.a) && "a" in request.body',
      { json: '{"a":1e400}' },
    ],
  };
  for (const [how, [when, sent]] of Object.entries(held)) {
    it(`${how}: its grant holds and its guard applies`, () => {
      assert.equal(compileWhen(when, 'grant', agent).problem, null);
      assert.equal(grants(when, sent), true);
      assert.equal(guards(when, sent), true);
    });
  }
});

describe('no expression over any body takes more than its steps (O-06)', () => {
  const million = `[${'1,'.repeat(999_999)}1]`;
  const worst: Record<string, [when: string, sent: Sent]> = {
    'a loop over a million elements': ['request.body.all(x, x == 1)', { json: million }],
    'loops in loops': [
      'request.body.exists(a, request.body.exists(b, request.body.exists(c, a + b == c + 5)))',
      { json: million },
    ],
    'loops in loops whose elements have no value': [
      'request.body.all(a, request.body.all(b, a.x == b.x))',
      { json: million },
    ],
    'a search in a million elements': ['2 in request.body', { json: million }],
    'a comparison of two million elements': ['request.body == request.body', { json: million }],
    'lists that double': [
      'size([1,1].map(a,[1,1].map(b,request.body+request.body))) == 1',
      { json: million },
    ],
    'texts that double': [
      `[request.body]${'.map(x,x+x)'.repeat(40)}[0] == ""`,
      { json: `"${'a'.repeat(1000)}"` },
    ],
    'a search that compares each character with each': [
      '(request.body.t + request.body.t).contains(request.body.p)',
      { json: `{"t":"${'a'.repeat(100_000)}","p":"${'a'.repeat(50_000)}b"}` },
    ],
    'a pattern with many states over a long text (H-25)': [
      'request.body.matches("(a?){300}a{300}b")',
      { json: `"${'a'.repeat(1_000_000)}"` },
    ],
    'a long text measured in a loop': [
      'request.segments.all(x, ["a","b"].all(y, size(request.body) > 1))',
      { json: `"${'a'.repeat(1_000_000)}"` },
    ],
  };
  for (const [how, [when, sent]] of Object.entries(worst)) {
    it(`${how}: it has no outcome`, () => {
      const reading = readingOf(sent);
      assert.equal(compileWhen(when, 'grant', agent).problem, null);
      assert.notEqual(compileWhen(when, 'grant', agent).condition(reading), null);
      assert.equal(compileWhen(when, 'guard', agent).condition(reading), null);
      const run = createRun(reading);
      assert.throws(() => compileExpression(when, agent).evaluate(run), { name: 'EvaluationError' });
      assert.ok(run.stepsLeft < 0, 'it ended for another reason than its steps');
    });
  }

  it('and elements are visited one by one, so that steps bound them', () => {
    let visits = 0;
    const elements = new Proxy(
      Array.from({ length: 1_000_000 }, () => 1),
      {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) visits += 1;
          return Reflect.get(target, key) as unknown;
        },
      },
    );
    const reading: Reading = { ...readingOf(), content: () => ({ kind: 'Json', value: elements }) };
    const when = 'request.body.all(a, request.body.all(b, request.body.all(c, a == b)))';
    assert.notEqual(compileWhen(when, 'grant', agent).condition(reading), null);
    assert.ok(visits > 0 && visits <= maxSteps, `${visits} visits`);
  });
});

describe('a miss', () => {
  it('says the expression', () => {
    assert.deepEqual(compileWhen('request.method == "GET"', 'grant', agent).condition(readingOf()), {
      field: 'when',
      message: 'The expression must hold: request.method == "GET"',
    });
  });

  it('cuts a long one', () => {
    const miss = compileWhen(`request.path == "${'a'.repeat(400)}"`, 'grant', agent).condition(readingOf());
    assert.equal(miss?.message.length, 'The expression must hold: '.length + 201);
  });

  it('says when it was the body', () => {
    const { condition } = compileWhen('request.body.a == 1', 'grant', agent);
    assert.equal(condition(readingOf({ json: '{' }))?.reason, 'body_unreadable');
    const long = readingOf({ json: '{"a":1' });
    const cut: Reading = createReading(
      { ...long.request, body: { kind: 'read', bytes: Buffer.from('{"a":1'), isWhole: false } },
      nowMs,
    );
    assert.equal(condition(cut)?.reason, 'body_too_large');
  });
});

it('An expression needs the body when it refers to it or to the message in it', () => {
  const needs = (when: string): boolean => compileWhen(when, 'grant', agent).needsBody;
  assert.equal(needs('has(request.body.a)'), true);
  assert.equal(needs('[1].all(x, mcp.tool == "a")'), true);
  assert.equal(needs('request.method == "GET" && now > timestamp(0)'), false);
  assert.equal(needs('["a"].all(mcp, mcp == "a")'), false);
});

it('A time zone of the container does not matter to expressions (P-14)', () => {
  const script = `
    const { compileWhen } = await import('./policy/cel/when.ts');
    const when = 'now.getHours() == 9 && now.getDayOfYear() == 321 && now.getHours("Asia/Kolkata") == 15';
    const { condition } = compileWhen(when, 'grant', { namespace: 'a', serviceAccount: 'b' });
    console.log(condition({ nowMs: ${nowMs} }) === null);`;
  for (const TZ of ['America/New_York', 'Pacific/Kiritimati']) {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TZ },
      cwd: new URL('../../..', import.meta.url),
      timeout: 20_000,
      encoding: 'utf8',
    });
    assert.equal(output.trim(), 'true', TZ);
  }
});

it('cel-js is not loaded before there is an expression', () => {
  const script = `
    await import('./policy/compile.ts');
    const { compileWhen } = await import('./policy/cel/when.ts');
    const { createRequire } = await import('node:module');
    const { cache, resolve } = createRequire(process.cwd() + '/policy/cel/syntax.ts');
    const path = resolve('./condition.ts');
    const before = path in cache;
    compileWhen('request.method == "GET"', 'grant', { namespace: 'a', serviceAccount: 'b' });
    console.log(before, path in cache);`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('../../..', import.meta.url),
    timeout: 20_000,
    encoding: 'utf8',
  });
  assert.equal(output.trim(), 'false true');
});

it('A bundle loads its chunk with the first expression', async () => {
  const root = new URL('../../..', import.meta.url).pathname;
  assert.match(readFileSync(`${root}/rolldown.config.ts`, 'utf8'), /cel: 'policy\/cel\/condition\.ts'/);
  const dir = mkdtempSync(join(tmpdir(), 'outrider-cel-'));
  try {
    await build({
      input: { main: `${root}/policy/cel/when.ts`, cel: `${root}/policy/cel/condition.ts` },
      platform: 'node',
      logLevel: 'silent',
      output: { dir, format: 'esm', minify: true },
    });
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    const main = (await import(pathToFileURL(join(dir, 'main.js')).href)) as {
      compileWhen: typeof compileWhen;
    };
    const { condition, problem } = main.compileWhen('request.method == "POST"', 'grant', agent);
    assert.equal(problem, null);
    assert.equal(condition(readingOf()), null);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
