// Whatever is sent to an MCP server, it is read or not without throwing, and what a grant proves a guard of the same
// words cannot rule out.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileMcp } from '../../../policy/mcp/match.ts';
import type { RulesetMcp } from '../../../policy/ruleset.ts';
import { readingOf } from './reading.ts';

const some = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const method = fc.oneof(
  some(
    'tools/call',
    'tools/call',
    'Tools/call',
    'ping',
    'tools/list',
    'resources/read',
    'notifications/a',
    '',
  ),
  fc.string(),
);
const name = fc.oneof(
  some('create_issue', 'Create_Issue', 'search_a', 'delete_a', 'a\u200b', ''),
  fc.string(),
);
const args = fc.oneof(
  fc.dictionary(
    some('project', 'Project', 'a'),
    fc.oneof(some<unknown>('DOCS', 'docs', 1, null), fc.jsonValue()),
  ),
  fc.jsonValue(),
);
const message = fc.record(
  {
    jsonrpc: fc.oneof(
      { weight: 9, arbitrary: some<unknown>('2.0') },
      { weight: 1, arbitrary: fc.jsonValue() },
    ),
    id: fc.oneof({ weight: 9, arbitrary: some<unknown>(1, 'a') }, { weight: 1, arbitrary: fc.jsonValue() }),
    method,
    params: fc.oneof(
      { weight: 5, arbitrary: fc.record({ name, arguments: args, _meta: some({}) }, { requiredKeys: [] }) },
      { weight: 1, arbitrary: fc.jsonValue() },
    ),
  },
  { requiredKeys: ['jsonrpc', 'method'] },
);
const sent = fc.record({
  method: fc.oneof(
    { weight: 9, arbitrary: some('POST') },
    { weight: 1, arbitrary: some('GET', 'DELETE', 'PUT') },
  ),
  body: fc.oneof(
    { weight: 8, arbitrary: message },
    { weight: 1, arbitrary: fc.jsonValue() },
    { weight: 1, arbitrary: fc.string() },
  ),
  headers: fc
    .array(
      fc.tuple(some('mcp-method', 'mcp-name', 'mcp-session-id', 'mcp-param-a'), fc.oneof(name, method)),
      { maxLength: 1 },
    )
    .map((pairs) => pairs.flat()),
});
const rules: RulesetMcp[] = [
  {
    tools: [
      { name: 'create_issue', arguments: { fields: { '/project': { equals: 'DOCS' } }, others: 'Deny' } },
    ],
  },
  { tools: [{ name: '*' }] },
  { tools: [{ name: 'search_*' }], methods: ['resources/*'] },
  { methods: ['**'] },
];

it('No message makes its reading throw, and what a grant proves a guard does not rule out', () => {
  let calls = 0;
  fc.assert(
    fc.property(sent, fc.constantFrom(...rules), (request, mcp) => {
      const reading = readingOf(request);
      const found = reading.message();
      const isProved = compileMcp(mcp, 'grant')(reading) === null;
      const isRuledOut = compileMcp(mcp, 'guard')(reading) !== null;
      if ('unreadable' in found) {
        assert.deepEqual([isProved, isRuledOut], [false, false]);
      } else if (found.tool !== null) {
        assert.ok(!(isProved && isRuledOut));
        if (isProved) calls += 1;
      }
    }),
    { numRuns: 10_000 },
  );
  assert.ok(calls > 10, `${calls} calls of tools were granted`);
});
