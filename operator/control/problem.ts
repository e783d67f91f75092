// Failures as answers of the control port: problem documents (RFC 9457) with the catalogue's code.

import type { FastifyError, FastifyReply } from 'fastify';
import { operatorErrors, OperatorError, type OperatorErrorCode } from '../errors.ts';

/** What fastify itself refuses before a handler runs. */
const codesOfFastify: Readonly<Record<string, OperatorErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
};

/** Sidecars that were refused for a while come back over a second or two, not at once. */
const defaultRetryAfterSeconds = 1;

export function asOperatorError(error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  const { code, statusCode = 500 } = error as Partial<FastifyError>;
  const known = codesOfFastify[code ?? ''];
  if (known !== undefined) return new OperatorError(known);
  // Malformed JSON and the like; the parser's own words may quote the body.
  if (statusCode < 500) return new OperatorError('REQUEST_INVALID');
  return new OperatorError('INTERNAL', { cause: error });
}

export function sendProblem(reply: FastifyReply, error: OperatorError): FastifyReply {
  const { code, status, retryable, detail, retryAfterMs } = error;
  if (status === 503) {
    void reply.header('retry-after', Math.ceil((retryAfterMs ?? 0) / 1000) || defaultRetryAfterSeconds);
  }
  if (status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply
    .code(status)
    .type('application/problem+json')
    .send({
      type: 'about:blank',
      title: operatorErrors[code].sentence,
      status,
      code,
      retryable,
      // What an API server or a bug says is for the log alone.
      ...(detail === undefined || status >= 500 ? {} : { detail }),
    });
}
