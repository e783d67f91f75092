// The strings that resources are made of. Patterns are RE2 and JavaScript alike: the API server runs the one,
// local mode the other.

import { z } from 'zod';
import { constrain, text } from './constraint.ts';

/** A CEL string literal of a pattern. */
function celPattern(pattern: string): string {
  return `r'${pattern}'`;
}

/** Text that a pattern matches; without apostrophes in it, which end a CEL string. */
export function matching(maxLength: number, pattern: string, message: string) {
  return constrain(text(maxLength), {
    cel: `self.matches(${celPattern(pattern)})`,
    holds: (value) => new RegExp(pattern, 'u').test(value),
    message,
  });
}

/** RFC 1123 subdomain: the name of an object of ours, of a ServiceAccount or a store. */
export function objectName() {
  return matching(
    253,
    '^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$',
    'is no object name: lower-case letters, digits, hyphens and dots, such as github-bot',
  );
}

/** RFC 1123 label: a namespace, a Service, a rule. */
export function labelName() {
  return matching(
    63,
    '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$',
    'is no name: at most 63 lower-case letters, digits and hyphens, such as read-issues',
  );
}

const hostLabel = '([a-z0-9*]([a-z0-9*-]*[a-z0-9*])?)';

/** A host, or a glob on its labels; over HTTPS on port 443 at public addresses. */
export function hostPattern() {
  return constrain(
    matching(
      253,
      `^${hostLabel}([.]${hostLabel})*$`,
      'is no host: write a lower-case DNS name without scheme, port or path, such as api.github.com, *.example.com or **.example.com',
    ),
    {
      cel: `!self.contains('**') || !self.matches(r'[^.][*][*]|[*][*][^.]')`,
      holds: (value) => !/[^.]\*\*|\*\*[^.]/.test(value),
      message: 'has a ** that is not a whole label: write such as **.example.com, or * inside one label',
    },
  );
}

/** A host of a credential's ceiling: a wildcard must stay under a name somebody owns. */
export function ceilingHostPattern() {
  return constrain(hostPattern(), {
    cel: `!self.contains('*') || self.matches(r'[.][a-z0-9-]+[.][a-z0-9-]+$')`,
    holds: (value) => !value.includes('*') || /[.][a-z0-9-]+[.][a-z0-9-]+$/.test(value),
    message:
      'is too wide for a credential: a wildcard must end in a domain of your own, such as *.example.com',
  });
}

/** One host name without wildcards, or an IPv4 address. */
export function hostName() {
  return matching(
    253,
    '^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$',
    'is no host name: write a lower-case DNS name without scheme, port or wildcard, such as wiki.corp.example',
  );
}

/** A glob on decoded path segments. */
export function pathPattern() {
  return constrain(
    matching(
      512,
      String.raw`^/[^%;?#\\\x00-\x1f\x7f]*$`,
      'is no path: start with / and write decoded characters, without query, %, ; or backslash, such as /repos/acme/**',
    ),
    {
      cel: String.raw`!self.contains('//') && !self.matches(r'/[.][.]?(/|$)') && !self.matches(r'[^/][*][*]|[*][*][^/]')`,
      holds: (value) =>
        !value.includes('//') && !/\/\.\.?(?:\/|$)/.test(value) && !/[^/]\*\*|\*\*[^/]/.test(value),
      message:
        'has an empty or dot segment, or a ** that is not a whole segment; write such as /repos/*/issues/**',
    },
  );
}

/** Methods are case-sensitive (RFC 9110 section 9.1), and every one in use is upper-case. */
export function httpMethod() {
  return matching(32, '^[A-Z]+(-[A-Z]+)*$', 'is no method: write it in upper case, such as GET');
}

/** A duration of hours, minutes and seconds between two bounds. */
export function duration(minimum: string, maximum: string) {
  const pattern = '^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$';
  return constrain(text(24), {
    cel: `self.size() > 1 && self.matches(r'${pattern}') && duration(self) >= duration('${minimum}') && duration(self) <= duration('${maximum}')`,
    holds: (value) => {
      const ms = durationMs(value);
      return ms !== null && ms >= (durationMs(minimum) ?? 0) && ms <= (durationMs(maximum) ?? 0);
    },
    message: `is no duration from ${minimum} to ${maximum}: write hours, minutes and seconds, such as 5m or 1h30m`,
  });
}

/** Milliseconds of a duration as `duration` accepts it, or null. */
export function durationMs(text: string): number | null {
  const parts = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/.exec(text);
  if (parts === null || text === '') return null;
  const [, hours = '0', minutes = '0', seconds = '0'] = parts;
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/** A key of a Secret or ConfigMap. */
export function secretKey() {
  return matching(
    253,
    '^[A-Za-z0-9_-][A-Za-z0-9._-]*$',
    'is no key of a Secret: letters, digits, ., _ and -, such as secret-id',
  );
}

/** A path in a secret store; what a template or a URL could misread is refused. */
export function storePath(maxLength: number, example: string) {
  return constrain(text(maxLength), {
    cel: `self.matches(r'^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$') && !self.matches(r'(^|/)[.][.]?(/|$)')`,
    holds: (value) =>
      /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/.test(value) && !/(?:^|\/)\.\.?(?:\/|$)/.test(value),
    message: `is no path: letters, digits, ., _ and - between single slashes, none at the start or end, such as ${example}`,
  });
}

/** Where a store, or a part of one, answers; `what` is such as "address of a Vault". */
export function httpsAddress(what: string, example: string) {
  return constrain(text(512), {
    cel: `isURL(self) && url(self).getScheme() == 'https' && self.matches(r'^https://[A-Za-z0-9.:\\[\\]-]+/?$')`,
    holds: (value) => URL.canParse(value) && /^https:\/\/[A-Za-z0-9.:[\]-]+\/?$/.test(value),
    message: `is no ${what}: write https://host:port without path, query or user, such as ${example}`,
  });
}

/** PEM text of one or more certificates. */
export function caBundle() {
  return constrain(text(65_536), {
    cel: `self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')`,
    holds: (value) => value.includes('-----BEGIN CERTIFICATE-----') && !value.includes('PRIVATE KEY'),
    message:
      'is no CA bundle: write certificates as PEM text, starting with -----BEGIN CERTIFICATE-----, and no key',
  });
}

export function port() {
  return z.int().min(1).max(65_535);
}

/** An address range that an AgentDestination opens. */
export function cidr() {
  return constrain(text(49), {
    cel: 'isCIDR(self)',
    holds: (value) => isCidr(value),
    message: 'is no address range: write CIDR notation, such as 10.20.0.0/16 or fd00:10::/64',
  });
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false;
  if (z.ipv4().safeParse(address).success) return Number(bits) <= 32;
  return z.ipv6().safeParse(address).success && Number(bits) <= 128;
}
