// An injection as the exchange uses it: checked against the secret, then put on a request.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { isRefusal, type Refusal } from '../../../../policy/refusal.ts';
import type { RulesetInject } from '../../../../policy/ruleset-credential.ts';
import { checkMaterial, fill, needsBody } from '../../../../sidecar/credentials/inject/inject.ts';
import type { Filled, Outgoing } from '../../../../sidecar/credentials/inject/injector.ts';
import type { Material } from '../../../../sidecar/credentials/material.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';

export function materialOf(parts: Readonly<Record<string, string>>): Material {
  return new Map(Object.entries(parts).map(([part, value]) => [part, new Secret(value)]));
}

/** A GET of https://api.example.com/v1/things, but for what is said. */
export function outgoing(changes: Partial<Outgoing> = {}): Outgoing {
  const body = changes.body ?? null;
  return {
    method: 'GET',
    host: 'api.example.com',
    path: '/v1/things',
    query: null,
    headers: [],
    hasBody: body !== null,
    contentLength: body?.length ?? null,
    placeholder: 'outrider-placeholder.research.bot',
    ...changes,
    body,
  };
}

/** With the body only where the injection asks for it, as the exchange does. */
export function fillOrRefuse(
  inject: RulesetInject,
  parts: Readonly<Record<string, string>>,
  request: Outgoing,
  nowMs = 0,
): Filled | Refusal {
  const material = materialOf(parts);
  checkMaterial(inject, material);
  const body = needsBody(inject, request) ? request.body : null;
  return fill(inject, material, { ...request, body }, nowMs);
}

export function filled(...args: Parameters<typeof fillOrRefuse>): Filled {
  const result = fillOrRefuse(...args);
  assert.ok(!isRefusal(result), inspect(result));
  return result;
}

export function assertRefused(message: RegExp, ...args: Parameters<typeof fillOrRefuse>): void {
  const result = fillOrRefuse(...args);
  assert.ok(isRefusal(result), inspect(result));
  assert.equal(result.reason, 'request_unsignable');
  assert.match(result.message, message);
  for (const value of Object.values(args[1])) {
    if (value.length > 3) assert.ok(!result.message.includes(value), 'the secret is shown');
  }
}

/** What a secret cannot be used for is told by `check`, in an error that prints nothing of it. */
export function assertUnusable(
  inject: RulesetInject,
  parts: Readonly<Record<string, string>>,
  code: string,
  field = `spec.inject.${inject.kind}`,
): void {
  assert.throws(
    () => checkMaterial(inject, materialOf(parts)),
    (error: Error & { readonly code?: string; readonly field?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.equal(error.field, field);
      const printed = `${inspect(error, { depth: null, showHidden: true })}${JSON.stringify(error)}`;
      for (const value of Object.values(parts)) {
        const shown = value.trim();
        if (shown.length > 3) assert.ok(!printed.includes(shown), 'the secret is shown');
      }
      return true;
    },
  );
}

/** Stored values that no slot of text takes. */
export const unprintable: Readonly<Record<string, string>> = {
  'a line end': 'canary-1\n',
  'a carriage return and another header': 'canary-2\r\nx-admin: 1',
  'a NUL': 'canary-3\0b',
  'a DEL': 'canary-4\u007f',
  'a tab': 'canary\t-5',
  'a space at its end': 'canary-6 ',
  'a space at its start': ' canary-7',
  'a letter beyond ASCII': 'canary-é',
  'a space beyond ASCII': 'canary-8\u00a0',
};
