// Every reason for which a request is refused. Codes are public API: agents and dashboards branch on them,
// so they are never renamed and never reused. docs/reasons.md lists them, and a test holds both together.

/** Each with the sentence that goes into `title` of the refusal. */
export const reasons = {
  no_grant: 'No rule allows this request.',
  denied_by_rule: 'A rule denies this request.',
  halted: 'This agent has been halted.',
  policy_stale: 'The policy could not be confirmed with the operator in time.',
  approval_required: 'Somebody must approve this request first.',
  limit_exceeded: 'A limit of the rule is used up.',
  limit_unavailable: 'No share of a limit could be had from the operator.',
  credential_ambiguous:
    'Two credentials could be used, or one in two ways; a placeholder may have to say which is meant.',
  credential_ceiling: 'The credential is not allowed to go there.',
  secret_unavailable: 'The secret could not be had from its source.',
  request_unsignable: 'The credential cannot be put on this request as it is.',
  request_malformed: 'The request is not valid HTTP.',
  request_ambiguous: 'The request can be read in two ways.',
  body_unreadable: 'A rule governs the body, and it cannot be read in one way.',
  body_too_large: 'The body is longer than the rule allows.',
  names_disagree: 'The names in the tunnel, the TLS handshake and the Host header are not the same.',
  tls_handshake_failed: 'The TLS handshake of the agent with Outrider failed.',
  protocol_unsupported: 'This protocol is not governed yet, so it is refused.',
  expectation_unsupported: 'Only Expect: 100-continue is supported.',
  overloaded: 'The memory for bodies that rules look into is used up.',
  request_timeout: 'The body of the request did not arrive in time.',
  target_too_long: 'The request target is longer than 8 KiB.',
  headers_too_large: 'The request has more than 100 headers or more than 64 KiB of them.',
  destination_blocked: 'The name leads to an address that agents may not reach.',
  upstream_untrusted: 'The upstream could not prove its name over TLS.',
  upstream_unreachable: 'The upstream could not be reached.',
  upstream_timeout: 'The upstream did not answer in time.',
  upstream_invalid: 'The upstream sent something that is not valid HTTP.',
  sidecar_failed: 'Outrider failed to handle the request, so nothing was sent.',
} as const;

export type Reason = keyof typeof reasons;
