import { bad, deny, many, policy, rule, type Examples } from '../examples.ts';

const at = 'spec.rules[0]';

export const rules: Examples = {
  bad: {
    'a rule that is no object': bad(policy({ agents: {}, rules: ['read'] }), at, /object/),
    'an empty list of rules': bad(policy({ agents: {}, rules: [] }), 'spec.rules', /list at least one rule/),
    'an unknown field of a rule': bad(
      rule({ host: ['a.example'] }),
      `${at}.host`,
      /unknown field|not a field/,
    ),
    'an action that does not exist': bad(
      rule({ action: 'Permit' }),
      `${at}.action`,
      /Allow.*RequireApproval.*Deny/,
    ),
    'a rule without an action': bad(
      policy({ agents: {}, rules: [{ name: 'r' }] }),
      `${at}.action`,
      /[Rr]equired/,
    ),
    'a rule without a name': bad(
      policy({ agents: {}, rules: [{ action: 'Deny' }] }),
      `${at}.name`,
      /[Rr]equired/,
    ),
    'a rule whose name has spaces': bad(rule({ name: 'Read issues' }), `${at}.name`, /such as read-issues/),
    'a rule whose name is too long': bad(rule({ name: 'r'.repeat(64) }), `${at}.name`, /63/),
    'two rules of one name': bad(
      policy({
        agents: {},
        rules: [
          { name: 'r', action: 'Deny' },
          { name: 'r', action: 'Deny' },
        ],
      }),
      'spec.rules',
      /every name must be unique/,
    ),
    'too many rules (O-06)': bad(
      policy({ agents: {}, rules: many(65, (index) => ({ name: `r${index}`, action: 'Deny' })) }),
      'spec.rules',
      /64/,
    ),
    'an empty message': bad(rule({ message: '' }), `${at}.message`, /at least 1 chars|is empty/),
    'a message that is too long': bad(rule({ message: '\u{1f6d1}'.repeat(513) }), `${at}.message`, /512/),
    'an Allow without a place': bad(
      policy({ agents: {}, rules: [{ name: 'r', action: 'Allow' }] }),
      at,
      /exactly one of hosts, destination and github/,
    ),
    'an Allow whose hosts have no value': bad(
      rule({ hosts: null }),
      at,
      /exactly one of hosts, destination and github/,
    ),
    'an Allow with two places': bad(
      rule({ destination: 'wiki' }),
      at,
      /exactly one of hosts, destination and github/,
    ),
    'an approval without a place': bad(
      policy({ agents: {}, rules: [{ name: 'r', action: 'RequireApproval' }] }),
      at,
      /exactly one of hosts, destination and github/,
    ),
    'a Deny with two places': bad(deny({ hosts: ['a.example'], destination: 'w' }), at, /at most one/),
    'a Deny with a credential': bad(deny({ credential: 'bot' }), at, /leave them out/),
    'a Deny with limits': bad(deny({ limits: [{ name: 'l', max: 1, per: '1m' }] }), at, /leave them out/),
    'a Deny with a response': bad(deny({ response: { return: 'StatusOnly' } }), at, /leave them out/),
    'a Deny that opens what is refused anyway': bad(deny({ opens: ['EncodedSlash'] }), at, /leave them out/),
    'a Deny that others: Deny could be escaped from (in the query)': bad(
      deny({ query: { fields: { a: {} }, others: 'Deny' } }),
      at,
      /could be escaped by sending one field more/,
    ),
    'a Deny that others: Deny could be escaped from (in headers)': bad(
      deny({ headers: { others: 'Deny' } }),
      at,
      /could be escaped by sending one field more/,
    ),
    'a Deny that others: Deny could be escaped from (in the body)': bad(
      deny({ body: { others: 'Deny' } }),
      at,
      /could be escaped by sending one field more/,
    ),
    'a Deny that others: Deny could be escaped from (in arguments)': bad(
      deny({ mcp: { tools: [{ name: 'a' }, { name: 'b', arguments: { others: 'Deny' } }] } }),
      at,
      /could be escaped by sending one field more/,
    ),
    'a credential of another namespace (O-02)': bad(
      rule({ credential: 'team-b/bot' }),
      `${at}.credential`,
      /such as github-bot/,
    ),
    'a destination that is a URL': bad(
      rule({ hosts: undefined, destination: 'http://wiki' }),
      `${at}.destination`,
      /such as github-bot/,
    ),
    'a response that does not exist': bad(
      rule({ response: { return: 'Headers' } }),
      `${at}.response.return`,
      /Full.*StatusOnly/,
    ),
    'an empty response': bad(rule({ response: {} }), `${at}.response.return`, /[Rr]equired/),
    'an opening that does not exist (H-20)': bad(
      rule({ opens: ['DotSegments'] }),
      `${at}.opens[0]`,
      /EncodedSlash.*PathParameters/,
    ),
    'an empty list of openings': bad(rule({ opens: [] }), `${at}.opens`, /such as EncodedSlash/),
    'an empty when': bad(rule({ when: '' }), `${at}.when`, /at least 1 chars|is empty/),
    'a when that is too long': bad(rule({ when: 'true && '.repeat(128) + 'true' }), `${at}.when`, /1024/),
  },
  good: {
    'a grant with all that stands beside hosts': rule(
      {
        message: 'Ask in #support \u{1f64f}'.padEnd(300, '.'),
        methods: ['POST'],
        paths: ['/v1/**'],
        opens: ['EncodedSlash', 'PathParameters'],
        query: { others: 'Deny' },
        headers: { fields: { 'X-Team': { equals: 'a' } } },
        body: { types: ['Json'] },
        when: 'request.path.startsWith("/v1/")',
        during: { timeZone: 'UTC', windows: [{ from: '00:00', to: '24:00' }] },
        credential: 'bot',
        limits: [{ name: 'rate', max: 30, per: '1m' }],
        response: { return: 'StatusOnly' },
      },
      'everything',
    ),
    'a message at its limit, in characters beyond 16 bits': rule(
      { message: '\u{1f6d1}'.repeat(512) },
      'message',
    ),
    'an approval': rule(
      { action: 'RequireApproval', approval: { groups: ['support-leads'], wait: '25s', expires: '10m' } },
      'approval',
    ),
    'an approval by the defaults': rule({ action: 'RequireApproval' }, 'approval-default'),
    'a Deny of everything': deny({ message: 'Nothing leaves.' }, 'nothing'),
    'a Deny of what cannot be ruled out': deny(
      { hosts: ['**'], methods: ['POST'], body: { fields: { '/amount': { min: 100_000 } } } },
      'large',
    ),
    'a grant at a destination': rule(
      { hosts: undefined, destination: 'wiki', paths: ['/mcp'] },
      'destination',
    ),
    'a when that only the operator can judge': rule({ when: 'no such language' }, 'when'),
  },
};
