// Why the form does not match, one sentence per field, made once per rule.

import type { Miss } from '../reading.ts';
import type { RulesetGithub } from '../ruleset.ts';
import type { Doubt } from './act.ts';
import { hostsOf } from './surface.ts';

export interface Misses {
  readonly hosts: Miss;
  readonly operations: Miss;
  readonly repositories: Miss;
  readonly nodeIds: Miss;
  readonly branches: Miss;
  readonly doubts: Readonly<Record<Doubt, Miss>>;
}

const sameForAll = {
  body: {
    field: 'github',
    message: 'The body must be one JSON document, sent as application/json without Content-Encoding.',
    reason: 'body_unreadable',
  },
  size: {
    field: 'github',
    message: 'What the rule reads of the body (JSON, or the ref updates of a push) must be at most 1 MiB.',
    reason: 'body_too_large',
  },
  pack: {
    field: 'github',
    message:
      'A fetch or push must be as git sends it: its own media type, no query, and for a push at most 1000 unsigned ref updates without Content-Encoding.',
    reason: 'body_unreadable',
  },
  document: {
    field: 'github',
    message:
      'The body must be { query, variables, operationName } with exactly one query or mutation, without block strings and persisted queries.',
    reason: 'body_unreadable',
  },
  query: {
    field: 'github',
    message: 'A write has no query parameters, GraphQL is a POST without any, and nothing has _method.',
    reason: 'request_ambiguous',
  },
} as const satisfies Partial<Record<Doubt, Miss>>;

export function createMisses(form: RulesetGithub): Misses {
  const { web, api } = hostsOf(form);
  const operations = form.operations.join(', ');
  const repositories = listed(form.repositories ?? []);
  const branches = listed(form.branches ?? ['any branch or tag']);
  return {
    hosts: {
      field: 'github.hosts',
      message: `The request must go to ${web} or ${api} over HTTPS on port 443.`,
    },
    operations: {
      field: 'github.operations',
      message: `The request must be one of ${operations} over git, REST or GraphQL; other endpoints need a rule with their path.`,
    },
    repositories: {
      field: 'github.repositories',
      message: `The request must name one of the repositories ${repositories} by owner and name.`,
    },
    nodeIds: {
      field: 'github.nodeIds',
      message:
        'The GraphQL node id must be listed in nodeIds, since an id does not say which repository it is of; REST names it.',
    },
    branches: {
      field: 'github.branches',
      message: `The request must say which branches it writes, and each must be one of ${branches}; merges do not say.`,
    },
    doubts: {
      ...sameForAll,
      fields: {
        field: 'github.operations',
        message: `The body says more than ${operations} covers, such as an approving review, another base branch or a closed pull request.`,
      },
      root: {
        field: 'github.repositories',
        message: `A GraphQL query must start at repository(owner, name) of ${repositories}, at a listed node, or at viewer { login }; search and organization start anywhere.`,
      },
    },
  };
}

/** Enough to act on; a policy of hundreds is not recited to an agent. */
function listed(values: readonly string[]): string {
  const shown = values.slice(0, 5).join(', ');
  return values.length > 5 ? `${shown} and ${values.length - 5} more` : shown;
}
