import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseArguments, UsageError } from '../../bench/arguments.ts';

const main = join(import.meta.dirname, '../../bench/main.ts');

describe('the command line of the bench', () => {
  const refused: Record<string, [argv: string[], message: RegExp]> = {
    'nothing to measure': [
      [],
      /nothing was named; name what to measure: intercept, memory, decide, latency, flood/,
    ],
    'an unknown figure': [['speed'], /there is no "speed"/],
    'two figures at once': [['intercept', 'memory'], /"memory" is too much/],
    'an unknown option': [['intercept', '--fast'], /--fast/],
    'a value for a switch': [['intercept', '--json=yes'], /--json/],
    'an option without its value': [['intercept', '--rounds'], /--rounds/],
    'rounds that are no number': [['intercept', '--rounds', 'many'], /--rounds is "many"; .* from 5 to 25/],
    'fewer rounds than a median needs': [['intercept', '--rounds', '4'], /from 5 to 25/],
    'a load too short to fill a heap': [['memory', '--seconds', '5'], /from 20 to 180/],
    'a fraction of a connection': [['memory', '--connections', '1.5'], /from 1 to 256/],
    'rounds where none are run': [['memory', '--rounds', '9'], /--rounds says nothing to memory/],
    'rules where none are counted': [['memory', '--rules', '10'], /--rules says nothing to memory/],
    'connections where none are made': [
      ['decide', '--connections', '4'],
      /--connections says nothing to decide/,
    ],
    'too few rules to have each kind of request': [
      ['decide', '--rules', '10,5'],
      /--rules is "5"; .* from 10/,
    ],
    'a list of rules that is none': [['decide', '--rules', '10,,100'], /--rules is ""/],
    'an engine that nobody knows': [
      ['decide', '--only', 'outrider,casbin'],
      /--only has "casbin"; there are outrider, opa, cedar, floor/,
    ],
    'rounds of a flood': [['flood', '--rounds', '9'], /--rounds says nothing to flood/],
    'a flood that nobody knows': [
      ['flood', '--only', 'kindness'],
      /--only has "kindness"; there are idle connections/,
    ],
    'seconds where rounds are counted': [
      ['intercept', '--seconds', '30'],
      /--seconds says nothing to intercept/,
    ],
  };
  for (const [what, [argv, message]] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseArguments(argv),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it('ends with status 2, a complaint and the usage on standard error, and nothing on standard output', async () => {
    const { promise, resolve } = Promise.withResolvers<[number, string, string]>();
    const child = execFile(process.execPath, [main, 'speed', '--json'], (_, stdout, stderr) => {
      resolve([child.exitCode ?? -1, stdout, stderr]);
    });
    const [code, stdout, stderr] = await promise;
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^bench: there is no "speed".*\n\nusage: npm run bench/);
  });

  it('measures with sensible bounds when none are named', () => {
    assert.deepEqual(parseArguments(['latency']), { command: 'latency', json: false, rounds: 7 });
    assert.deepEqual(parseArguments(['flood']), { command: 'flood', json: false, seconds: 4, only: null });
    assert.deepEqual(parseArguments(['intercept', '--json']), {
      command: 'intercept',
      json: true,
      rounds: 7,
      connections: 16,
      profile: null,
    });
    assert.deepEqual(parseArguments(['memory']), {
      command: 'memory',
      json: false,
      seconds: 30,
      connections: 16,
    });
    assert.deepEqual(parseArguments(['decide']), {
      command: 'decide',
      json: false,
      rounds: 7,
      rules: [10, 100, 1000, 10_000],
      only: ['outrider', 'opa', 'cedar', 'floor'],
    });
  });

  it('takes each number of rules and each engine once', () => {
    const args = parseArguments(['decide', '--rules', '100,10,100', '--only', 'floor,outrider,floor']);
    assert.deepEqual(args, {
      command: 'decide',
      json: false,
      rounds: 7,
      rules: [100, 10],
      only: ['outrider', 'floor'],
    });
  });
});
