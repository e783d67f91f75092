// git over HTTP: the smart protocol (gitprotocol-http(5)), LFS, and the pages beside it.

import { isUnreadable, type Reading } from '../reading.ts';
import type { GithubOperation } from '../ruleset.ts';
import { act, anywhere, everyOperation, repositoryPlace, ungranted, type Act, type Place } from './act.ts';
import { readRefUpdates } from './pack.ts';

const services: ReadonlyMap<string, GithubOperation> = new Map([
  ['git-upload-pack', 'Read'],
  ['git-receive-pack', 'Push'],
]);
const packNeed = { maxBytes: 1024 * 1024, until: 'flush' } as const;

/** First segments of github.com that are no owners, and below which a repository may stand elsewhere or not at all. */
const reserved = new Set(
  (
    'about account advisories api apps avatars codeload _codeload codespaces collections copilot dashboard ' +
    'enterprise enterprises events explore features gist gists graphql import issues login logout marketplace media ' +
    'models new notifications orgs organizations projects pulls raw repos repositories search security sessions ' +
    'settings setup site sponsors stafftools stars storage suites timeline topics trending uploads user users watching'
  ).split(' '),
);

export function webActs(method: string, segments: readonly string[], reading: Reading): Act[] {
  const [owner = '', repository = '', ...rest] = segments;
  const place = repositoryPlace(owner, repository.replace(/\.git$/, ''));
  const path = rest.join('/');
  if (path === 'info/refs' && method === 'GET') return [advertisement(place, reading)];
  const service = services.get(path);
  if (service !== undefined && method === 'POST') return [exchange(path, service, place, reading)];
  const isReading = method === 'GET' || method === 'HEAD';
  const where = reserved.has(owner.toLowerCase()) ? anywhere : place;
  if (path === 'info/refs' || service !== undefined) return [ungranted(['Read', 'Push'], where)];
  // The LFS batch API answers with pre-signed URLs: it mints credentials, so that no glob grants it.
  if (path.startsWith('info/lfs')) return [ungranted(isReading ? ['Read'] : ['Read', 'Push'], where)];
  if (isReading || method === 'OPTIONS') return [ungranted(['Read'], where)];
  // Signing in changes no repository; all else that pages send may be anything.
  return [ungranted(owner === 'login' ? [] : everyOperation, where)];
}

/** Hosts that serve `/owner/name/…` as files or archives. */
export function fileActs(segments: readonly string[]): Act[] {
  return [ungranted(['Read'], repositoryPlace(segments[0] ?? '', segments[1] ?? ''))];
}

/** GET info/refs: which refs there are, as the first step of a fetch or of a push. */
function advertisement(place: Place, reading: Reading): Act {
  const parameters = reading.parameters();
  if (!isUnreadable(parameters) && parameters.length === 1) {
    const [name, value] = parameters[0] ?? ['', ''];
    const operation = name === 'service' ? services.get(value) : undefined;
    if (operation !== undefined) return act(operation, place, { refs: [] });
  }
  // Without a service it is the dumb protocol, which reads objects one by one from paths that nobody checks.
  return ungranted(['Read', 'Push'], place);
}

function exchange(service: string, operation: GithubOperation, place: Place, reading: Reading): Act {
  const { query, headers, body } = reading.request;
  const type = valuesOf(headers, 'content-type');
  const isPlain = query === null && type.length === 1 && type[0] === `application/x-${service}-request`;
  if (!isPlain) return act(operation, place, { doubt: 'pack' });
  // A fetch says what it wants of the one repository, gzipped when long; nothing of it is governed.
  if (operation === 'Read') return act('Read', place);
  if (valuesOf(headers, 'content-encoding').some((coding) => coding.toLowerCase() !== 'identity')) {
    return act('Push', place, { doubt: 'pack' });
  }
  if (body.kind === 'unread') return act('Push', place, { doubt: 'pack', need: packNeed });
  const updates = readRefUpdates(body);
  return updates.kind === 'updates'
    ? act('Push', place, { refs: updates.refs })
    : act('Push', place, { doubt: updates.doubt });
}

export function valuesOf(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === name) values.push(headers[at + 1] ?? '');
  }
  return values;
}
