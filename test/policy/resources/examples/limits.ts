import { bad, deny, many, rule, type Examples } from '../examples.ts';

const amount = {
  fields: {
    '/amount': { min: 1, max: 100_000 },
    '/note': {},
    '/tip': { min: 0, optional: true },
    '/items/*/price': { min: 0 },
  },
};
const limit = (fields: object) =>
  rule({ body: amount, limits: [{ name: 'day', max: 100, per: '24h', ...fields }] });
const approval = (fields: object) => rule({ action: 'RequireApproval', approval: fields });
const at = 'spec.rules[0].limits[0]';
const approvalAt = 'spec.rules[0].approval';

export const limits: Examples = {
  bad: {
    'an empty list of limits': bad(rule({ limits: [] }), 'spec.rules[0].limits', /list at least one/),
    'too many limits': bad(
      rule({ limits: many(9, (index) => ({ name: `l${index}`, max: 1, per: '1m' })) }),
      'spec.rules[0].limits',
      /8/,
    ),
    'two limits of one name': bad(
      rule({ limits: many(2, () => ({ name: 'l', max: 1, per: '1m' })) }),
      'spec.rules[0].limits',
      /two limits of one name/,
    ),
    'a limit without a name': bad(limit({ name: undefined }), `${at}.name`, /[Rr]equired/),
    'a limit without a maximum': bad(limit({ max: undefined }), `${at}.max`, /[Rr]equired/),
    'a limit of nothing': bad(limit({ max: 0 }), `${at}.max`, /greater than or equal to 1|>=1/),
    'a limit without a window': bad(limit({ per: undefined }), `${at}.per`, /[Rr]equired/),
    'a limit per day': bad(limit({ per: 'day' }), `${at}.per`, /such as 1m or 24h/),
    'a limit per days': bad(limit({ per: '1d' }), `${at}.per`, /such as 1m or 24h/),
    'a limit over longer than a month': bad(limit({ per: '745h' }), `${at}.per`, /from 1s to 744h/),
    'a limit over no time': bad(limit({ per: '0s' }), `${at}.per`, /from 1s to 744h/),
    'a limit of two things': bad(limit({ sum: '/amount', usage: 'Tokens' }), at, /write at most one/),
    'a usage that does not exist': bad(limit({ usage: 'Dollars' }), `${at}.usage`, /Tokens/),
    'a limit on each request by itself': bad(
      limit({ per: 'Request' }),
      at,
      /one request is always one request/,
    ),
    'a limit per request with a scope': bad(
      limit({ per: 'Request', sum: '/amount', scope: 'Pod' }),
      at,
      /which has no scope/,
    ),
    'a scope that does not exist': bad(limit({ scope: 'Cluster' }), `${at}.scope`, /Pod.*Policy/),
    'an excess that is allowed': bad(limit({ exceeded: 'Allow' }), `${at}.exceeded`, /Deny.*RequireApproval/),
    'a sum over a name': bad(limit({ sum: 'amount' }), `${at}.sum`, /such as \/amount/),
    'a sum over a field that is not listed': bad(
      limit({ sum: '/total' }),
      'spec.rules[0]',
      /list that field with min, max or type: Number/,
    ),
    'a sum over a string': bad(
      limit({ sum: '/note' }),
      'spec.rules[0]',
      /list that field with min, max or type: Number/,
    ),
    'a sum over a field that may be missing': bad(
      limit({ sum: '/tip' }),
      'spec.rules[0]',
      /without optional/,
    ),
    'a sum over every element': bad(limit({ sum: '/items/*/price' }), 'spec.rules[0]', /without \*/),
    'a sum without a body': bad(
      rule({ limits: [{ name: 'l', sum: '/a', max: 1, per: '1m' }] }),
      'spec.rules[0]',
      /list that field/,
    ),
    'an approval of nothing': bad(rule({ approval: {} }), 'spec.rules[0]', /nothing in it asks for one/),
    'an approval of a Deny': bad(deny({ approval: {} }), 'spec.rules[0]', /nothing in it asks for one/),
    'an approval by nobody': bad(approval({ groups: [] }), `${approvalAt}.groups`, /such as support-leads/),
    'an approval by a group without a name': bad(
      approval({ groups: [''] }),
      `${approvalAt}.groups[0]`,
      /at least 1 chars|is empty/,
    ),
    'an approval that is waited for too long': bad(
      approval({ wait: '6m' }),
      `${approvalAt}.wait`,
      /from 0s to 5m/,
    ),
    'an approval that never expires': bad(
      approval({ expires: '720h' }),
      `${approvalAt}.expires`,
      /from 10s to 24h/,
    ),
    'a wait that is empty': bad(approval({ wait: '' }), `${approvalAt}.wait`, /such as 5m or 1h30m/),
    'a wait in milliseconds': bad(
      approval({ wait: '500ms' }),
      `${approvalAt}.wait`,
      /hours, minutes and seconds/,
    ),
  },
  good: {
    'every limit': rule(
      {
        body: amount,
        limits: [
          { name: 'one', sum: '/amount', max: 5000, per: 'Request', exceeded: 'RequireApproval' },
          {
            name: 'day',
            sum: '/amount',
            max: 50_000,
            per: '24h',
            scope: 'Policy',
            exceeded: 'RequireApproval',
          },
          { name: 'rate', max: 30, per: '1m', scope: 'Pod', exceeded: 'Deny' },
          { name: 'tokens', usage: 'Tokens', max: 1_000_000_000_000, per: '744h' },
          { name: 'one-answer', usage: 'Tokens', max: 10_000, per: 'Request' },
          { name: 'odd', max: 1, per: '1h30m10s' },
          { name: 'short', max: 1, per: '1s' },
        ],
        approval: {},
      },
      'limits',
    ),
    'a sum over a number without bounds': rule(
      {
        body: { fields: { '/n': { type: 'Number' } } },
        limits: [{ name: 'l', sum: '/n', max: 9, per: '1h' }],
      },
      'sum',
    ),
    'an approval at its bounds': rule(
      { action: 'RequireApproval', approval: { groups: ['a:b/c'], wait: '0s', expires: '24h' } },
      'bounds',
    ),
  },
};
