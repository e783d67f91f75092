import {
  bad,
  clusterDeny,
  clusterPolicy,
  many,
  manyNamed,
  policy,
  store,
  type Examples,
} from '../examples.ts';

const selecting = (podSelector: object) => policy({ agents: { podSelector } });
const expression = (fields: object) => selecting({ matchExpressions: [fields] });
const at = 'spec.agents.podSelector';

export const selectors: Examples = {
  bad: {
    'a policy without agents': bad(policy({ haltAgents: true }), 'spec.agents', /[Rr]equired/),
    'a policy without a spec': bad(policy(undefined), 'spec', /[Rr]equired/),
    'an unknown field': bad(policy({ agents: {}, ruels: [] }), 'spec.ruels', /unknown field|not a field/),
    'a selector of another kind': bad(
      policy({ agents: { namespaceSelector: {} } }),
      'spec.agents.namespaceSelector',
      /unknown field|not a field/,
    ),
    'an empty matchLabels': bad(
      selecting({ matchLabels: {} }),
      `${at}.matchLabels`,
      /list at least one, such as team: research, or leave the field out/,
    ),
    'a label that has a space': bad(
      selecting({ matchLabels: { app: 'my app' } }),
      `${at}.matchLabels`,
      /no object can have/,
    ),
    'a label key with two slashes': bad(
      selecting({ matchLabels: { 'a/b/c': 'x' } }),
      `${at}.matchLabels`,
      /no object can have/,
    ),
    'too many labels': bad(
      selecting({ matchLabels: manyNamed(17, (index) => [`l${index}`, 'x'] as const) }),
      `${at}.matchLabels`,
      /16/,
    ),
    'a label that is a number': bad(
      selecting({ matchLabels: { version: 2 } }),
      `${at}.matchLabels[version]`,
      /must be of type string/,
    ),
    'a selector operator without values': bad(
      expression({ key: 'app', operator: 'In' }),
      `${at}.matchExpressions[0]`,
      /In and NotIn need at least one/,
    ),
    'a selector operator with values too many': bad(
      expression({ key: 'app', operator: 'Exists', values: ['a'] }),
      `${at}.matchExpressions[0]`,
      /Exists and DoesNotExist none/,
    ),
    'a selector operator that does not exist': bad(
      expression({ key: 'app', operator: 'Equals', values: ['a'] }),
      `${at}.matchExpressions[0].operator`,
      /In.*NotIn.*Exists.*DoesNotExist/,
    ),
    'an empty list of expressions': bad(
      selecting({ matchExpressions: [] }),
      `${at}.matchExpressions`,
      /such as \{ key: team, operator: Exists \}/,
    ),
    'an empty list of service accounts': bad(
      policy({ agents: { serviceAccounts: [] } }),
      'spec.agents.serviceAccounts',
      /list at least one, such as default/,
    ),
    'a service account of another namespace (O-02)': bad(
      policy({ agents: { serviceAccounts: ['other/default'] } }),
      'spec.agents.serviceAccounts[0]',
      /such as github-bot/,
    ),
    'too many service accounts': bad(
      policy({ agents: { serviceAccounts: many(17, (index) => `sa-${index}`) } }),
      'spec.agents.serviceAccounts',
      /16/,
    ),
    'a cluster policy that goes by labels of pods': bad(
      clusterPolicy({ agents: { podSelector: {} } }),
      'spec.agents.podSelector',
      /unknown field|not a field/,
    ),
    'a cluster policy without agents': bad(clusterPolicy({}), 'spec.agents', /[Rr]equired/),
    'a mode that does not exist': bad(policy({ agents: {}, mode: 'DryRun' }), 'spec.mode', /Enforce.*Audit/),
    'a halt in mode Audit': bad(
      policy({ agents: {}, mode: 'Audit', haltAgents: true }),
      'spec',
      /write mode: Enforce to halt/,
    ),
    'a halt of the cluster in mode Audit': bad(
      clusterPolicy({ agents: {}, mode: 'Audit', haltAgents: true }),
      'spec',
      /write mode: Enforce to halt/,
    ),
    'a halt in words': bad(
      policy({ agents: {}, haltAgents: 'yes' }),
      'spec.haltAgents',
      /must be of type boolean/,
    ),
    'a store for namespaces of an empty list': bad(
      store({ namespaceSelector: { matchExpressions: [] } }),
      'spec.namespaceSelector.matchExpressions',
      /list at least one/,
    ),
  },
  good: {
    'the kill switch': policy({ agents: { serviceAccounts: ['triage'] }, haltAgents: true }, 'kill'),
    'the kill switch of a cluster': clusterPolicy({ agents: {}, haltAgents: true }, 'kill'),
    'a policy for all agents': policy({ agents: {}, rules: [{ name: 'r', action: 'Deny' }] }, 'all'),
    'a policy that grants nothing': policy({ agents: {} }, 'nothing'),
    'a policy that decides in shadow': policy({ agents: {}, mode: 'Audit', haltAgents: false }, 'shadow'),
    'fields without values, which are absent': policy(
      { agents: { serviceAccounts: null }, rules: null },
      'nulls',
    ),
    'every selector of a policy': policy(
      {
        agents: {
          serviceAccounts: ['triage', 'team.coder'],
          podSelector: {
            matchLabels: { app: 'triage', 'outrider.dev/tier': '', 'a.b-c.d/e_f.g': 'v1.2_x' },
            matchExpressions: [
              { key: 'team', operator: 'In', values: ['a', 'b'] },
              { key: 'team', operator: 'NotIn', values: ['c'] },
              { key: 'stage', operator: 'Exists' },
              { key: 'legacy', operator: 'DoesNotExist', values: [] },
            ],
          },
        },
      },
      'selectors',
    ),
    'every selector of a cluster policy': clusterPolicy(
      {
        agents: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'prod' } },
          serviceAccounts: ['default'],
        },
        mode: 'Audit',
      },
      'selectors',
    ),
    'a cluster policy for all agents': clusterDeny({}, 'all'),
    'a store of one team': store({ namespaceSelector: { matchLabels: { team: 'a' } } }, 'team'),
  },
};
