// What a rule asks for besides where and what: MCP, the GitHub form, times, CEL; and what a grant adds.

import { z } from 'zod';
import { constrain, listOf, text } from './constraint.ts';
import { toolArguments } from './fields.ts';
import { duration, hostName, labelName } from './names.ts';

export const opens = () =>
  listOf(z.enum(['EncodedSlash', 'PathParameters']), 2, 'EncodedSlash')
    .describe(
      'What is refused in every path and this rule accepts: EncodedSlash is %2F inside a segment, PathParameters is ; and what follows it in a segment.',
    )
    .optional();

const toolName = constrain(text(128), {
  cel: `self.matches(r'^[!-~]+$')`,
  holds: (value) => /^[!-~]+$/.test(value),
  message: 'is no name of a tool: printable ASCII without spaces, * for any characters, such as search_*',
});

const mcpMethod = constrain(text(64), {
  cel: `self.matches(r'^[a-z*][A-Za-z_*]*(/[A-Za-z_*]+)*$')`,
  holds: (value) => /^[a-z*][A-Za-z_*]*(\/[A-Za-z_*]+)*$/.test(value),
  message: 'is no MCP method: write such as resources/read or prompts/*',
});

export const mcp = () =>
  constrain(
    z.strictObject({
      tools: listOf(
        z.strictObject({
          name: toolName.describe('Name of the tool, or a glob: * is any characters.'),
          arguments: toolArguments(),
        }),
        16,
        '{ name: "search_*" }',
      )
        .describe('Tools that may be called; grants what a session needs too: initialize, ping, tools/list.')
        .optional(),
      methods: listOf(mcpMethod, 16, 'resources/read')
        .describe('Other methods of MCP that may be called, or globs of them, such as resources/*.')
        .optional(),
    }),
    {
      cel: 'has(self.tools) || has(self.methods)',
      holds: ({ tools, methods }) => tools !== undefined || methods !== undefined,
      message: 'is empty: list tools, methods or both',
    },
  )
    .describe('Takes the body for one MCP message and governs its tool, method and arguments.')
    .optional();

const repository = constrain(text(140), {
  cel: `self.matches(r'^[A-Za-z0-9*][A-Za-z0-9*_-]*/[A-Za-z0-9._*-]+$') && !self.contains('**') && !self.matches(r'/[.][.]?$|[.]git$')`,
  holds: (value) =>
    /^[A-Za-z0-9*][A-Za-z0-9*_-]*\/[A-Za-z0-9._*-]+$/.test(value) &&
    !value.includes('**') &&
    !/\/\.\.?$|\.git$/.test(value),
  message:
    'is no repository: write owner/name without .git, with * inside either, such as acme/docs or acme/*',
});

const branch = constrain(text(255), {
  cel: `self.matches(r'^[^\\x00-\\x20~^:?\\[\\\\\\x7f/][^\\x00-\\x20~^:?\\[\\\\\\x7f]*$') && !self.startsWith('refs/') && !self.contains('//') && !self.matches(r'/$|[^/][*][*]|[*][*][^/]')`,
  holds: (value) =>
    // eslint-disable-next-line no-control-regex -- what git refuses in a ref
    /^[^\x00-\x20~^:?[\\\x7f/][^\x00-\x20~^:?[\\\x7f]*$/u.test(value) &&
    !value.startsWith('refs/') &&
    !value.includes('//') &&
    !/\/$|[^/]\*\*|\*\*[^/]/.test(value),
  message:
    'is no branch: write its name without refs/heads/, * inside one part and ** for any number of whole ones, such as agent/**',
});

const nodeId = constrain(text(128), {
  cel: `self.matches(r'^[A-Za-z0-9_=+/-]+$')`,
  holds: (value) => /^[A-Za-z0-9_=+/-]+$/.test(value),
  message: 'is no node id of GraphQL: write it as the API returns it, such as R_kgDOABCDEF',
});

export const githubOperations = [
  'Read',
  'Comment',
  'OpenPullRequest',
  'Push',
  'Merge',
  'DeleteRepository',
] as const;

export const github = () =>
  z
    .strictObject({
      repositories: listOf(repository, 16, 'acme/docs')
        .describe('owner/name, with * inside either. A grant needs it; in a Deny absent means all.')
        .optional(),
      operations: listOf(z.enum(githubOperations), 6, 'Read').describe(
        'What may be done (in a Deny, what may not), over git, REST and GraphQL.',
      ),
      branches: listOf(branch, 16, 'agent/**')
        .describe(
          'Branches that may be written. With it, what names no branch is refused: merges, and repositories by their raw id.',
        )
        .optional(),
      nodeIds: listOf(nodeId, 16, 'R_kgDOABCDEF')
        .describe(
          'GraphQL node ids that are known to lie in the repositories; mutations by another id are refused.',
        )
        .optional(),
      hosts: z
        .strictObject({
          web: hostName().describe('Host of the pages and of git.'),
          api: hostName().describe('Host of REST and GraphQL.'),
        })
        .describe('Hosts of a GitHub Enterprise; absent means github.com and api.github.com.')
        .meta({ 'x-kubernetes-map-type': 'atomic' })
        .optional(),
    })
    .describe('A form for GitHub: supplies hosts, methods and paths of git, REST and GraphQL.')
    .optional();

const clockTime = (pattern: string, example: string) =>
  constrain(text(5), {
    cel: `self.matches(r'${pattern}')`,
    holds: (value) => new RegExp(pattern).test(value),
    message: `is no time of day: write hours and minutes in quotes, such as "${example}"`,
  });

const timeZone = constrain(text(64), {
  cel: `self.matches(r'^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')`,
  holds: (value) => /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(value),
  message: 'is no time zone: write an IANA name, such as Europe/Berlin or UTC',
});

export const schedule = (what: string) =>
  z
    .strictObject({
      timeZone: timeZone.describe('IANA name, such as Europe/Berlin or UTC.'),
      windows: listOf(
        constrain(
          z.strictObject({
            days: listOf(z.enum(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']), 7, 'Mon')
              .describe('Days on which the window begins; absent means every day.')
              .optional(),
            from: clockTime('^([01][0-9]|2[0-3]):[0-5][0-9]$', '08:00').describe(
              'First minute that is inside, such as "08:00".',
            ),
            to: clockTime('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$', '18:00').describe(
              'First minute that is outside again, such as "18:00"; earlier than from means on the next day.',
            ),
          }),
          {
            cel: 'self.from != self.to',
            holds: ({ from, to }) => from !== to,
            message: 'begins and ends at one time: write "00:00" to "24:00" for a whole day',
          },
        ),
        16,
        '{ days: [Mon], from: "08:00", to: "18:00" }',
      ).describe('Times of the week; one of them is enough.'),
    })
    .describe(what)
    .optional();

export const when = () =>
  text(1024, 1)
    .describe(
      'CEL over the request, for what fields cannot say: a grant needs true, a guard applies unless it is false.',
    )
    .optional();

const perRequestOrDuration = constrain(text(24), {
  cel: `self == 'Request' || (self.matches(r'^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && self.size() > 1 && duration(self) >= duration('1s') && duration(self) <= duration('744h'))`,
  holds: (value) => value === 'Request' || duration('1s', '744h').safeParse(value).success,
  message: 'is neither Request nor a duration from 1s to 744h: write such as 1m or 24h',
});

const limit = constrain(
  constrain(
    z.strictObject({
      name: labelName().describe(
        'Unique in the rule. Counters belong to policy, rule and this name, and outlive changes of the rest.',
      ),
      sum: constrain(text(256), {
        cel: `self.startsWith('/') && self.size() > 1`,
        holds: (value) => value.startsWith('/') && value.length > 1,
        message: 'is no JSON pointer: write a field of the body, such as /amount',
      })
        .describe(
          'Count this number of the body instead of requests: a JSON pointer that body.fields lists. Fractions count as the next whole number.',
        )
        .optional(),
      usage: z
        .enum(['Tokens'])
        .describe(
          'Count tokens of an LLM instead of requests: reserved from the request, settled from the usage in the answer.',
        )
        .optional(),
      max: z
        .int()
        .min(1)
        .max(1_000_000_000_000)
        .describe('The most that any window of this length takes in.'),
      per: perRequestOrDuration.describe(
        'Length of the sliding window, such as 1m or 24h, or Request for each request by itself.',
      ),
      scope: z
        .enum(['Pod', 'Policy'])
        .describe(
          'Whether each pod counts by itself or all that the policy selects together. Absent means Policy.',
        )
        .optional(),
      exceeded: z
        .enum(['Deny', 'RequireApproval'])
        .describe('What becomes of a request that goes beyond it; absent means Deny.')
        .optional(),
    }),
    {
      cel: '!(has(self.sum) && has(self.usage))',
      holds: ({ sum, usage }) => sum === undefined || usage === undefined,
      message: 'has both sum and usage: write at most one (without either, requests are counted)',
    },
  ),
  {
    cel: `self.per != 'Request' || (!has(self.scope) && (has(self.sum) || has(self.usage)))`,
    holds: ({ per, scope, sum, usage }) =>
      per !== 'Request' || (scope === undefined && (sum !== undefined || usage !== undefined)),
    message: 'is per Request, which has no scope and needs sum or usage: one request is always one request',
  },
);

export const limits = () =>
  constrain(z.array(limit).max(8), {
    cel: 'self.size() > 0 && self.all(limit, self.exists_one(other, other.name == limit.name))',
    holds: (all) => all.length > 0 && new Set(all.map(({ name }) => name)).size === all.length,
    message: 'is empty or has two limits of one name: list at least one, or leave the field out',
  })
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('Limits on what the rule grants. Those of all rules that grant a request apply to it.')
    .optional();

export const approval = () =>
  z
    .strictObject({
      groups: listOf(text(253, 1), 16, 'support-leads')
        .describe('Whose members may approve; absent means whoever RBAC lets.')
        .optional(),
      wait: duration('0s', '5m')
        .describe('How long the request is held open for an answer. Default 25s.')
        .optional(),
      expires: duration('10s', '24h')
        .describe('How long the identical request may be sent again after approval. Default 10m.')
        .optional(),
    })
    .describe('Who may approve what is held, and for how long it waits.')
    .meta({ 'x-kubernetes-map-type': 'atomic' })
    .optional();

export const response = () =>
  z
    .strictObject({
      return: z
        .enum(['Full', 'StatusOnly'])
        .describe('StatusOnly gives the agent the status and nothing else, for writing without reading.'),
    })
    .describe('What of the answer the agent gets; absent means all of it.')
    .meta({ 'x-kubernetes-map-type': 'atomic' })
    .optional();
