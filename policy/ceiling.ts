// A credential whose ceiling is a wildcard over names that anybody can register would go anywhere.

import { getPublicSuffix } from 'tldts';

/** True when a host pattern has a wildcard directly over a public suffix, such as `*.co.uk` or `**.github.io`. */
export function isTooWide(hosts: readonly string[] | undefined): boolean {
  return (hosts ?? []).some((host) => {
    const labels = host.split('.');
    const lastWildcard = labels.findLastIndex((label) => label.includes('*'));
    if (lastWildcard < 0) return false;
    const rest = labels.slice(lastWildcard + 1).join('.');
    return rest === '' || getPublicSuffix(rest, { allowPrivateDomains: true }) === rest;
  });
}
