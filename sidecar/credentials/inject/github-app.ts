// A GitHub App's installation token: the app's key signs an assertion of a few minutes, and GitHub gives a token of one
// hour, narrowed to the repositories and permissions that the AgentCredential names.
// https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app

import { isJsonObject, type JsonObject } from '../../../policy/content/json.ts';
import { SidecarError } from '../../errors.ts';
import type { InjectOf, MintContext, Minter, TokenAnswer } from './injector.ts';
import { readPrivateKey, signJwt } from './jwt.ts';
import { partOf } from './part.ts';
import { mintedOf, readGranted, textOf, unreadable } from './token-response.ts';

type GithubApp = InjectOf<'githubApp'>;

const field = 'spec.inject.githubApp';

/** GitHub's own advice: sixty seconds back for clocks that differ, and ten minutes at most. */
const backdatedSeconds = 60;
const assertionSeconds = 9 * 60;
/** What installation tokens live for; more can only come of clocks that differ. */
const maxLifetimeMs = 60 * 60_000;

/** Known to GitHub Enterprise Server since 3.9 and to github.com until 2028 at least. */
const apiVersion = '2022-11-28';

/** Since April 2026 a JWT follows the prefix, hence the dots and dashes, and about 520 characters. */
const tokenPattern = /^ghs_[A-Za-z0-9._-]{36,4096}$/;

const ranks: Readonly<Record<string, number>> = { read: 1, write: 2, admin: 3 };

export const githubApp: Minter<'githubApp'> = {
  check(inject, material) {
    readPrivateKey(partOf(material, inject, 'privateKey', 'main'), 'RS256', field);
  },

  async mint(inject, context) {
    const { installationId, endpoint, repositories, permissions } = inject;
    const narrowing = {
      ...(repositories === undefined ? {} : { repositories }),
      ...(permissions === undefined ? {} : { permissions }),
    };
    const answer = await context.call(endpoint ?? { url: 'https://api.github.com' }, {
      method: 'POST',
      path: `/app/installations/${encodeURIComponent(installationId)}/access_tokens`,
      headers: {
        authorization: `Bearer ${signAssertion(inject, context)}`,
        accept: 'application/vnd.github+json',
        'content-type': 'application/json',
        'x-github-api-version': apiVersion,
        // GitHub refuses requests without one.
        'user-agent': 'outrider',
      },
      body: JSON.stringify(narrowing),
    });
    const refused = refusalOf(answer);
    if (refused !== null) throw refused;
    const granted = readGranted(answer, field);
    assertNarrow(inject, granted);
    const token = textOf(granted, 'token') ?? '';
    if (!tokenPattern.test(token)) throw unreadable(field, 'It has no token of an installation.');
    const endsAtMs = readTime(textOf(granted, 'expires_at'));
    return mintedOf(token, Math.min(maxLifetimeMs, endsAtMs - context.nowMs()), field);
  },
};

function signAssertion(inject: GithubApp, { material, nowMs }: MintContext): string {
  const key = readPrivateKey(partOf(material, inject, 'privateKey', 'main'), 'RS256', field);
  const nowSeconds = Math.floor(nowMs() / 1000);
  const claims = {
    iss: inject.appId,
    iat: nowSeconds - backdatedSeconds,
    exp: nowSeconds + assertionSeconds,
  };
  return signJwt(claims, 'RS256', key);
}

/** What GitHub's statuses mean at this endpoint; its messages may quote what was sent. */
function refusalOf({ status }: TokenAnswer): SidecarError | null {
  const refuse = (at: string, detail: string): SidecarError =>
    new SidecarError('MINT_REFUSED', { field: `${field}${at}`, detail });
  if (status === 401) {
    return refuse(
      '.appId',
      'GitHub takes neither the app nor its key: they must belong together, and the key not be deleted.',
    );
  }
  if (status === 403) {
    return refuse(
      '.installationId',
      'GitHub forbids it: the installation is suspended, or an IP allow list or a rate limit is in the way.',
    );
  }
  if (status === 404) return refuse('.installationId', 'The app has no such installation.');
  if (status === 422) {
    return refuse(
      '',
      'The installation does not have all of `repositories` and `permissions`; grant them to it, or ask for less.',
    );
  }
  return null;
}

/**
 * GitHub says what the token may do. A proxy or a server that drops the narrowing would give one for every repository.
 * @throws SidecarError TOKEN_TOO_WIDE
 */
function assertNarrow({ repositories, permissions }: GithubApp, granted: JsonObject): void {
  if (repositories !== undefined) {
    const names = namesOf(granted);
    const asked = new Set(repositories.map((name) => name.toLowerCase()));
    if (names === null || !names.every((name) => asked.has(name.toLowerCase()))) {
      throw new SidecarError('TOKEN_TOO_WIDE', { field: `${field}.repositories` });
    }
  }
  if (permissions !== undefined) {
    const held = granted.get('permissions');
    const isNarrow =
      isJsonObject(held) &&
      [...held].every(([name, level]) => {
        // Goes with every permission on a repository, asked for or not.
        if (name === 'metadata' && level === 'read') return true;
        const asked = Object.hasOwn(permissions, name) ? permissions[name] : undefined;
        return asked !== undefined && typeof level === 'string' && rankOf(level) <= rankOf(asked);
      });
    if (!isNarrow) throw new SidecarError('TOKEN_TOO_WIDE', { field: `${field}.permissions` });
  }
}

/** A level that is not known is above all others. */
function rankOf(level: string): number {
  return Object.hasOwn(ranks, level) ? (ranks[level] ?? Infinity) : Infinity;
}

/** Null when the token is for all repositories, or nobody says for which. */
function namesOf(granted: JsonObject): readonly string[] | null {
  const list = granted.get('repositories');
  if (granted.get('repository_selection') === 'all' || !Array.isArray(list)) return null;
  const names: string[] = [];
  for (const each of list) {
    const name = isJsonObject(each) ? textOf(each, 'name') : null;
    if (name === null) return null;
    names.push(name);
  }
  return names;
}

function readTime(text: string | null): number {
  const timeMs =
    text !== null && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timeMs)) throw unreadable(field, 'It has no expires_at.');
  return timeMs;
}
