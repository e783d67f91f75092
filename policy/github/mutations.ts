// Which operation each GraphQL mutation needs, by the fields of its input (docs.github.com/en/graphql/reference/mutations).

import type { GithubOperation } from '../ruleset.ts';
import { anywhere, isRefName, repositoryPlace, type Place } from './act.ts';
import { itemsOf, textOf, type Given } from './graphql-values.ts';
import { headRefs, refsOf } from './rest-fields.ts';

type Input = ReadonlyMap<string, Given>;

/** What an input says besides node ids. */
export interface Said {
  /** As in an act. */
  readonly refs: readonly string[] | null;
  /** Refs that a guard compares besides. */
  readonly aside?: readonly string[] | null;
  /** Instead of the node ids. */
  readonly place?: Place;
  /** False when it is not as the operation needs it. */
  readonly isCovered?: boolean;
}

export interface Mutation {
  readonly operation: GithubOperation | null;
  readonly maybe?: readonly GithubOperation[];
  /** Input fields that are node ids: at least one is there, and each must be listed. */
  readonly ids: string;
  /** Input fields that may be there; any other is not covered. */
  readonly fields: string;
  readonly read?: (input: Input) => Said;
}

const comments = ['COMMENT', 'REQUEST_CHANGES'];

/** An approval can be what a protected branch waits for, so no operation covers it. */
function reviewSaid(input: Input, isOptional: boolean): Said {
  const event = textOf(input.get('event'));
  const isCovered = event === undefined ? isOptional : event !== null && comments.includes(event);
  return { refs: null, isCovered };
}

function pullSaid(input: Input): Said {
  const head = textOf(input.get('repositoryId'));
  const from = textOf(input.get('headRepositoryId'));
  const base = textOf(input.get('baseRefName'));
  return {
    // The owner before a colon cannot be compared with a node id.
    refs: from === undefined || from === head ? headRefs(textOf(input.get('headRefName')), anywhere) : null,
    aside: typeof base === 'string' ? refsOf(base) : null,
  };
}

/** `branch` is `{ repositoryNameWithOwner, branchName }`, or the id of a ref, which names no branch. */
function commitSaid(input: Input): Said {
  const branch = input.get('branch');
  if (branch?.kind !== 'object') return { refs: null, place: anywhere, isCovered: false };
  const { fields } = branch;
  const id = textOf(fields.get('id'));
  const whole = textOf(fields.get('repositoryNameWithOwner'));
  const name = textOf(fields.get('branchName'));
  const isById = typeof id === 'string' && whole === undefined && name === undefined;
  if (isById) return { refs: null, place: { kind: 'nodes', ids: [id] } };
  if (id !== undefined || typeof whole !== 'string' || typeof name !== 'string') {
    return { refs: null, place: anywhere, isCovered: false };
  }
  const [owner = '', repository = '', ...more] = whole.split('/');
  return {
    refs: refsOf(name),
    place: more.length > 0 ? anywhere : repositoryPlace(owner, repository),
  };
}

function fullRef(given: Given | undefined): string | null {
  const ref = textOf(given);
  return typeof ref === 'string' && isRefName(ref) ? ref : null;
}

function newRefSaid(input: Input): Said {
  const ref = fullRef(input.get('name'));
  return { refs: ref === null ? null : [ref], isCovered: ref !== null };
}

function refUpdatesSaid(input: Input): Said {
  const updates = itemsOf(input.get('refUpdates') ?? { kind: 'absent' });
  const refs = updates.map((update) =>
    update.kind === 'object' ? fullRef(update.fields.get('name')) : null,
  );
  const isCovered = refs.length > 0 && !refs.includes(null);
  return { refs: isCovered ? refs.filter((ref) => ref !== null) : null, isCovered };
}

function linkedBranchSaid(input: Input): Said {
  const name = textOf(input.get('name'));
  return { refs: typeof name === 'string' ? refsOf(name) : null, isCovered: name !== null };
}

function mergeBaseSaid(input: Input): Said {
  const base = textOf(input.get('base'));
  return { refs: typeof base === 'string' ? refsOf(base) : null };
}

const anchor = 'path position line side startLine startSide subjectType commitOID body';
const merge = 'authorEmail commitBody commitHeadline expectedHeadOid mergeMethod';

/** In a Map: names come from the request, and `constructor` is one. */
export const mutations: ReadonlyMap<string, Mutation> = new Map<string, Mutation>([
  ['addComment', { operation: 'Comment', ids: 'subjectId', fields: 'body' }],
  ['updateIssueComment', { operation: 'Comment', ids: 'id', fields: 'body' }],
  ['deleteIssueComment', { operation: 'Comment', ids: 'id', fields: '' }],
  ['addReaction', { operation: 'Comment', ids: 'subjectId', fields: 'content' }],
  ['removeReaction', { operation: 'Comment', ids: 'subjectId', fields: 'content' }],
  ['addDiscussionComment', { operation: 'Comment', ids: 'discussionId replyToId', fields: 'body' }],
  ['updateDiscussionComment', { operation: 'Comment', ids: 'commentId', fields: 'body' }],
  ['deleteDiscussionComment', { operation: 'Comment', ids: 'id', fields: '' }],
  [
    'addPullRequestReview',
    {
      operation: 'Comment',
      ids: 'pullRequestId',
      fields: 'event body comments threads commitOID',
      read: (input) => reviewSaid(input, true),
    },
  ],
  [
    'submitPullRequestReview',
    {
      operation: 'Comment',
      ids: 'pullRequestId pullRequestReviewId',
      fields: 'event body',
      read: (input) => reviewSaid(input, false),
    },
  ],
  [
    'addPullRequestReviewComment',
    { operation: 'Comment', ids: 'pullRequestId pullRequestReviewId inReplyTo', fields: anchor },
  ],
  [
    'addPullRequestReviewThread',
    { operation: 'Comment', ids: 'pullRequestId pullRequestReviewId', fields: anchor },
  ],
  [
    'addPullRequestReviewThreadReply',
    { operation: 'Comment', ids: 'pullRequestReviewThreadId pullRequestReviewId', fields: 'body' },
  ],
  ['updatePullRequestReview', { operation: 'Comment', ids: 'pullRequestReviewId', fields: 'body' }],
  [
    'updatePullRequestReviewComment',
    { operation: 'Comment', ids: 'pullRequestReviewCommentId', fields: 'body' },
  ],
  ['deletePullRequestReview', { operation: 'Comment', ids: 'pullRequestReviewId', fields: '' }],
  ['deletePullRequestReviewComment', { operation: 'Comment', ids: 'id', fields: '' }],
  [
    'createPullRequest',
    {
      operation: 'OpenPullRequest',
      ids: 'repositoryId headRepositoryId',
      fields: 'baseRefName headRefName title body draft maintainerCanModify',
      read: pullSaid,
    },
  ],
  ['updatePullRequest', { operation: 'OpenPullRequest', ids: 'pullRequestId', fields: 'title body' }],
  [
    'requestReviews',
    { operation: 'OpenPullRequest', ids: 'pullRequestId', fields: 'userIds teamIds botIds union' },
  ],
  ['markPullRequestReadyForReview', { operation: 'OpenPullRequest', ids: 'pullRequestId', fields: '' }],
  ['convertPullRequestToDraft', { operation: 'OpenPullRequest', ids: 'pullRequestId', fields: '' }],
  [
    'createCommitOnBranch',
    { operation: 'Push', ids: '', fields: 'branch message fileChanges expectedHeadOid', read: commitSaid },
  ],
  ['createRef', { operation: 'Push', ids: 'repositoryId', fields: 'name oid', read: newRefSaid }],
  ['updateRef', { operation: 'Push', ids: 'refId', fields: 'oid force' }],
  ['deleteRef', { operation: 'Push', ids: 'refId', fields: '' }],
  ['updateRefs', { operation: 'Push', ids: 'repositoryId', fields: 'refUpdates', read: refUpdatesSaid }],
  [
    'createLinkedBranch',
    { operation: 'Push', ids: 'issueId repositoryId', fields: 'name oid', read: linkedBranchSaid },
  ],
  ['mergePullRequest', { operation: 'Merge', ids: 'pullRequestId', fields: merge }],
  ['enablePullRequestAutoMerge', { operation: 'Merge', ids: 'pullRequestId', fields: merge }],
  ['enqueuePullRequest', { operation: 'Merge', ids: 'pullRequestId', fields: 'expectedHeadOid jump' }],
  [
    'updatePullRequestBranch',
    {
      operation: 'Merge',
      maybe: ['Merge', 'Push'],
      ids: 'pullRequestId',
      fields: 'expectedHeadOid updateMethod',
    },
  ],
  [
    'mergeBranch',
    {
      operation: 'Merge',
      maybe: ['Merge', 'Push'],
      ids: 'repositoryId',
      fields: 'base head authorEmail commitMessage',
      read: mergeBaseSaid,
    },
  ],
  // What no grant covers, but a guard of these operations has to stop.
  [
    'revertPullRequest',
    { operation: null, maybe: ['OpenPullRequest', 'Push'], ids: 'pullRequestId', fields: '' },
  ],
  ['deleteLinkedBranch', { operation: null, maybe: ['Push'], ids: 'linkedBranchId', fields: '' }],
  ['dismissPullRequestReview', { operation: null, maybe: ['Comment'], ids: '', fields: '' }],
  ['updateIssue', { operation: null, maybe: ['OpenPullRequest'], ids: '', fields: '' }],
  ['closePullRequest', { operation: null, maybe: ['OpenPullRequest'], ids: '', fields: '' }],
  ['reopenPullRequest', { operation: null, maybe: ['OpenPullRequest'], ids: '', fields: '' }],
  ['createDiscussion', { operation: null, maybe: ['Comment'], ids: '', fields: '' }],
]);
