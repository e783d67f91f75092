// JSON: what our strict reader accepts, JSON.parse and Python's json read as the same value.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { isJsonObject, readJson, type JsonValue } from '../../policy/content/json.ts';
import { isUnsafeNumber } from '../../policy/content/number.ts';
import { isUnreadable } from '../../policy/unreadable.ts';
import { fuzzBounds } from './bounds.ts';

const pieces = fc.constantFrom(
  '{', '}', '[', ']', ',', ':', '"', '"a"', '"A"', '"\\u0061"', '"a":1', '"__proto__":1', '"constructor":{}', '"\\ud83d\\ude00"', '"\\ud800"', '"é"', '"\\/"', '"\\x"', '"\t"', '0', '-0', '1', '-1', '1.5', '1e2', '1E+2', '1e400', '1e-400', '01', '+1', '.5', '1.', '9007199254740993', '0.1', '123456789012345678', 'true', 'false', 'null', 'NaN', 'Infinity', ' ', '\n', '\r', '\t', '\f', '\u00a0', '\ufeff', '\0', '//', '/*', '\u2028',
); // prettier-ignore
const mixed = fc.array(pieces, { maxLength: 14 }).map((list) => list.join(''));
const valid = fc.json({ maxDepth: 5 });
const key = fc.constantFrom('a', 'A', '\\u0061', '__proto__', 'b', '', 'é', '\\ud83d\\ude00');
const value = fc.oneof(
  valid,
  fc.constantFrom('1', '-0', '1.50', '1e2', '"x"', '[]', '{}', 'null', '9007199254740993'),
);
const objects = fc
  .array(fc.tuple(key, value), { maxLength: 4 })
  .map((members) => `{${members.map(([name, each]) => `"${name}": ${each}`).join(' ,')}}`);
const text = fc.oneof(mixed, valid, objects, fc.string({ unit: 'binary', maxLength: 12 }));
/** Sometimes with a byte changed. */
const bytes = fc
  .tuple(text, fc.option(fc.tuple(fc.nat(), fc.nat(255)), { freq: 3 }))
  .map(([source, change]) => {
    const read = Buffer.from(source);
    if (change !== null && read.length > 0) read[change[0] % read.length] = change[1];
    return read;
  });

const program = `
import base64, json, sys
for line in sys.stdin:
    try:
        print(json.dumps(json.loads(base64.b64decode(line).decode('utf-8'))))
    except Exception as error:
        print('ERROR', type(error).__name__)
`;

let python: ChildProcess;
let lines: Interface;
const waiting: ((line: string) => void)[] = [];

before(() => {
  python = spawn('python3', ['-u', '-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  lines = createInterface({ input: python.stdout as NodeJS.ReadableStream });
  lines.on('line', (line) => waiting.shift()?.(line));
});
after(() => {
  lines?.close();
  python?.kill('SIGKILL');
});

function readByPython(document: Buffer): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  waiting.push(resolve);
  python.stdin?.write(`${document.toString('base64')}\n`);
  return promise;
}

test('FUZZ: accepted JSON is one value to three parsers', async (context) => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(bytes, async (document) => {
      const read = readJson(document);
      if (isUnreadable(read)) return;
      // Marked as read differently by others; what a rule says of it is never yes.
      if (holdsUnsafeNumber(read)) return;
      accepted += 1;
      const expected = plain(read);
      assert.deepEqual(JSON.parse(document.toString()), expected);
      assert.deepEqual(JSON.parse(await readByPython(document)), expected);
    }),
    fuzzBounds(context, 1),
  );
  context.diagnostic(`${accepted} documents were accepted`);
  assert.ok(accepted > 0);
});

function holdsUnsafeNumber(read: JsonValue): boolean {
  if (isUnsafeNumber(read)) return true;
  if (isJsonObject(read)) return [...read.values()].some(holdsUnsafeNumber);
  return Array.isArray(read) && (read as readonly JsonValue[]).some(holdsUnsafeNumber);
}

/** As JSON.parse has it: `__proto__` is a member like any other. */
function plain(read: JsonValue): unknown {
  if (isJsonObject(read)) return Object.fromEntries([...read].map(([name, member]) => [name, plain(member)]));
  return Array.isArray(read) ? (read as readonly JsonValue[]).map(plain) : read;
}
