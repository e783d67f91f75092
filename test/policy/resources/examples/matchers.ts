import { bad, deny, manyNamed, rule, type Examples } from '../examples.ts';

const query = (fields: object) => rule({ query: { fields } });
const body = (fields: object) => rule({ body: { fields } });
const matcher = (value: object) => query({ x: value });
const at = 'spec.rules[0].query.fields[x]';

export const matchers: Examples = {
  bad: {
    'an empty query': bad(rule({ query: {} }), 'spec.rules[0].query', /write fields, others: Deny or both/),
    'an empty headers': bad(
      rule({ headers: {} }),
      'spec.rules[0].headers',
      /write fields, others: Deny or both/,
    ),
    'an empty map of fields': bad(query({}), 'spec.rules[0].query.fields', /is empty/),
    'a field without a name': bad(query({ '': {} }), 'spec.rules[0].query.fields', /one that is empty/),
    'a field with a name that is too long': bad(
      query({ ['n'.repeat(129)]: {} }),
      'spec.rules[0].query.fields',
      /128/,
    ),
    'too many fields': bad(
      query(manyNamed(17, (index) => [`f${index}`, {}] as const)),
      'spec.rules[0].query.fields',
      /16/,
    ),
    'others that are listed': bad(
      rule({ query: { others: ['a'] } }),
      'spec.rules[0].query.others',
      /string|Allow, Deny/,
    ),
    'others in lower case': bad(
      rule({ query: { others: 'deny' } }),
      'spec.rules[0].query.others',
      /Allow.*Deny/,
    ),
    'a field of a body that is no pointer': bad(
      body({ amount: {} }),
      'spec.rules[0].body.fields',
      /such as \/amount/,
    ),
    'a pointer to the whole body': bad(body({ '/': {} }), 'spec.rules[0].body.fields', /no JSON pointer/),
    'a pointer that is too long': bad(
      body({ [`/${'p'.repeat(256)}`]: {} }),
      'spec.rules[0].body.fields',
      /256/,
    ),
    'a matcher that is a value': bad(query({ x: 'usd' }), at, /object/),
    'an unknown key of a matcher': bad(matcher({ patern: 'a' }), `${at}.patern`, /unknown field|not a field/),
    'a value that is no string': bad(matcher({ equals: 5 }), `${at}.equals`, /must be of type string/),
    'a bound that is a string': bad(matcher({ min: '5' }), `${at}.min`, /must be of type (integer|number)/),
    'a bound that is no integer': bad(matcher({ max: 0.5 }), `${at}.max`, /must be of type (integer|int)/),
    'a matcher whose type does not exist': bad(
      matcher({ type: 'Integer' }),
      `${at}.type`,
      /String.*Number.*Boolean/,
    ),
    'an empty list of values': bad(matcher({ oneOf: [] }), `${at}.oneOf`, /such as usd/),
    'an empty start': bad(matcher({ startsWith: '' }), `${at}.startsWith`, /at least 1 chars|is empty/),
    'a length of zero': bad(matcher({ maxLength: 0 }), `${at}.maxLength`, /greater than or equal to 1|>=1/),
    'an absence that is denied': bad(matcher({ absent: false }), `${at}.absent`, /true/),
    'an absence that is optional': bad(
      matcher({ absent: true, optional: true }),
      at,
      /absent: true \} alone/,
    ),
    'an absence with a value': bad(matcher({ absent: true, equals: 'a' }), at, /absent: true \} alone/),
    'an absence with a type': bad(matcher({ absent: true, type: 'Number' }), at, /absent: true \} alone/),
    'a String with bounds': bad(matcher({ type: 'String', min: 1 }), at, /keys that do not fit its type/),
    'a Number with a length': bad(
      matcher({ type: 'Number', maxLength: 3 }),
      at,
      /Number equals, oneOf, min and max/,
    ),
    'a Number with a pattern': bad(matcher({ type: 'Number', pattern: '[0-9]+' }), at, /do not fit its type/),
    'a Boolean of several values': bad(matcher({ type: 'Boolean', oneOf: ['true'] }), at, /Boolean equals/),
    'a Boolean that is neither': bad(
      matcher({ type: 'Boolean', equals: 'yes' }),
      at,
      /a Boolean as "true" or "false"/,
    ),
    'a Number in words': bad(
      matcher({ type: 'Number', equals: 'twelve' }),
      at,
      /a Number is written as a plain decimal/,
    ),
    'a Number with an exponent': bad(
      matcher({ min: 1, equals: '1e3' }),
      at,
      /a Number is written as a plain decimal/,
    ),
    'bounds beside a string': bad(matcher({ min: 1, startsWith: 'a' }), at, /write one of the two/),
    'bounds that nothing is between': bad(matcher({ min: 5, max: 3 }), at, /min above its max/),
    'bounds beyond safe integers': bad(
      matcher({ max: 9_007_199_254_740_992 }),
      `${at}.max`,
      /less than or equal to 9\.?007199254740991|<=9007199254740991|integer|int/,
    ),
    'a body of a type that is not read (H-50)': bad(
      rule({ body: { types: ['Text'] } }),
      'spec.rules[0].body.types[0]',
      /Json.*Form/,
    ),
    'an empty list of types': bad(rule({ body: { types: [] } }), 'spec.rules[0].body.types', /such as Json/),
    'a body that is larger than a sidecar holds (H-55)': bad(
      rule({ body: { maxBytes: '17Mi' } }),
      'spec.rules[0].body.maxBytes',
      /up to 16Mi/,
    ),
    'a size in units that are not binary': bad(
      rule({ body: { maxBytes: '64KB' } }),
      'spec.rules[0].body.maxBytes',
      /such as 64Ki/,
    ),
    'a size that is a number': bad(
      rule({ body: { maxBytes: 65_536 } }),
      'spec.rules[0].body.maxBytes',
      /must be of type string/,
    ),
    'a broken matcher in a header': bad(
      rule({ headers: { fields: { 'x-team': { min: 2, max: 1 } } } }),
      'spec.rules[0].headers.fields[x-team]',
      /min above its max/,
    ),
    'a broken matcher deep in a body': bad(
      body({ '/items/*/price': { min: 2, max: 1 } }),
      'spec.rules[0].body.fields[/items/*/price]',
      /min above its max/,
    ),
  },
  good: {
    'every matcher': rule(
      {
        query: {
          fields: {
            anything: {},
            optional: { optional: true },
            equals: { equals: '' },
            oneOf: { oneOf: ['a', ''] },
            startsWith: { startsWith: 'reports/', maxLength: 1024 },
            pattern: { type: 'String', pattern: '[a-z]+' },
            number: { min: -5, max: 5 },
            exactly: { type: 'Number', equals: '-0.5' },
            amounts: { type: 'Number', oneOf: ['1', '2.5'] },
            boolean: { type: 'Boolean', equals: 'true' },
            either: { type: 'Boolean', optional: true },
            absent: { absent: true },
            bounds: { min: -9_007_199_254_740_991, max: 9_007_199_254_740_991 },
          },
        },
      },
      'matchers',
    ),
    'names of every form': rule(
      {
        query: {
          fields: { 'a[b]': {}, 'x-id': {}, 'stra\u00dfe': {}, ['n'.repeat(128)]: {} },
          others: 'Allow',
        },
        headers: { fields: { 'Stripe-Account': { absent: true } } },
        body: {
          fields: { '/a/b': {}, '/a~1b/~0': {}, '/items/*/price': {}, '/0': {}, [`/${'p'.repeat(255)}`]: {} },
          others: 'Deny',
        },
      },
      'names',
    ),
    'a body of JSON alone': rule({ body: { types: ['Json'], maxBytes: '16Mi' } }, 'json'),
    'a body of either type': rule({ body: { types: ['Json', 'Form'], maxBytes: '1' } }, 'either'),
    'a body that must be readable': rule({ body: {} }, 'readable'),
    'a Deny of a field': deny(
      { body: { fields: { '/role': { equals: 'admin' } }, others: 'Allow' } },
      'role',
    ),
  },
};
