// Which parts of a secret an injection needs, and whether its source gives them: what the sidecar would find out only
// when it has read the secret.

import { compileInject, isMintingInject } from './compile-inject.ts';
import type { Finding } from './parse.ts';
import type { AgentCredential } from './resources/kinds.ts';
import type { HmacInject, NamedParts, RulesetInject } from './ruleset-credential.ts';

/** The part that a secret of one value is; what mints gives such a secret too. */
const onlyPart = 'value';

interface Need {
  readonly part: string;
  /** A secret of one value is this part. */
  readonly isMain?: true;
  /** What can be written out instead. */
  readonly instead?: string;
}

export function findPartProblems({ spec }: AgentCredential): readonly Finding[] {
  const inject = compileInject(spec.inject);
  const given = partsGiven(spec.source);
  const ofEntries = isMintingInject(inject) ? [onlyPart] : given;
  return [
    ...missing(inject, given, 'spec.inject'),
    ...spec.allow.flatMap((entry, index) =>
      entry.inject === undefined
        ? []
        : missing(compileInject(entry.inject), ofEntries, `spec.allow[${index}].inject`),
    ),
  ];
}

function partsGiven({
  vault,
  awsSecretsManager,
  file,
}: AgentCredential['spec']['source']): readonly string[] {
  const { fields } = vault?.kv ?? vault?.dynamic ?? awsSecretsManager ?? file ?? {};
  return fields ?? [onlyPart];
}

function missing(inject: RulesetInject, given: readonly string[], at: string): Finding[] {
  const names: NamedParts['fields'] = 'fields' in inject ? inject.fields : undefined;
  return needsOf(inject).flatMap(({ part, isMain, instead }) => {
    const name = names !== undefined && Object.hasOwn(names, part) ? (names[part] ?? part) : part;
    if (given.includes(name) || (isMain === true && given.includes(onlyPart))) return [];
    const written = instead === undefined ? '' : `write ${instead}, or `;
    const message =
      given.length === 1 && given[0] === onlyPart
        ? `needs the part ${part}, and the secret is a single value: ${written}list the fields that it has under fields of the source, such as fields: [${name}]`
        : `needs the part ${part}, and fields of the source has no ${name}: ${written}add it there${names === undefined && part !== onlyPart ? `, or say under fields how it is called, such as { ${part}: ${given[0] ?? name} }` : part === onlyPart ? ', or write field with the one that is used' : ''}`;
    return [{ reason: 'PartMissing', field: `${at}.${inject.kind}`, message, blocking: true }];
  });
}

function needsOf(inject: RulesetInject): readonly Need[] {
  switch (inject.kind) {
    case 'basic':
      return [...unlessWritten('username', inject.username), { part: 'password', isMain: true }];
    case 'awsSigV4':
      return [...unlessWritten('accessKeyId', inject.accessKeyId), { part: 'secretAccessKey', isMain: true }];
    case 'oauth1':
      return [...unlessWritten('consumerKey', inject.consumerKey), { part: 'consumerSecret', isMain: true }];
    case 'hmac':
      return [{ part: 'key', isMain: true }, ...templateParts(inject).map((part) => ({ part }))];
    case 'oauth2':
      return needsOfGrant(inject);
    case 'githubApp':
      return [{ part: 'privateKey', isMain: true }];
    default:
      return [{ part: onlyPart }];
  }
}

function needsOfGrant({ grant }: Extract<RulesetInject, { kind: 'oauth2' }>): readonly Need[] {
  if (grant.kind === 'jwtBearer') return [{ part: 'privateKey', isMain: true }];
  const main = grant.kind === 'refreshToken' ? 'refreshToken' : 'clientSecret';
  return [...unlessWritten('clientId', grant.clientId), { part: main, isMain: true }];
}

function unlessWritten(part: string, written: string | undefined): Need[] {
  return written === undefined ? [{ part, instead: part }] : [];
}

function templateParts({ canonical, headers = {}, query = [] }: HmacInject): string[] {
  const templates = [canonical, ...Object.values(headers), ...query.map(({ value }) => value)];
  const named = templates.flatMap((text) => [...text.matchAll(/\{field\.([A-Za-z0-9._-]+)\}/g)]);
  return [...new Set(named.map(([, part = '']) => part))];
}
