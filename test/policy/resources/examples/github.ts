import { bad, clusterDeny, deny, rule, type Examples } from '../examples.ts';

const github = (fields: object, beside: object = {}) =>
  rule({
    hosts: undefined,
    github: { repositories: ['acme/docs'], operations: ['Read'], ...fields },
    ...beside,
  });
const at = 'spec.rules[0].github';
const repository = (name: string) => github({ repositories: [name] });
const branch = (name: string) => github({ branches: [name] });

export const githubForm: Examples = {
  bad: {
    'github without operations': bad(github({ operations: undefined }), `${at}.operations`, /[Rr]equired/),
    'an empty list of operations': bad(github({ operations: [] }), `${at}.operations`, /such as Read/),
    'an operation that does not exist': bad(
      github({ operations: ['Write'] }),
      `${at}.operations[0]`,
      /Read.*Comment.*OpenPullRequest.*Push.*Merge.*DeleteRepository/,
    ),
    'github that grants everywhere': bad(
      github({ repositories: undefined }),
      'spec.rules[0]',
      /such as acme\/docs or acme/,
    ),
    'an empty list of repositories': bad(
      github({ repositories: [] }),
      `${at}.repositories`,
      /such as acme\/docs/,
    ),
    'a repository without an owner': bad(repository('docs'), `${at}.repositories[0]`, /write owner\/name/),
    'a repository that is a URL': bad(
      repository('https://github.com/acme/docs'),
      `${at}.repositories[0]`,
      /write owner\/name/,
    ),
    'a repository with .git': bad(repository('acme/docs.git'), `${at}.repositories[0]`, /without \.git/),
    'a repository that climbs (H-20)': bad(
      repository('acme/..'),
      `${at}.repositories[0]`,
      /write owner\/name/,
    ),
    'a repository with **': bad(repository('acme/**'), `${at}.repositories[0]`, /with \* inside either/),
    'a branch with refs/heads/': bad(branch('refs/heads/main'), `${at}.branches[0]`, /without refs\/heads\//),
    'a branch with a space': bad(branch('my branch'), `${at}.branches[0]`, /is no branch/),
    'a branch with a slash at its end': bad(branch('agent/'), `${at}.branches[0]`, /such as agent\/\*\*/),
    'a branch with ** inside a part': bad(branch('agent**'), `${at}.branches[0]`, /whole ones/),
    'an empty list of branches': bad(github({ branches: [] }), `${at}.branches`, /such as agent\/\*\*/),
    'a node id that is none': bad(
      github({ nodeIds: ['R kgDO'] }),
      `${at}.nodeIds[0]`,
      /such as R_kgDOABCDEF/,
    ),
    'GitHub Enterprise without its API': bad(
      github({ hosts: { web: 'github.corp.example' } }),
      `${at}.hosts.api`,
      /[Rr]equired/,
    ),
    'GitHub Enterprise by URL': bad(
      github({ hosts: { web: 'https://github.corp.example', api: 'api.github.corp.example' } }),
      `${at}.hosts.web`,
      /such as wiki.corp.example/,
    ),
    'github beside hosts': bad(
      github({}, { hosts: ['github.com'] }),
      'spec.rules[0]',
      /exactly one of hosts, destination and github/,
    ),
    'github beside methods': bad(
      github({}, { methods: ['GET'] }),
      'spec.rules[0]',
      /which the form supplies: leave them out/,
    ),
    'github beside paths': bad(
      github({}, { paths: ['/acme/docs'] }),
      'spec.rules[0]',
      /which the form supplies/,
    ),
    'github beside a body': bad(github({}, { body: {} }), 'spec.rules[0]', /which the form supplies/),
    'github beside mcp': bad(
      github({}, { mcp: { methods: ['a'] } }),
      'spec.rules[0]',
      /which the form supplies/,
    ),
    'github beside a query': bad(
      github({}, { query: { others: 'Deny' } }),
      'spec.rules[0]',
      /which the form supplies/,
    ),
  },
  good: {
    'every operation': rule(
      {
        hosts: undefined,
        github: {
          repositories: ['acme/docs', 'acme/*', '*/docs', 'jane_corp/a.b_c-d'],
          operations: ['Read', 'Comment', 'OpenPullRequest', 'Push', 'Merge', 'DeleteRepository'],
          branches: ['agent/**', 'agent/*/x', 'main', '**', 'feature-*', 'f\u00fcr/alle'],
          nodeIds: ['R_kgDOABCDEF', 'MDEwOlJlcG9zaXRvcnk='],
          hosts: { web: 'github.corp.example', api: 'api.github.corp.example' },
        },
        credential: 'github-app',
        headers: { fields: { 'x-github-api-version': {} } },
      },
      'github',
    ),
    'a Deny of an operation in every repository': deny(
      { github: { operations: ['DeleteRepository'] } },
      'delete-repository',
    ),
    'the same for a cluster': clusterDeny({ github: { operations: ['Merge'], branches: ['main'] } }, 'merge'),
  },
};
