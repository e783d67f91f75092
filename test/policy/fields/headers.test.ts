import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileHeaders } from '../../../policy/fields/headers.ts';
import type { RulesetFields } from '../../../policy/ruleset.ts';
import { readingOf } from './asking.ts';

const version: RulesetFields = { fields: { 'Notion-Version': { equals: '2022-06-28' } } };
const noAccount: RulesetFields = { fields: { 'stripe-account': { absent: true } } };
const closed: RulesetFields = { fields: { 'x-tenant': { equals: 'acme' } }, others: 'Deny' };

describe('a grant on headers is not proven', () => {
  const cases: Record<string, [fields: RulesetFields, headers: string[], field: string]> = {
    'when the header is missing': [version, ['accept', '*/*'], 'headers.fields[Notion-Version]'],
    'when the header is there twice (H-31)': [
      version,
      ['notion-version', '2022-06-28', 'notion-version', '2022-06-28'],
      'headers.fields[Notion-Version]',
    ],
    'when a spelling with an underscore is beside it (H-31)': [
      version,
      ['notion-version', '2022-06-28', 'notion_version', '2025-01-01'],
      'headers.fields[Notion-Version]',
    ],
    'when it is there with an underscore only (H-31)': [
      version,
      ['notion_version', '2022-06-28'],
      'headers.fields[Notion-Version]',
    ],
    'when the value has a space at its end': [
      version,
      ['notion-version', '2022-06-28 '],
      'headers.fields[Notion-Version]',
    ],
    'when the value is in another letter case': [
      { fields: { 'x-tenant': { equals: 'acme' } } },
      ['x-tenant', 'Acme'],
      'headers.fields[x-tenant]',
    ],
    'when the value is a list that has the one': [
      { fields: { 'x-tenant': { equals: 'acme' } } },
      ['x-tenant', 'acme, evil'],
      'headers.fields[x-tenant]',
    ],
    'when what must be absent is there': [
      noAccount,
      ['stripe-account', 'acct_1'],
      'headers.fields[stripe-account]',
    ],
    'when what must be absent is there with an underscore (H-31)': [
      noAccount,
      ['stripe_account', 'acct_1'],
      'headers.fields[stripe-account]',
    ],
    'when what must be absent is empty': [
      noAccount,
      ['stripe-account', ''],
      'headers.fields[stripe-account]',
    ],
    'when a header is not listed': [closed, ['x-tenant', 'acme', 'x-y', '1'], 'headers.others'],
    'when a cookie is not listed (H-31)': [closed, ['x-tenant', 'acme', 'cookie', 'a=b'], 'headers.others'],
    'when a listed one is spelt with an underscore (H-31)': [
      { fields: { 'x-tenant': { equals: 'acme', optional: true } }, others: 'Deny' },
      ['x_tenant', 'acme'],
      'headers.fields[x-tenant]',
    ],
    'when an ordinary one is spelt with an underscore (H-31)': [
      { others: 'Deny' },
      ['content_type', 'text/plain'],
      'headers.others',
    ],
    'when the pattern does not compile': [
      { fields: { a: { pattern: '[' } } },
      ['a', 'x'],
      'headers.fields[a]',
    ],
  };
  for (const [when, [fields, headers, field]] of Object.entries(cases)) {
    it(when, () => {
      const miss = compileHeaders(fields, 'grant')(readingOf({ headers }));
      assert.equal(miss?.field, field);
    });
  }
});

describe('a grant on headers is proven', () => {
  const cases: Record<string, [fields: RulesetFields, headers: string[]]> = {
    'when the header is there once': [version, ['notion-version', '2022-06-28']],
    'when others are there that nobody lists': [
      version,
      ['x-y', '1', 'x-y', '2', 'notion-version', '2022-06-28'],
    ],
    'when what must be absent is': [noAccount, ['stripe-accounts', 'x']],
    'when all else is what every client sends': [
      closed,
      [
        'accept',
        '*/*',
        'accept-encoding',
        'gzip',
        'accept-language',
        '*',
        'user-agent',
        'curl/8',
        'sec-fetch-mode',
        'cors',
        'content-type',
        'application/json',
        'content-encoding',
        'identity',
        'authorization',
        'Bearer x',
        'x-tenant',
        'acme',
      ],
    ],
    'when there are none and none is asked for': [{ others: 'Deny' }, []],
    'when a number is within bounds': [{ fields: { 'x-n': { max: 5 } } }, ['x-n', '5']],
  };
  for (const [when, [fields, headers]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileHeaders(fields, 'grant')(readingOf({ headers })), null));
  }
});

const admin: RulesetFields = { fields: { 'x-role': { equals: 'admin' } } };

describe('a guard on headers holds', () => {
  const cases: Record<string, [fields: RulesetFields, headers: string[]]> = {
    'when the value is the one': [admin, ['x-role', 'admin']],
    'when the value is in another letter case': [admin, ['x-role', 'Admin']],
    'when one of two is the value (H-31)': [admin, ['x-role', 'user', 'x-role', 'admin']],
    'when one of a list is the value': [admin, ['x-role', 'user, admin']],
    'when it is spelt with an underscore (H-31)': [admin, ['x_role', 'admin']],
    'when what it wants absent is': [noAccount, []],
    'when what it wants absent is there with an underscore only': [noAccount, ['stripe_account', 'x']],
    'when an optional one is missing': [{ fields: { a: { equals: 'x', optional: true } } }, []],
    'when its pattern does not compile': [{ fields: { a: { pattern: '[' } } }, []],
  };
  for (const [when, [fields, headers]] of Object.entries(cases)) {
    it(when, () => assert.equal(compileHeaders(fields, 'guard')(readingOf({ headers })), null));
  }
});

describe('a guard on headers is ruled out', () => {
  const cases: Record<string, [fields: RulesetFields, headers: string[]]> = {
    'when the header is missing': [admin, ['x-roles', 'admin']],
    'when the value is another': [admin, ['x-role', 'user']],
    'when what it wants absent is there': [noAccount, ['stripe-account', 'acct_1']],
    'when an optional one has another value': [
      { fields: { 'x-role': { equals: 'admin', optional: true } } },
      ['x-role', 'user'],
    ],
  };
  for (const [when, [fields, headers]] of Object.entries(cases)) {
    it(when, () => assert.notEqual(compileHeaders(fields, 'guard')(readingOf({ headers })), null));
  }
});
