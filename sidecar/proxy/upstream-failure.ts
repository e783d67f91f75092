// Why an upstream gave no answer, as a refusal. Error texts of TLS and DNS are not passed on, only codes.

import { refuse, type Refusal } from '../../policy/refusal.ts';

/** Carries a refusal through undici, which hands a connector's error back as it is. */
export interface ConnectError extends Error {
  readonly refusal: Refusal;
}

export function connectError(refusal: Refusal): ConnectError {
  return Object.assign(new Error(refusal.message), { refusal });
}

const timeouts = /^(?:UND_ERR_HEADERS_TIMEOUT|UND_ERR_BODY_TIMEOUT|ETIMEDOUT)$/;
/** undici's own checks, ours, and what Node refuses to send on as a header. */
const invalid =
  /^(?:UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|HPE_.*|ERR_(?:HTTP_)?INVALID_.*)$/;
const unasked = /^bad (?:response|upgrade)$/;

/** Of what went wrong after the connection was made, or while making it. */
export function refusalOfFailure(error: Error, host: string): Refusal {
  if ('refusal' in error) return (error as ConnectError).refusal;
  const code = codeOf(error);
  if (timeouts.test(code)) {
    return refuse('upstream_timeout', `${host} did not answer in time; try again later.`);
  }
  // undici reports an unasked-for 100, 101 or second answer under the code of a lost connection.
  const isInvalid = error.name === 'HTTPParserError' || invalid.test(code) || unasked.test(error.message);
  if (isInvalid) return refuse('upstream_invalid', `${host} sent something that is not valid HTTP.`);
  if (code.startsWith('UND_ERR_REQ_') || code.startsWith('UND_ERR_INVALID')) {
    return refuse('sidecar_failed', `The request could not be sent (${code}).`);
  }
  if (code.startsWith('ERR_SSL_')) return refuseTls(code, host);
  return refuse(
    'upstream_unreachable',
    `${host} closed the connection before the answer was whole (${code}).`,
  );
}

/** Of a failed TCP connection. */
export function refuseUnreachable(error: Error, host: string): Refusal {
  const code = codeOf(error);
  return timeouts.test(code)
    ? refuse('upstream_timeout', `${host} did not accept a connection in time.`)
    : refuse('upstream_unreachable', `${host} could not be reached (${code}).`);
}

/** Of a failed TLS handshake. */
export function refuseUntrusted(error: Error, host: string): Refusal {
  const code = codeOf(error);
  if (code === 'ECONNRESET') {
    return refuse('upstream_unreachable', `${host} closed the connection during the TLS handshake.`);
  }
  if (code.startsWith('ERR_SSL_')) return refuseTls(code, host);
  return refuse(
    'upstream_untrusted',
    `${host} did not prove its name with a certificate of a trusted CA (${code === 'UNSPECIFIED' ? verifyError(error) : code}).`,
  );
}

/** Protocol, cipher or key that are too old, no TLS at all, or an alert, which TLS 1.3 sends after the handshake too. */
function refuseTls(code: string, host: string): Refusal {
  return refuse(
    'upstream_untrusted',
    `${host} and Outrider could not agree on TLS 1.2 or later as both demand it (${code}).`,
  );
}

/** Node knows codes for half of OpenSSL's verdicts; the others have a fixed sentence (X509_verify_cert_error_string). */
function verifyError({ message }: Error): string {
  return /^[\w .,()/'-]{1,64}$/.test(message) ? message.toUpperCase().replaceAll(/\W+/g, '_') : 'UNSPECIFIED';
}

export function refuseUnresolved(error: unknown, host: string): Refusal {
  return refuse('upstream_unreachable', `The name ${host} was not found in DNS (${codeOf(error)}).`);
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' && /^[A-Z0-9_/]{1,80}$/.test(code) ? code : 'no code';
}
