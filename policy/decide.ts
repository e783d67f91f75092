// The decision: pure, compiled once per ruleset. A grant matches only what it proves; a guard matches
// whatever it cannot rule out. Deny beats allow, and order never changes the outcome.

import type { Closest, Decision } from './decision.ts';
import { compileGuardPathPattern, compileHostPattern, compilePathPattern, type Match } from './match.ts';
import type { Reason } from './reasons.ts';
import type { CanonicalRequest } from './request.ts';
import type { Ruleset, RulesetMatch, RulesetRule } from './ruleset.ts';

export type Decide = (request: CanonicalRequest) => Decision;

/** The first field of a match that a request fails, or null when it matches. */
type FirstMiss = (request: CanonicalRequest, labels: readonly string[]) => keyof RulesetMatch | null;

interface CompiledRule {
  readonly rule: RulesetRule;
  readonly firstMiss: FirstMiss;
}

export function compileDecider(ruleset: Ruleset, revision: string): Decide {
  const guards = ruleset.guards.map((rule) => ({ rule, firstMiss: compileGuard(rule, ruleset) }));
  const grants = ruleset.grants.map((rule) => ({ rule, firstMiss: compileGrant(rule, ruleset) }));
  const ceilings = new Map(
    Object.entries(ruleset.credentials).map(([name, credential]) => [
      name,
      credential.allow.map((match) => compileGrant(match, ruleset)),
    ]),
  );

  function refuseAs(
    reason: Reason,
    rule: RulesetRule | null,
    message?: string,
    closest: Closest | null = null,
  ): Decision {
    return {
      action: 'deny',
      reason,
      policy: rule?.policy ?? null,
      rule: rule?.name ?? null,
      message: message ?? rule?.message ?? null,
      revision,
      credential: null,
      destination: null,
      closest,
    };
  }

  return (request) => {
    if (ruleset.halt !== null) {
      return { ...refuseAs('halted', null), policy: ruleset.halt.policy };
    }
    const labels = request.host.split('.');
    const guard = guards.find(({ firstMiss }) => firstMiss(request, labels) === null);
    if (guard !== undefined) return refuseAs('denied_by_rule', guard.rule);

    const matching = grants.filter(({ firstMiss }) => firstMiss(request, labels) === null);
    if (matching.length === 0) {
      return refuseAs('no_grant', null, undefined, closestOf(grants, request, labels, ruleset));
    }
    const chosen = chooseGrant(matching, request, ruleset.agent.namespace);
    if (chosen === null) {
      const names = [...new Set(matching.flatMap(({ rule }) => rule.credential ?? []))];
      return refuseAs('credential_ambiguous', matching[0]?.rule ?? null, ambiguityMessage(names, request));
    }
    const credential = chosen.rule.credential ?? null;
    if (credential !== null) {
      const ceiling = ceilings.get(credential);
      if (ceiling === undefined) {
        return refuseAs(
          'secret_unavailable',
          chosen.rule,
          `The rule names the AgentCredential ${credential}, which does not exist or cannot be used; its status says more.`,
        );
      }
      if (!ceiling.some((firstMiss) => firstMiss(request, labels) === null)) {
        return refuseAs(
          'credential_ceiling',
          chosen.rule,
          `The AgentCredential ${credential} does not list this host, method and path under spec.allow.`,
        );
      }
    }
    const destination = matching.find(({ rule }) => rule.destination !== undefined)?.rule.destination ?? null;
    return {
      action: 'allow',
      reason: null,
      policy: chosen.rule.policy,
      rule: chosen.rule.name,
      message: null,
      revision,
      credential,
      destination,
      closest: null,
    };
  };
}

/**
 * Grants that name a credential go before those that do not; where two different ones match, the placeholder
 * in the request chooses. A placeholder that names something else than what would be injected is no choice.
 */
function chooseGrant(
  matching: readonly CompiledRule[],
  request: CanonicalRequest,
  namespace: string,
): CompiledRule | null {
  const naming = matching.filter(({ rule }) => rule.credential !== undefined);
  if (request.placeholder !== null) {
    const named = request.placeholder;
    return naming.find(({ rule }) => `${namespace}.${rule.credential}` === named) ?? null;
  }
  if (new Set(naming.map(({ rule }) => rule.credential)).size > 1) return null;
  return naming[0] ?? matching[0] ?? null;
}

function ambiguityMessage(names: readonly string[], request: CanonicalRequest): string {
  if (request.placeholder === null) {
    return `The rules name ${names.join(' and ')} here; send the placeholder of the one that is meant.`;
  }
  return names.length === 0
    ? 'The request carries a placeholder, but no rule that matches names a credential.'
    : `The request carries the placeholder of another credential than ${names.join(' or ')}, which the rules name here.`;
}

function compileGrant(match: RulesetMatch, ruleset: Ruleset): FirstMiss {
  const place = compileGrantPlace(match, ruleset);
  const methods = match.methods === undefined ? null : new Set(match.methods);
  const paths = match.paths?.map(compilePathPattern) ?? null;
  const placeField = match.destination === undefined ? 'hosts' : 'destination';
  return (request, labels) => {
    if (!place(request, labels)) return placeField;
    if (methods !== null && !methods.has(request.method)) return 'methods';
    if (paths !== null && !paths.some((path) => path(request.segments))) return 'paths';
    return null;
  };
}

type Place = (request: CanonicalRequest, labels: readonly string[]) => boolean;

/** `hosts` means HTTPS on 443; any other port or scheme is an AgentDestination. */
function compileGrantPlace(match: RulesetMatch, ruleset: Ruleset): Place {
  if (match.destination !== undefined) {
    const destination = ruleset.destinations[match.destination];
    if (destination === undefined) return () => false;
    const names = new Set(destination.names);
    return ({ host, port, scheme }) =>
      names.has(host) && port === destination.port && scheme === destination.scheme;
  }
  const onHosts = compileHosts(match.hosts ?? []);
  return (request, labels) =>
    request.scheme === 'https' && request.port === 443 && onHosts(request.host, labels);
}

function compileGuard(match: RulesetMatch, ruleset: Ruleset): FirstMiss {
  const place = compileGuardPlace(match, ruleset);
  // HTTP methods are case-sensitive, but a server may fold them; the guard cannot rule that out.
  const methods =
    match.methods === undefined ? null : new Set(match.methods.map((method) => method.toUpperCase()));
  const paths = match.paths?.map(compileGuardPathPattern) ?? null;
  return (request, labels) => {
    if (!place(request, labels)) return 'hosts';
    if (methods !== null && !methods.has(request.method.toUpperCase())) return 'methods';
    if (paths !== null && !paths.some((path) => path(request.segments))) return 'paths';
    return null;
  };
}

/** Without hosts: everywhere. A destination that is missing cannot be ruled out either. */
function compileGuardPlace(match: RulesetMatch, ruleset: Ruleset): Place {
  if (match.destination !== undefined) {
    const destination = ruleset.destinations[match.destination];
    if (destination === undefined) return () => true;
    const names = new Set(destination.names);
    return ({ host }) => names.has(host);
  }
  if (match.hosts === undefined) return () => true;
  const onHosts = compileHosts(match.hosts);
  return ({ host }, labels) => onHosts(host, labels);
}

function compileHosts(patterns: readonly string[]): (host: string, labels: readonly string[]) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')).map(spelling));
  const globs: Match[] = patterns.filter((pattern) => pattern.includes('*')).map(compileHostPattern);
  return (host, labels) => exact.has(host) || globs.some((glob) => glob(labels));
}

function spelling(pattern: string): string {
  return pattern.toLowerCase().replace(/\.$/, '');
}

const order = ['hosts', 'destination', 'methods', 'paths'] as const;

/** The grant that fails at the latest field; only rules of the agent's own namespace are grants, so none leaks. */
function closestOf(
  grants: readonly CompiledRule[],
  request: CanonicalRequest,
  labels: readonly string[],
  ruleset: Ruleset,
): Closest | null {
  let best: { rule: RulesetRule; field: keyof RulesetMatch } | null = null;
  for (const { rule, firstMiss } of grants) {
    const field = firstMiss(request, labels);
    if (field !== null && (best === null || order.indexOf(field) > order.indexOf(best.field)))
      best = { rule, field };
  }
  if (best === null) return null;
  const { rule, field } = best;
  return { policy: rule.policy, rule: rule.name, field, message: missMessage(rule, field, request, ruleset) };
}

function missMessage(
  rule: RulesetRule,
  field: keyof RulesetMatch,
  request: CanonicalRequest,
  ruleset: Ruleset,
): string {
  if (field === 'methods') return `The rule allows ${listed(rule.methods ?? [])}, not ${request.method}.`;
  if (field === 'paths') return `The rule allows ${listed(rule.paths ?? [])}, not ${request.path}.`;
  const place = `${request.scheme}://${request.host}:${request.port}`;
  if (field === 'destination') {
    const destination = ruleset.destinations[rule.destination ?? ''];
    return destination === undefined
      ? `The rule names the destination ${rule.destination}, which does not exist or is not open to this namespace.`
      : `The rule allows ${destination.scheme}://${destination.names[0]}:${destination.port}, not ${place}.`;
  }
  return `The rule allows ${listed(rule.hosts ?? [])} over HTTPS on port 443, not ${place}.`;
}

/** Enough to act on; a policy of hundreds of paths is not recited to an agent. */
function listed(values: readonly string[]): string {
  const shown = values.slice(0, 5).join(', ');
  return values.length > 5 ? `${shown} and ${values.length - 5} more` : shown;
}
