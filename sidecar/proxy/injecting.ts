// From a decision that names a credential to a request that carries it: resolve, then fill.

import { placeholder } from '../../policy/contract.ts';
import type { Decision } from '../../policy/decision.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import type { RulesetInject } from '../../policy/ruleset-credential.ts';
import type { Clock } from '../clock.ts';
import type { Snapshot } from '../control/snapshot.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { fill, maxBodyBytesOf, needsBody, placesOf } from '../credentials/inject/inject.ts';
import type { Filled, Outgoing, Places } from '../credentials/inject/injector.ts';
import { isSameMaterial, type Material } from '../credentials/material.ts';
import { asSidecarError } from '../errors.ts';
import type { Head } from './head.ts';
import { findStray } from './placeholder.ts';
import { timed, type Trail } from './trail.ts';

/** What a request carries, and what it was made of. */
export interface Injection {
  readonly credential: string;
  readonly material: Material;
  readonly filled: Filled;
}

export interface Injecting {
  /** @returns null where the decision names no credential. */
  inject(
    decision: Decision,
    snapshot: Snapshot,
    outgoing: Omit<Outgoing, 'placeholder'>,
    trail: Trail,
  ): Promise<Injection | Refusal | null>;
  /** After an upstream's 401: whether there is another value by now, or why that cannot be told. */
  replace(injection: Injection, snapshot: Snapshot, trail: Trail | null): Promise<boolean | Refusal>;
}

export function createInjecting({
  credentials,
  clock,
}: {
  readonly credentials: Pick<Credentials, 'resolve' | 'replace'>;
  readonly clock: Clock;
}): Injecting {
  async function resolve(name: string, snapshot: Snapshot, trail: Trail): Promise<Material | Refusal> {
    const end = timed(trail, 'resolve');
    try {
      const material = await credentials.resolve(name, snapshot);
      end();
      return material;
    } catch (error) {
      end(asSidecarError(error).code);
      return unavailable(name, error, trail);
    }
  }

  return {
    async inject({ credential, inject }, snapshot, outgoing, trail) {
      if (credential === null || inject === null) return null;
      const material = await resolve(credential, snapshot, trail);
      if (isRefusal(material)) return material;
      try {
        const { namespace } = snapshot.ruleset.agent;
        const request = { ...outgoing, placeholder: placeholder(namespace, credential) };
        const filled = fill(inject, material, request, clock.nowMs() ?? Date.now());
        return isRefusal(filled) ? filled : { credential, material, filled };
      } catch (error) {
        return unavailable(credential, error, trail);
      }
    },
    async replace({ credential, material }, snapshot, trail) {
      try {
        return !isSameMaterial(await credentials.replace(credential, snapshot, material), material);
      } catch (error) {
        return unavailable(credential, error, trail);
      }
    },
  };
}

/** The code alone: what a source says may name paths of a store that the agent need not know. */
function unavailable(credential: string, error: unknown, trail: Trail | null): Refusal {
  const { code } = asSidecarError(error);
  if (trail !== null) trail.errorCode = code;
  return refuse('secret_unavailable', `The secret of ${credential} could not be had (${code}).`);
}

/** As much of a body as the scheme takes, where all of it must be at hand; undefined: as much as a rule can ask for. */
export function maxSignedBytes({ inject }: Decision): number | undefined {
  return inject === null ? undefined : maxBodyBytesOf(inject);
}

/** Whether all of the body must be at hand before the request can be signed or filled. */
export function isBodySigned({ inject }: Decision, outgoing: Omit<Outgoing, 'placeholder'>): boolean {
  return inject !== null && needsBody(inject, outgoing);
}

/** Where the decision's credential is put; null where it names none. */
export function placesIn({ inject }: Decision): Places | null {
  return inject === null ? null : placesOf(inject);
}

const nowhere = { headers: [], query: [] };

/** A placeholder where the credential that was chosen is not put; without one, anywhere. */
export function strayPlaceholder({ placeholders }: Head, inject: RulesetInject | null): Refusal | null {
  return placeholders.at.length === 0
    ? null
    : findStray(placeholders, inject === null ? nowhere : placesOf(inject));
}
