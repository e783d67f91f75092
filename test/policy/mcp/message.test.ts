import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isUnreadable } from '../../../policy/unreadable.ts';
import { callOf, readingOf, type Sent } from './reading.ts';

const rpc = (more: object): object => ({ jsonrpc: '2.0', id: 1, method: 'ping', ...more });
const call = callOf('create_issue', { project: 'DOCS' });

describe('a message is unreadable', () => {
  const unreadable: Record<string, [sent: Sent, why: RegExp]> = {
    'in a batch (M-01)': [{ body: [call] }, /batch/],
    'in an empty batch (M-01)': [{ body: '[]' }, /batch/],
    'with a method twice (M-02)': [
      { body: '{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}' },
      /twice/,
    ],
    'with a member in another letter case (M-02)': [{ body: rpc({ Method: 'tools/call' }) }, /a member that/],
    'with a tool’s name twice (M-02)': [
      { body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}' },
      /twice/,
    ],
    'with a tool’s name in another letter case beside it (M-02)': [
      { body: callOf('a', {}, { Name: 'b' }) },
      /another letter case/,
    ],
    'with arguments in another letter case (M-02)': [
      { body: callOf('a', {}, { 'argument\u017f': {} }) },
      /another letter case/,
    ],
    'with tools/call in another letter case (M-02)': [
      { body: rpc({ method: 'Tools/Call', params: { name: 'a' } }) },
      /another letter case/,
    ],
    'with two documents (M-02)': [{ body: `${JSON.stringify(call)}{}` }, /./],
    'that is no object (M-03)': [{ body: '"ping"' }, /JSON-RPC/],
    'without jsonrpc (M-03)': [{ body: { id: 1, method: 'ping' } }, /2\.0/],
    'with jsonrpc as a number (M-03)': [{ body: rpc({ jsonrpc: 2 }) }, /2\.0/],
    'with an id that is null (M-03)': [{ body: rpc({ id: null }) }, /an id other/],
    'with an id that is no integer (M-03)': [{ body: rpc({ id: 1.5 }) }, /an id other/],
    'with an id beyond 2^53 (M-03)': [
      { body: '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}' },
      /an id other/,
    ],
    'with an id that is an object (M-03)': [{ body: rpc({ id: {} }) }, /an id other/],
    'with a notification that has an id (M-03)': [
      { body: rpc({ method: 'notifications/initialized' }) },
      /notification with an id/,
    ],
    'with a call of a tool without an id (M-03)': [
      { body: { jsonrpc: '2.0', method: 'tools/call', params: { name: 'a' } } },
      /request without an id/,
    ],
    'with any request without an id (M-03)': [
      { body: { jsonrpc: '2.0', method: 'ping' } },
      /request without an id/,
    ],
    'that is a response (M-03)': [{ body: { jsonrpc: '2.0', id: 1, result: {} } }, /a member that/],
    'that is an error (M-03)': [
      { body: { jsonrpc: '2.0', id: 1, error: { code: 1, message: '' } } },
      /a member/,
    ],
    'that is a request and a response (M-03)': [{ body: rpc({ result: {} }) }, /a member that/],
    'with params in a list (M-03)': [{ body: rpc({ params: ['a'] }) }, /params other/],
    'with params that are null (M-03)': [{ body: rpc({ params: null }) }, /params other/],
    'without a method (M-03)': [{ body: { jsonrpc: '2.0', id: 1 } }, /no method/],
    'with a method with a space (M-03)': [{ body: rpc({ method: 'tools/call ' }) }, /no method/],
    'with a _meta outside params (M-10)': [{ body: rpc({ _meta: {} }) }, /a member that/],
    'with a _meta that is no object (M-10)': [{ body: rpc({ params: { _meta: [] } }) }, /_meta/],
    'sent as text (M-05)': [{ body: call, type: 'text/plain' }, /application\/json/],
    'sent as some other JSON (M-05)': [{ body: call, type: 'application/rpc+json' }, /application\/json/],
    'sent without a Content-Type (M-05)': [{ body: call, type: null }, /application\/json/],
    'sent in another charset (M-05)': [{ body: call, type: 'application/json; charset=utf-16' }, /./],
    'sent with PUT (M-05)': [{ body: call, method: 'PUT' }, /PUT/],
    'sent with GET (M-05)': [{ body: call, method: 'GET' }, /a body where/],
    'sent with DELETE (M-05)': [
      { body: call, method: 'DELETE', headers: ['mcp-session-id', 'a'] },
      /a body where/,
    ],
    'that is not there, of a POST': [{}, /application\/json|not JSON/],
    'that is not there, of a GET of a page': [{ method: 'GET', accept: 'text/html' }, /neither asks/],
    'that is not there, of a DELETE of no session': [{ method: 'DELETE' }, /neither asks/],
    'with another method in its header (M-06)': [
      { body: call, headers: ['mcp-method', 'tools/list'] },
      /MCP headers/,
    ],
    'with another tool in its header (M-06)': [
      { body: call, headers: ['mcp-name', 'delete_issue'] },
      /MCP headers/,
    ],
    'with another tool in its header, encoded (M-06)': [
      { body: call, headers: ['mcp-name', `=?base64?${Buffer.from('delete_issue').toString('base64')}?=`] },
      /MCP headers/,
    ],
    'with a header in base64 that decodes in two ways (M-06)': [
      { body: callOf('a'), headers: ['mcp-name', '=?base64?YQ=?='] },
      /decoded/,
    ],
    'with a name in its header and none in its body (M-06)': [
      { body: rpc({}), headers: ['mcp-name', 'a'] },
      /MCP headers/,
    ],
    'with an argument in its header that it does not have (M-06)': [
      { body: call, headers: ['mcp-param-project', 'SECRET'] },
      /MCP headers/,
    ],
    'of a version that does not exist (M-06)': [
      { body: call, headers: ['mcp-protocol-version', '2025-13-01'] },
      /version/,
    ],
    'of another version in its body (M-06)': [
      {
        body: callOf('a', {}, { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }),
        headers: ['mcp-protocol-version', '2025-11-25'],
      },
      /MCP headers/,
    ],
    'of an unknown version in its body (M-06)': [
      { body: callOf('a', {}, { _meta: { 'io.modelcontextprotocol/protocolVersion': 'x' } }) },
      /version/,
    ],
    'with a session twice (M-07)': [
      { body: call, headers: ['mcp-session-id', 'a', 'mcp-session-id', 'a'] },
      /mcp-session-id twice/,
    ],
    'with a list of sessions (M-07)': [{ body: call, headers: ['mcp-session-id', 'a,b'] }, /Mcp-Session-Id/],
    'with a method twice in headers (M-07)': [
      { body: call, headers: ['mcp-method', 'tools/call', 'mcp-method', 'tools/call'] },
      /mcp-method twice/,
    ],
    'with an origin twice (M-07)': [
      { body: call, headers: ['origin', 'https://a.example', 'origin', 'https://b.example'] },
      /origin twice/,
    ],
    'of a GET with a version that does not exist (M-06)': [
      { method: 'GET', headers: ['mcp-protocol-version', '1'] },
      /version/,
    ],
    'with a tool that is no text (M-08)': [{ body: callOf(['a']) }, /without saying which/],
    'with a tool without a name (M-08)': [{ body: callOf('') }, /cannot be seen/],
    'with a tool in a form other than NFC (M-08)': [{ body: callOf('cafe\u0301') }, /normal form C/],
    'with a tool with a space behind it (M-08)': [{ body: callOf('create_issue ') }, /cannot be seen/],
    'with a tool with a space before it (M-08)': [{ body: callOf(' create_issue') }, /cannot be seen/],
    'with a tool with a zero-width space (M-08)': [{ body: callOf('create\u200b_issue') }, /cannot be seen/],
    'with a tool with a zero-width joiner (M-08)': [{ body: callOf('create\u200d_issue') }, /cannot be seen/],
    'with a tool with a soft hyphen (M-08)': [{ body: callOf('create\u00ad_issue') }, /cannot be seen/],
    'with a tool written from right to left (M-08)': [{ body: callOf('\u202eeussi') }, /cannot be seen/],
    'with a tool with a variation selector (M-08)': [{ body: callOf('create\ufe0f') }, /cannot be seen/],
    'with a tool with a Hangul filler (M-08)': [{ body: callOf('create\u3164') }, /cannot be seen/],
    'with a tool with a no-break space (M-08)': [{ body: callOf('create\u00a0issue') }, /cannot be seen/],
    'with a tool with a NUL (M-08)': [{ body: callOf('create\u0000') }, /cannot be seen/],
    'with a tool with a line feed (M-08)': [{ body: callOf('create\n') }, /cannot be seen/],
    'with arguments in a list (M-09)': [{ body: callOf('a', ['b']) }, /arguments other/],
    'with arguments that are null (M-09)': [{ body: callOf('a', null) }, /arguments other/],
  };
  for (const [how, [sent, why]] of Object.entries(unreadable)) {
    it(how, () => {
      const message = readingOf(sent).message();
      assert.ok(isUnreadable(message), `it was read as ${JSON.stringify(message)}`);
      assert.match(message.unreadable, why);
    });
  }
});

describe('a message is read', () => {
  const read: Record<string, [sent: Sent, kind: string, method: string, tool: string | null]> = {
    'that calls a tool': [{ body: call }, 'request', 'tools/call', 'create_issue'],
    'that calls a tool without arguments': [{ body: callOf('a') }, 'request', 'tools/call', 'a'],
    'with an id that is a text': [{ body: { ...call, id: 'a-1' } }, 'request', 'tools/call', 'create_issue'],
    'with a media type in capitals and a charset': [
      { body: call, type: 'Application/JSON; charset="UTF-8"' },
      'request',
      'tools/call',
      'create_issue',
    ],
    'with a tool whose name is not ASCII': [
      { body: callOf('caf\u00e9 suchen') },
      'request',
      'tools/call',
      'caf\u00e9 suchen',
    ],
    'with headers that say the same': [
      {
        body: callOf('create_issue', { project: 'DOCS', count: 42, nested: { draft: true } }),
        headers: [
          'mcp-method',
          'tools/call',
          'mcp-name',
          'create_issue',
          'mcp-protocol-version',
          '2026-07-28',
          'mcp-param-project',
          'DOCS',
          'mcp-param-count',
          '42.0',
          'mcp-param-draft',
          'true',
        ],
      },
      'request',
      'tools/call',
      'create_issue',
    ],
    'with a name in its header that had to be encoded': [
      { body: callOf('caf\u00e9'), headers: ['mcp-name', '=?base64?Y2Fmw6k=?='] },
      'request',
      'tools/call',
      'caf\u00e9',
    ],
    'with the URI of a resource in its header': [
      {
        body: rpc({ method: 'resources/read', params: { uri: 'file:///a' } }),
        headers: ['mcp-name', 'file:///a'],
      },
      'request',
      'resources/read',
      null,
    ],
    'with metadata': [{ body: rpc({ params: { _meta: { progressToken: 1 } } }) }, 'request', 'ping', null],
    'that notifies': [
      { body: { jsonrpc: '2.0', method: 'notifications/initialized' } },
      'notification',
      'notifications/initialized',
      null,
    ],
    'of no message: a session’s stream': [
      { method: 'GET', headers: ['mcp-session-id', 'a'] },
      'session',
      '',
      null,
    ],
    'of no message: a session’s end': [
      { method: 'DELETE', headers: ['mcp-session-id', 'a-1'] },
      'session',
      '',
      null,
    ],
  };
  for (const [which, [sent, kind, method, tool]] of Object.entries(read)) {
    it(which, () => {
      const message = readingOf(sent).message();
      assert.ok(!isUnreadable(message), JSON.stringify(message));
      assert.deepEqual([message.kind, message.method, message.tool], [kind, method, tool]);
    });
  }
});
