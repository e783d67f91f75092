import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileMcp } from '../../../policy/mcp/match.ts';
import type { Miss } from '../../../policy/reading.ts';
import type { RulesetMcp } from '../../../policy/ruleset.ts';
import { callOf, readingOf, type Sent } from './reading.ts';

const tracker: RulesetMcp = {
  tools: [
    {
      name: 'create_issue',
      arguments: {
        fields: { '/project': { oneOf: ['DOCS'] }, '/count': { type: 'Number', max: 5, optional: true } },
        others: 'Deny',
      },
    },
    { name: 'search_*' },
  ],
  methods: ['resources/*'],
};

const ask = (method: string, params?: object): Sent => ({
  body: { jsonrpc: '2.0', id: 1, method, ...(params === undefined ? {} : { params }) },
});
const call = (name: string, args?: unknown): Sent => ({ body: callOf(name, args) });

function miss(mcp: RulesetMcp, stance: 'grant' | 'guard', sent: Sent): Miss | null {
  return compileMcp(mcp, stance)(readingOf(sent));
}

describe('a grant of tools misses', () => {
  const missed: Record<string, [sent: Sent, field: string, reason?: string]> = {
    'another tool': [call('delete_issue'), 'mcp.tools'],
    'a tool in another letter case (M-08)': [call('Create_Issue', { project: 'DOCS' }), 'mcp.tools'],
    'a tool with another one’s name in front (M-08)': [
      call('tracker__create_issue', { project: 'DOCS' }),
      'mcp.tools',
    ],
    'a tool with a letter that looks the same (M-08)': [
      call('\u0441reate_issue', { project: 'DOCS' }),
      'mcp.tools',
    ],
    'a tool of compatible letters (M-08)': [call('\uff43reate_issue', { project: 'DOCS' }), 'mcp.tools'],
    'an argument with another value (M-09)': [
      call('create_issue', { project: 'SECRET' }),
      'mcp.tools[create_issue].arguments.fields[/project]',
    ],
    'a text where a number is meant (M-09)': [
      call('create_issue', { project: 'DOCS', count: '1' }),
      'mcp.tools[create_issue].arguments.fields[/count]',
    ],
    'an argument in another letter case (M-09)': [
      call('create_issue', { project: 'DOCS', Project: 'SECRET' }),
      'mcp.tools[create_issue].arguments.fields[/project]',
    ],
    'an argument that is not listed (M-09)': [
      call('create_issue', { project: 'DOCS', labels: [] }),
      'mcp.tools[create_issue].arguments.others',
    ],
    'no arguments where some are asked for (M-09)': [
      call('create_issue'),
      'mcp.tools[create_issue].arguments.fields[/project]',
    ],
    'another method (M-10)': [ask('prompts/get', { name: 'a' }), 'mcp.tools'],
    'a method below one that is listed (M-10)': [ask('resources/templates/list'), 'mcp.tools'],
    'a method in another letter case (M-10)': [ask('Resources/read'), 'mcp.tools'],
    'what servers ask of clients (M-10)': [ask('sampling/createMessage'), 'mcp.tools'],
    'tasks (M-10)': [ask('tasks/cancel'), 'mcp.tools'],
    'a batch (M-01)': [{ body: [callOf('search_issues')] }, 'mcp.tools', 'body_unreadable'],
    'a message that is too long (H-55)': [
      { body: callOf('search_issues'), isWhole: false },
      'mcp.tools',
      'body_too_large',
    ],
  };
  for (const [what, [sent, field, reason]] of Object.entries(missed)) {
    it(what, () => {
      const found = miss(tracker, 'grant', sent);
      assert.deepEqual([found?.field, found?.reason], [field, reason]);
      assert.match(found?.message ?? '', /^[A-Z].*\.$/);
    });
  }

  it('every tool by its methods, when there are tools', () => {
    assert.equal(miss({ tools: [{ name: 'a' }], methods: ['**'] }, 'grant', call('b'))?.field, 'mcp.tools');
  });
});

describe('a grant of methods alone misses', () => {
  const missed: Record<string, Sent> = {
    'a tool': call('create_issue'),
    'the start of a session': ask('initialize'),
    'a session’s stream': { method: 'GET', headers: ['mcp-session-id', 'a'] },
  };
  for (const [what, sent] of Object.entries(missed)) {
    it(what, () => assert.equal(miss({ methods: ['resources/read'] }, 'grant', sent)?.field, 'mcp.methods'));
  }
});

describe('a grant of tools holds', () => {
  const held: Record<string, Sent> = {
    'for a tool with the arguments asked for': call('create_issue', { project: 'DOCS', count: 5 }),
    'for a tool by a glob': call('search_issues', { query: 'a' }),
    'for the start of a session': ask('initialize', { protocolVersion: '2025-11-25' }),
    'for the discovery that came to replace it': ask('server/discover'),
    'for a ping': ask('ping'),
    'for the list of tools': ask('tools/list'),
    'for notifications': { body: { jsonrpc: '2.0', method: 'notifications/initialized' } },
    'for a session’s stream': { method: 'GET', headers: ['mcp-session-id', 'a'] },
    'for a session’s end': { method: 'DELETE', headers: ['mcp-session-id', 'a'] },
    'for a method that is listed': ask('resources/read', { uri: 'file:///a' }),
  };
  for (const [what, sent] of Object.entries(held)) {
    it(what, () => assert.equal(miss(tracker, 'grant', sent), null));
  }

  it('when any entry of a tool does', () => {
    const either: RulesetMcp = {
      tools: ['DOCS', 'WIKI'].map((project) => ({
        name: 'create_issue',
        arguments: { fields: { '/project': { equals: project } } },
      })),
    };
    assert.equal(miss(either, 'grant', call('create_issue', { project: 'WIKI' })), null);
    assert.equal(
      miss(either, 'grant', call('create_issue', { project: 'X' }))?.message,
      miss({ tools: either.tools?.slice(0, 1) ?? [] }, 'grant', call('create_issue', { project: 'X' }))
        ?.message,
    );
  });
});

const guard: RulesetMcp = {
  tools: [
    { name: 'delete_*' },
    { name: 'create_issue', arguments: { fields: { '/project': { equals: 'SECRET' } } } },
  ],
  methods: ['resources/*'],
};

describe('a guard applies', () => {
  const applies: Record<string, Sent> = {
    'to a tool that is listed': call('delete_issue'),
    'to a tool in another letter case (M-08)': call('Delete_Issue'),
    'to a tool of compatible letters (M-08)': call('\uff44elete_issue'),
    'to a tool with an argument that is listed': call('create_issue', { project: 'SECRET' }),
    'to a tool with such an argument in another letter case (M-09)': call('create_issue', {
      Project: 'secret',
    }),
    'to a method that is listed, in another letter case (M-10)': ask('Resources/Read'),
    'to a batch (M-01)': { body: [callOf('search_issues')] },
    'to a call in another letter case (M-02)': ask('Tools/call', { name: 'a' }),
    'to a tool with characters that cannot be seen (M-08)': call('delete\u200b_issue'),
    'to a message that is too long (H-55)': { body: callOf('search_issues'), isWhole: false },
    'to what is no message': { body: 'hello', type: 'text/plain' },
  };
  for (const [what, sent] of Object.entries(applies)) {
    it(what, () => assert.equal(miss(guard, 'guard', sent), null));
  }
});

describe('a guard does not apply', () => {
  const spared: Record<string, [sent: Sent, field: string]> = {
    'to another tool': [call('search_issues'), 'mcp.tools'],
    'to a tool with other arguments': [
      call('create_issue', { project: 'DOCS' }),
      'mcp.tools[create_issue].arguments.fields[/project]',
    ],
    'to the start of a session': [ask('initialize'), 'mcp.tools'],
    'to a session’s stream': [{ method: 'GET', headers: ['mcp-session-id', 'a'] }, 'mcp.tools'],
    'to another method': [ask('prompts/get'), 'mcp.tools'],
  };
  for (const [what, [sent, field]] of Object.entries(spared)) {
    it(what, () => assert.equal(miss(guard, 'guard', sent)?.field, field));
  }
});
