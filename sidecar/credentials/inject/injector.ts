// What each way of putting a secret on a request implements: one file, and one line in inject.ts.

import type { Transform } from 'node:stream';
import type { Refusal } from '../../../policy/refusal.ts';
import type { RulesetInject, TokenEndpoint } from '../../../policy/ruleset-credential.ts';
import type { Material } from '../material.ts';
import type { VersionedSource } from '../provider.ts';

export type InjectKind = RulesetInject['kind'];
export type InjectOf<Kind extends InjectKind> = Extract<RulesetInject, { kind: Kind }>;

/** A request as it would go out without the secret. */
export interface Outgoing {
  readonly method: string;
  /** As in the Host header. */
  readonly host: string;
  /** As it goes onto the wire, starting with `/`. */
  readonly path: string;
  /** What follows the `?`, as it goes onto the wire; null without one. */
  readonly query: string | null;
  /** Name and value alternating, names in lower case: all that the agent sent and is forwarded; no host, no framing. */
  readonly headers: readonly string[];
  readonly hasBody: boolean;
  /** Null when it comes in chunks, or when there is no body. */
  readonly contentLength: number | null;
  /** The whole body, where `needsBody` said so and there is one. */
  readonly body: Buffer | null;
  /** What agents have in place of this credential's secret. */
  readonly placeholder: string;
}

/** What injection changes. Each header that is set takes the place of all others of its name. */
export interface Filled {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Names in lower case. */
  readonly dropped?: readonly string[];
  readonly path?: string;
  readonly query?: string | null;
  /** In place of the whole body; only where `needsBody` said so. */
  readonly body?: Buffer;
  /** What a body that is not held goes through; as many bytes leave as come. Destroying it ends the request. */
  readonly transform?: Transform;
}

/** Where a placeholder stands for the secret, and nowhere else but in bodies. */
export interface Places {
  /** Names in lower case. */
  readonly headers: readonly string[];
  readonly query: readonly string[];
  /** The placeholder may stand in the path. */
  readonly path?: true;
}

export interface Injector<Kind extends InjectKind> {
  /**
   * Told as soon as the secret is read, not at the first request: a part that is missing, or that its slot cannot carry.
   * @throws SidecarError that names the field of `spec.inject` and never prints the secret.
   */
  check(inject: InjectOf<Kind>, material: Material): void;
  places(inject: InjectOf<Kind>): Places;
  /** Of a body that is parsed, and takes many times its size meanwhile; absent: as much as a rule can ask for. */
  readonly maxBodyBytes?: number;
  /** Whether the whole body must be at hand; absent: never. */
  needsBody?(inject: InjectOf<Kind>, outgoing: Omit<Outgoing, 'body' | 'placeholder'>): boolean;
  /**
   * @param nowMs wall clock.
   * @returns a refusal where the request cannot be signed or filled as it is; never for what `check` finds.
   * @throws SidecarError
   */
  fill(inject: InjectOf<Kind>, material: Material, outgoing: Outgoing, nowMs: number): Filled | Refusal;
}

// --- what is exchanged for a token first ----------------------------------------------------------

export interface TokenRequest {
  readonly method: 'POST' | 'GET';
  /** Appended to the endpoint's path; with a leading slash. Absent: the endpoint itself. */
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface TokenAnswer {
  readonly status: number;
  /** At most 1 MiB. */
  readonly body: string;
}

/**
 * Calls a token endpoint over the same checked connections as requests take; no redirects, 10 s.
 * @throws SidecarError TOKEN_ENDPOINT_UNREACHABLE, _UNTRUSTED, _UNREADABLE or _UNKNOWN
 */
export type CallTokenEndpoint = (endpoint: TokenEndpoint, request: TokenRequest) => Promise<TokenAnswer>;

export interface MintContext {
  readonly material: Material;
  readonly call: CallTokenEndpoint;
  /** URL that a token endpoint is known by, such as https://idp.corp.example:8443/token; for audiences. */
  readonly urlOf: (endpoint: TokenEndpoint) => string;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** Null where the source cannot compare and set. */
  readonly versioned: VersionedSource | null;
}

export interface Minted {
  /** The one part `value`. */
  readonly material: Material;
  readonly lifetimeMs: number;
}

export interface Minter<Kind extends InjectKind> {
  /** As of an injector. */
  check(inject: InjectOf<Kind>, material: Material): void;
  /** @throws SidecarError; MINT_REFUSED when the endpoint does not accept the secret, which is then read again. */
  mint(inject: InjectOf<Kind>, context: MintContext): Promise<Minted>;
}
