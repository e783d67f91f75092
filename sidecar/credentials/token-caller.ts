// Calls to token endpoints: over the same checked connections as agents' requests take, to a shipped URL or to an
// AgentDestination, and nowhere that a namespaced resource could name by itself.

import type { Agent as HttpAgent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TokenEndpoint } from '../../policy/ruleset-credential.ts';
import type { RulesetDestination } from '../../policy/ruleset.ts';
import { isShippedTokenEndpoint } from '../../policy/token-endpoints.ts';
import { callBounded, type CallFailures } from '../bounded-call.ts';
import { SidecarError } from '../errors.ts';
import { Agent } from '../node-http.ts';
import type { Dial, Place } from '../proxy/dialler.ts';
import type { CallTokenEndpoint } from './inject/injector.ts';

export interface TokenCaller {
  readonly call: CallTokenEndpoint;
  readonly urlOf: (endpoint: TokenEndpoint) => string;
}

/** A token endpoint that thinks longer is down; a login there takes one round trip of its own. */
const timeoutMs = 10_000;
/** GitHub echoes all that it knows of each repository that a token is narrowed to: about 6 KiB, of at most 64. */
const maxAnswerBytes = 1024 * 1024;

/** What a GitHub App's tokens are minted at; the path is the minter's, and no resource can name it. */
const githubApi = 'https://api.github.com';

const field = 'spec.inject';
const failures: CallFailures = {
  unreachable: { code: 'TOKEN_ENDPOINT_UNREACHABLE', field },
  untrusted: { code: 'TOKEN_ENDPOINT_UNTRUSTED', field },
  unreadable: { code: 'TOKEN_ENDPOINT_UNREADABLE', field },
};

export function createTokenCaller({
  dial,
  destinations,
}: {
  readonly dial: Dial;
  readonly destinations: Readonly<Record<string, RulesetDestination>>;
}): TokenCaller {
  function locate(endpoint: TokenEndpoint): { readonly url: URL; readonly place: Place } {
    if ('url' in endpoint) {
      const url = URL.canParse(endpoint.url) ? new URL(endpoint.url) : null;
      if (url === null || !(endpoint.url === githubApi || isShippedTokenEndpoint(endpoint.url)))
        throw unknown();
      return { url, place: { host: url.hostname, port: 443, scheme: 'https', destination: null } };
    }
    const destination = Object.hasOwn(destinations, endpoint.destination)
      ? destinations[endpoint.destination]
      : undefined;
    const host = destination?.names[0];
    if (destination === undefined || host === undefined || destination.scheme !== 'https') throw unknown();
    const { port } = destination;
    const authority = port === 443 ? host : `${host}:${port}`;
    const url = new URL(`https://${authority}`);
    url.pathname = endpoint.path;
    return { url, place: { host, port, scheme: 'https', destination } };
  }

  return {
    call: async (endpoint, { method, path = '', headers, body }) => {
      const { url, place } = locate(endpoint);
      url.pathname = `${url.pathname.replace(/\/$/, path === '' ? '$&' : '')}${path}`;
      const agent = createDiallingAgent(dial, place);
      try {
        const answer = await callBounded({
          agent,
          // The connection is made, and its certificate checked, by the dialler.
          url: Object.assign(new URL(url), { protocol: 'http:' }),
          method,
          headers: { ...headers, host: url.host },
          ...(body === undefined ? {} : { body }),
          timeoutMs,
          maxAnswerBytes,
          failures,
        });
        return { status: answer.status, body: answer.body };
      } finally {
        agent.destroy();
      }
    },
    urlOf: (endpoint) => locate(endpoint).url.href,
  };
}

function unknown(): SidecarError {
  return new SidecarError('TOKEN_ENDPOINT_UNKNOWN', { field });
}

/** One connection for one call, made by the dialler. */
function createDiallingAgent(dial: Dial, place: Place): HttpAgent {
  const agent = new Agent({ keepAlive: false, maxSockets: 1 });
  agent.createConnection = (_options, done) => {
    void connect(done);
    return null;
  };

  async function connect(done: CreateConnectionDone): Promise<void> {
    try {
      done?.(null, await dial(place));
    } catch (error) {
      done?.(asCallError(error), noSocket);
    }
  }

  return agent;
}

type CreateConnectionDone = Parameters<HttpAgent['createConnection']>[1];
/** Node looks at it only where there is no error. */
const noSocket = undefined as unknown as Duplex;

/** What the dialler refuses is a refusal of a request; here it is a failure of ours. */
function asCallError(error: unknown): Error {
  const { reason } = (error as { refusal?: { reason?: string } }).refusal ?? {};
  if (reason === 'upstream_untrusted') return new SidecarError('TOKEN_ENDPOINT_UNTRUSTED', { field });
  return new SidecarError('TOKEN_ENDPOINT_UNREACHABLE', { field });
}
