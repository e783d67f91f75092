import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findGithubCredentialProblems, findGithubProblems } from '../../../policy/github/problems.ts';
import type { RulesetGithub, RulesetMatch } from '../../../policy/ruleset.ts';

const read: RulesetGithub = { repositories: ['acme/docs'], operations: ['Read'] };
const everywhere: RulesetMatch[] = [{ hosts: ['github.com'] }, { hosts: ['api.github.com'] }];

describe('a github form has a problem', () => {
  const cases: Record<string, [form: RulesetGithub, field: string, isFatal: boolean]> = {
    'when a grant has no repositories': [{ operations: ['Read'] }, 'github.repositories', true],
    'when its only repository has no owner': [
      { ...read, repositories: ['docs'] },
      'github.repositories[0]',
      true,
    ],
    'when one of its repositories has a path': [
      { ...read, repositories: ['acme/docs', 'acme/docs/src'] },
      'github.repositories[1]',
      false,
    ],
    'when its repository ends in .git': [
      { ...read, repositories: ['acme/docs.git'] },
      'github.repositories[0]',
      true,
    ],
    'when it merges under branches': [
      { ...read, operations: ['Push', 'Merge'], branches: ['agent/**'] },
      'github.operations',
      false,
    ],
    'when it does nothing but merge under branches': [
      { ...read, operations: ['Merge'], branches: ['agent/**'] },
      'github.operations',
      true,
    ],
    'when branches govern nothing': [{ ...read, branches: ['agent/**'] }, 'github.branches', false],
  };
  for (const [what, [form, field, isFatal]] of Object.entries(cases)) {
    it(what, () => {
      const found = findGithubProblems(form, 'grant');
      assert.deepEqual(
        found.map((each) => [each.field, each.isFatal]),
        [[field, isFatal]],
      );
    });
  }

  it('and none as it should be', () => {
    assert.deepEqual(findGithubProblems(read, 'grant'), []);
    assert.deepEqual(findGithubProblems({ operations: ['DeleteRepository'] }, 'guard'), []);
    assert.deepEqual(
      findGithubProblems({ ...read, operations: ['Read', 'Push'], branches: ['agent/**'] }, 'grant'),
      [],
    );
    assert.deepEqual(findGithubProblems({ operations: ['Merge'], branches: ['main'] }, 'guard'), []);
  });
});

describe('a credential of a github form has a problem', () => {
  const cases: Record<string, [allow: RulesetMatch[], repositories: string[] | null, says: RegExp[]]> = {
    'when nobody knows what it reaches': [everywhere, null, [/not known to be narrowed/]],
    'when it reaches another repository': [
      everywhere,
      ['acme/docs', 'acme/other'],
      [/not known to be narrowed/],
    ],
    'when git lies outside its ceiling': [
      [{ hosts: ['api.github.com'] }],
      ['acme/docs'],
      [/for github\.com, so git/],
    ],
    'when the API does': [[{ hosts: ['github.com'] }], ['acme/docs'], [/for api\.github\.com/]],
    'when a glob opens GraphQL': [
      [{ hosts: ['*.github.com'], methods: ['POST'], paths: ['/**'] }, { hosts: ['github.com'] }],
      null,
      [/not known to be narrowed/],
    ],
  };
  for (const [what, [allow, repositories, says]] of Object.entries(cases)) {
    it(what, () => {
      const found = findGithubCredentialProblems(read, { allow, repositories });
      assert.equal(found.length, says.length);
      for (const [index, pattern] of says.entries()) assert.match(found[index]?.message ?? '', pattern);
    });
  }

  const none: Record<string, [allow: RulesetMatch[], repositories: string[] | null]> = {
    'when it is narrowed to the repositories': [everywhere, ['Acme/Docs']],
    'when its ceiling leaves GraphQL out': [
      [{ hosts: ['github.com'] }, { hosts: ['api.github.com'], paths: ['/repos/**'] }],
      null,
    ],
    'when its ceiling only reads the API': [
      [{ hosts: ['github.com'] }, { hosts: ['api.github.com'], methods: ['GET', 'HEAD'] }],
      null,
    ],
  };
  for (const [what, [allow, repositories]] of Object.entries(none)) {
    it(`not ${what}`, () => {
      assert.deepEqual(findGithubCredentialProblems(read, { allow, repositories }), []);
    });
  }
});
