import { bad, many, rule, type Examples } from '../examples.ts';

const hosts = (host: string) => rule({ hosts: [host] });
const paths = (path: string) => rule({ paths: [path] });
const hostAt = 'spec.rules[0].hosts[0]';
const pathAt = 'spec.rules[0].paths[0]';

export const places: Examples = {
  bad: {
    'an empty list of hosts': bad(rule({ hosts: [] }), 'spec.rules[0].hosts', /such as api.github.com/),
    'hosts that are no list': bad(
      rule({ hosts: 'api.example.com' }),
      'spec.rules[0].hosts',
      /must be of type array/,
    ),
    'too many hosts': bad(
      rule({ hosts: many(17, (index) => `h${index}.example.com`) }),
      'spec.rules[0].hosts',
      /16/,
    ),
    'a URL as host': bad(hosts('https://api.example.com'), hostAt, /without scheme, port or path/),
    'a host with a port': bad(hosts('api.example.com:443'), hostAt, /without scheme, port or path/),
    'a host in upper case': bad(hosts('API.example.com'), hostAt, /lower-case/),
    'a host in Unicode (H-10)': bad(hosts('b\u00fccher.example'), hostAt, /DNS name/),
    'a host with a trailing dot (H-10)': bad(hosts('api.example.com.'), hostAt, /DNS name/),
    'a host with an empty label (H-10)': bad(hosts('api..example.com'), hostAt, /DNS name/),
    'a host with an underscore (H-10)': bad(hosts('my_api.example.com'), hostAt, /DNS name/),
    'a host with a user (H-13)': bad(hosts('user@api.example.com'), hostAt, /DNS name/),
    'an IPv6 address as host': bad(hosts('[2001:db8::1]'), hostAt, /DNS name/),
    'a host with ** inside a label': bad(hosts('api**.example.com'), hostAt, /not a whole label/),
    'a host that is too long': bad(hosts(`${'a'.repeat(250)}.com`), hostAt, /253/),
    'an empty host': bad(hosts(''), hostAt, /DNS name/),
    'an empty list of methods': bad(rule({ methods: [] }), 'spec.rules[0].methods', /such as GET/),
    'a method in lower case': bad(rule({ methods: ['get'] }), 'spec.rules[0].methods[0]', /such as GET/),
    'a method that is a wildcard': bad(rule({ methods: ['*'] }), 'spec.rules[0].methods[0]', /such as GET/),
    'an empty list of paths': bad(rule({ paths: [] }), 'spec.rules[0].paths', /such as \/v1\/refunds/),
    'a path without a slash': bad(paths('v1/x'), pathAt, /start with \//),
    'a path with a query': bad(paths('/v1?x=y'), pathAt, /without query/),
    'a path with a fragment (H-22)': bad(paths('/v1#x'), pathAt, /start with \//),
    'a path with an escape': bad(paths('/a%2fb'), pathAt, /decoded characters/),
    'a path with a backslash (H-20)': bad(paths('/a\\b'), pathAt, /backslash/),
    'a path with a parameter (H-20)': bad(paths('/a;x=1/b'), pathAt, /without query, %, ; or backslash/),
    'a path with a control character (H-20)': bad(paths('/a\u0001'), pathAt, /decoded characters/),
    'a path with a dot segment (H-20)': bad(paths('/a/../b'), pathAt, /dot segment/),
    'a path that ends in a dot segment (H-20)': bad(paths('/a/.'), pathAt, /dot segment/),
    'a path with an empty segment (H-20)': bad(paths('/a//b'), pathAt, /empty or dot segment/),
    'a path with ** inside a segment': bad(paths('/a**'), pathAt, /whole segment/),
    'a path that is too long': bad(paths(`/${'p'.repeat(512)}`), pathAt, /512/),
  },
  good: {
    'hosts of every form': rule(
      {
        hosts: [
          'localhost',
          'api.example.com',
          '*.example.com',
          '**.example.com',
          'api-*.example.com',
          '**',
          'xn--bcher-kva.example',
          '203.0.113.7',
        ],
      },
      'hosts',
    ),
    'methods of every form': rule({ methods: ['GET', 'HEAD', 'M-SEARCH', 'VERSION-CONTROL'] }, 'methods'),
    'paths of every form': rule(
      {
        paths: [
          '/',
          '/**',
          '/v1/*/x',
          '/v1/**/x',
          '/models/*:generateContent',
          '/calendars/team@acme.example/events',
          '/b\u00fccher/\u{1f4da}',
          '/trailing/',
          '/...',
        ],
      },
      'paths',
    ),
    'a path at its limit, in characters beyond 16 bits': rule(
      { paths: [`/${'\u{1f4da}'.repeat(511)}`] },
      'long-path',
    ),
  },
};
