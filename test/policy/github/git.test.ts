// git over HTTP under the github form.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RulesetGithub } from '../../../policy/ruleset.ts';
import {
  after,
  ask,
  before,
  flush,
  needOf,
  packet,
  push,
  pushOf,
  requestOf,
  unread,
  zeros,
  type Asked,
} from './asking.ts';

const read: Partial<RulesetGithub> = { repositories: ['acme/*'], operations: ['Read'] };
const coder: Partial<RulesetGithub> = {
  repositories: ['acme/docs'],
  operations: ['Read', 'Push'],
  branches: ['agent/**'],
};
const anyRef: Partial<RulesetGithub> = { repositories: ['acme/docs'], operations: ['Push'] };
const upload = {
  headers: { 'content-type': 'application/x-git-upload-pack-request' },
  body: '0011command=fetch',
};
const command = (ref: string): Buffer => packet(`${before} ${after} ${ref}\0 report-status`);

describe('git is refused', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked, field: string]> = {
    'when the repository is of another owner': [
      read,
      'GET https://github.com/evil/docs.git/info/refs?service=git-upload-pack',
      'github.repositories',
    ],
    'when the owner only starts like the listed one': [
      read,
      'GET https://github.com/acmeevil/docs/info/refs?service=git-upload-pack',
      'github.repositories',
    ],
    'when .git is there twice': [
      read,
      'GET https://github.com/acme/docs.git.git/info/refs?service=git-upload-pack',
      'github.repositories',
    ],
    'when the repository is only .git': [
      read,
      'GET https://github.com/acme/.git/info/refs?service=git-upload-pack',
      'github.repositories',
    ],
    'when the name has what no repository has': [
      read,
      'GET https://github.com/acme/do%20cs/info/refs?service=git-upload-pack',
      'github.repositories',
    ],
    'when a path stands before owner and name': [
      read,
      'GET https://github.com/x/acme/docs/info/refs?service=git-upload-pack',
      'github.operations',
    ],
    'when reading begins a push': [
      read,
      'GET https://github.com/acme/docs.git/info/refs?service=git-receive-pack',
      'github.operations',
    ],
    'when reading sends a push': [
      read,
      push('acme/docs.git', pushOf('refs/heads/agent/x')),
      'github.operations',
    ],
    'when it is the dumb protocol': [
      read,
      'GET https://github.com/acme/docs.git/info/refs',
      'github.operations',
    ],
    'when an object is asked for by its path': [
      read,
      'GET https://github.com/acme/docs.git/objects/info/packs',
      'github.operations',
    ],
    'when the service is there twice (H-23)': [
      read,
      'GET https://github.com/acme/docs/info/refs?service=git-upload-pack&service=git-receive-pack',
      'github.operations',
    ],
    'when the service is another': [
      read,
      'GET https://github.com/acme/docs/info/refs?service=git-upload-archive',
      'github.operations',
    ],
    'when the service is spelled otherwise': [
      read,
      'GET https://github.com/acme/docs/info/refs?Service=git-upload-pack',
      'github.operations',
    ],
    'when a parameter stands beside the service': [
      read,
      'GET https://github.com/acme/docs/info/refs?service=git-upload-pack&x=1',
      'github.operations',
    ],
    'when it is HEAD (H-33)': [
      read,
      'HEAD https://github.com/acme/docs/info/refs?service=git-upload-pack',
      'github.operations',
    ],
    'when the fetch has a query': [
      read,
      ['POST https://github.com/acme/docs/git-upload-pack?_method=PUT', upload],
      'github',
    ],
    'when the fetch is sent as a form (H-33)': [
      read,
      ['POST https://github.com/acme/docs/git-upload-pack', { form: { _method: 'PUT' } }],
      'github',
    ],
    'when the path ends in a slash': [
      read,
      ['POST https://github.com/acme/docs/git-upload-pack/', upload],
      'github.operations',
    ],
    'when LFS would mint URLs': [
      read,
      ['POST https://github.com/acme/docs.git/info/lfs/objects/batch', { json: { operation: 'download' } }],
      'github.operations',
    ],
    'when it is a page': [read, 'GET https://github.com/acme/docs', 'github.operations'],
    'when it is an archive': [
      read,
      'GET https://github.com/acme/docs/archive/refs/heads/main.zip',
      'github.operations',
    ],
    'when it is not TLS': [
      read,
      'GET http://github.com/acme/docs/info/refs?service=git-upload-pack',
      'github.hosts',
    ],
    'when the port is another': [
      read,
      'GET https://github.com:8443/acme/docs/info/refs?service=git-upload-pack',
      'github.hosts',
    ],
    'when git speaks to the API host': [
      read,
      'GET https://api.github.com/acme/docs/info/refs?service=git-upload-pack',
      'github.operations',
    ],
    'when the host is one of files': [
      read,
      'GET https://codeload.github.com/acme/docs/zip/refs/heads/main',
      'github.hosts',
    ],
    'when it is a gist': [
      read,
      'GET https://gist.github.com/acme/info/refs?service=git-upload-pack',
      'github.hosts',
    ],
    'when a push updates another branch': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/main')),
      'github.branches',
    ],
    'when one of several updates is of another branch': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/agent/a', 'refs/heads/agent/b', 'refs/heads/main')),
      'github.branches',
    ],
    'when a push deletes another branch': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([packet(`${before} ${zeros} refs/heads/main\0 delete-refs`), flush]),
      ),
      'github.branches',
    ],
    'when a push under branches writes a tag': [
      coder,
      push('acme/docs.git', pushOf('refs/tags/agent/v1')),
      'github.branches',
    ],
    'when a push under branches writes another namespace': [
      coder,
      push('acme/docs.git', pushOf('refs/for/agent/x')),
      'github.branches',
    ],
    'when a branch differs in letter case': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/Agent/x')),
      'github.branches',
    ],
    'when a ref is written short': [coder, push('acme/docs.git', pushOf('agent/x')), 'github.branches'],
    'when a ref has dot segments': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/agent/../main')),
      'github',
    ],
    'when a push without branches writes refs/pull': [
      anyRef,
      push('acme/docs.git', pushOf('refs/pull/1/head')),
      'github.branches',
    ],
    'when a push without branches writes refs/replace': [
      anyRef,
      push('acme/docs.git', pushOf(`refs/replace/${before}`)),
      'github.branches',
    ],
    'when a push is gzipped (H-53)': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/agent/x'), { 'content-encoding': 'gzip' }),
      'github',
    ],
    'when a push has another media type': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/agent/x'), { 'content-type': 'application/octet-stream' }),
      'github',
    ],
    'when a push is signed': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([packet('push-cert\0 report-status\n'), packet('certificate 0.1\n'), flush]),
      ),
      'github',
    ],
    'when capabilities stand on a second command': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([command('refs/heads/agent/a'), command('refs/heads/agent/b'), flush]),
      ),
      'github',
    ],
    'when a push has no flush packet': [
      coder,
      push('acme/docs.git', command('refs/heads/agent/x')),
      'github',
    ],
    'when a packet is longer than the body': [coder, push('acme/docs.git', Buffer.from('00ffabc')), 'github'],
    'when a packet has a length that is no number': [
      coder,
      push('acme/docs.git', Buffer.from('00g0abc')),
      'github',
    ],
    'when it has the delimiter of another protocol': [
      coder,
      push('acme/docs.git', Buffer.from('00010000')),
      'github',
    ],
    'when a packet is empty': [coder, push('acme/docs.git', Buffer.from('00040000')), 'github'],
    'when ids are of two lengths': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([packet(`${before} ${'c'.repeat(64)} refs/heads/agent/x\0`), flush]),
      ),
      'github',
    ],
    'when nothing becomes nothing': [
      coder,
      push('acme/docs.git', Buffer.concat([packet(`${zeros} ${zeros} refs/heads/agent/x\0`), flush])),
      'github',
    ],
    'when a ref is not UTF-8': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([
          Buffer.from('0068'),
          Buffer.from(`${before} ${after} refs/heads/agent`),
          Buffer.from([0xc0, 0x80]),
          flush,
        ]),
      ),
      'github',
    ],
    'when there are more than 1000 updates': [
      coder,
      push('acme/docs.git', pushOf(...Array.from({ length: 1001 }, (_, at) => `refs/heads/agent/${at}`))),
      'github',
    ],
    'when a push has no body': [
      coder,
      [
        'POST https://github.com/acme/docs/git-receive-pack',
        { headers: { 'content-type': 'application/x-git-receive-pack-request' } },
      ],
      'github',
    ],
  };
  for (const [what, [form, asked, field]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked))?.field, field));
  }

  it('when there are more updates than are read, as too large (H-55)', () => {
    const bytes = command('refs/heads/agent/x');
    const request = requestOf(push('acme/docs.git', pushOf('refs/heads/agent/x')));
    const miss = ask(coder, { ...request, body: { kind: 'read', bytes, isWhole: false } });
    assert.equal(miss?.reason, 'body_too_large');
  });

  it('while the body of a push is not there', () => {
    const miss = ask(coder, unread(requestOf(push('acme/docs.git', pushOf('refs/heads/agent/x')))));
    assert.deepEqual([miss?.field, miss?.reason], ['github', 'body_unreadable']);
  });
});

describe('git is allowed', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked]> = {
    'when a fetch begins': [read, 'GET https://github.com/acme/docs.git/info/refs?service=git-upload-pack'],
    'without .git': [read, 'GET https://github.com/acme/docs/info/refs?service=git-upload-pack'],
    'in another letter case': [read, 'GET https://github.com/ACME/Docs/info/refs?service=git-upload-pack'],
    'when a fetch asks for objects': [
      read,
      ['POST https://github.com/acme/docs.git/git-upload-pack', upload],
    ],
    'when that is gzipped': [
      read,
      [
        'POST https://github.com/acme/docs.git/git-upload-pack',
        { headers: { ...upload.headers, 'content-encoding': 'gzip' }, base64: 'H4sIAAAA' },
      ],
    ],
    'when a wiki is fetched under a glob of its owner': [
      read,
      'GET https://github.com/acme/docs.wiki.git/info/refs?service=git-upload-pack',
    ],
    'when a push begins': [coder, 'GET https://github.com/acme/docs.git/info/refs?service=git-receive-pack'],
    "when a push is git's probe": [coder, push('acme/docs.git', flush)],
    'when a push updates a branch of the list': [
      coder,
      push('acme/docs.git', pushOf('refs/heads/agent/x/y')),
    ],
    'when a push deletes such a branch': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([packet(`${before} ${zeros} refs/heads/agent/x\0 delete-refs`), flush]),
      ),
    ],
    'when a push is shallow': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([
          packet(`shallow ${before}\n`),
          command('refs/heads/agent/x'),
          flush,
          Buffer.from('PACK'),
        ]),
      ),
    ],
    'when lines end in a line feed': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([packet(`${before} ${after} refs/heads/agent/x\0 atomic\n`), flush]),
      ),
    ],
    'when objects are named by SHA-256': [
      coder,
      push(
        'acme/docs.git',
        Buffer.concat([
          packet(`${'a'.repeat(64)} ${'b'.repeat(64)} refs/heads/agent/x\0 object-format=sha256`),
          flush,
        ]),
      ),
    ],
    'when push options follow': [
      coder,
      push('acme/docs.git', Buffer.concat([command('refs/heads/agent/x'), flush, packet('ci.skip'), flush])),
    ],
    'when there are 1000 updates': [
      coder,
      push('acme/docs.git', pushOf(...Array.from({ length: 1000 }, (_, at) => `refs/heads/agent/${at}`))),
    ],
    'when a push without branches writes any branch': [
      anyRef,
      push('acme/docs.git', pushOf('refs/heads/main')),
    ],
    'when a push without branches writes a tag': [anyRef, push('acme/docs.git', pushOf('refs/tags/v1'))],
  };
  for (const [what, [form, asked]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked)), null));
  }
});

describe('the body of git', () => {
  const flushNeed = { maxBytes: 1024 * 1024, until: 'flush' };

  it('is read to the flush packet when a push may be allowed', () => {
    assert.deepEqual(needOf(coder, requestOf(push('acme/docs.git', flush))), flushNeed);
  });

  const unneeded: Record<string, [form: Partial<RulesetGithub>, asked: Asked]> = {
    'of a fetch': [read, ['POST https://github.com/acme/docs.git/git-upload-pack', upload]],
    'of a push to another repository': [coder, push('acme/other.git', flush)],
    'of a push that no operation covers': [read, push('acme/docs.git', flush)],
    'of a push that is compressed': [coder, push('acme/docs.git', flush, { 'content-encoding': 'gzip' })],
  };
  for (const [what, [form, asked]] of Object.entries(unneeded)) {
    it(`is not read: ${what}`, () => assert.equal(needOf(form, requestOf(asked)), null));
  }

  it('is read for a guard only under branches', () => {
    const request = requestOf(push('acme/docs.git', flush));
    assert.equal(needOf({ operations: ['Push'] }, request, 'guard'), null);
    assert.deepEqual(needOf({ operations: ['Push'], branches: ['main'] }, request, 'guard'), flushNeed);
    assert.equal(needOf({ operations: ['DeleteRepository'] }, request, 'guard'), null);
  });
});
