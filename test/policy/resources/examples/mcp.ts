import { bad, deny, many, manyNamed, rule, type Examples } from '../examples.ts';

const tool = (fields: object) => rule({ mcp: { tools: [fields] } });
const method = (name: string) => rule({ mcp: { methods: [name] } });
const at = 'spec.rules[0].mcp';

export const mcp: Examples = {
  bad: {
    'an empty mcp': bad(rule({ mcp: {} }), at, /list tools, methods or both/),
    'an empty list of tools': bad(
      rule({ mcp: { tools: [] } }),
      `${at}.tools`,
      /such as \{ name: "search_\*" \}/,
    ),
    'tools that are names alone': bad(rule({ mcp: { tools: ['search'] } }), `${at}.tools[0]`, /object/),
    'too many tools': bad(
      rule({ mcp: { tools: many(17, (index) => ({ name: `t${index}` })) } }),
      `${at}.tools`,
      /16/,
    ),
    'a tool without a name': bad(
      tool({ arguments: { others: 'Deny' } }),
      `${at}.tools[0].name`,
      /[Rr]equired/,
    ),
    'a tool whose name has a space': bad(
      tool({ name: 'create issue' }),
      `${at}.tools[0].name`,
      /such as search_\*/,
    ),
    'a tool whose name is empty': bad(tool({ name: '' }), `${at}.tools[0].name`, /such as search_\*/),
    'arguments that say nothing': bad(
      tool({ name: 'a', arguments: {} }),
      `${at}.tools[0].arguments`,
      /write fields, others: Deny or both/,
    ),
    'an argument that is no pointer': bad(
      tool({ name: 'a', arguments: { fields: { project: { equals: 'DOCS' } } } }),
      `${at}.tools[0].arguments.fields`,
      /such as \/amount or \/items/,
    ),
    'an argument with a broken matcher': bad(
      tool({ name: 'a', arguments: { fields: { '/project': { min: 2, max: 1 } } } }),
      `${at}.tools[0].arguments.fields[/project]`,
      /min above its max/,
    ),
    'too many arguments': bad(
      tool({ name: 'a', arguments: { fields: manyNamed(17, (index) => [`/a${index}`, {}] as const) } }),
      `${at}.tools[0].arguments.fields`,
      /16/,
    ),
    'an empty list of MCP methods': bad(
      rule({ mcp: { methods: [] } }),
      `${at}.methods`,
      /such as resources\/read/,
    ),
    'an MCP method with a space': bad(method('tools call'), `${at}.methods[0]`, /such as resources\/read/),
    'an MCP method with a slash at its end': bad(
      method('tools/'),
      `${at}.methods[0]`,
      /such as resources\/read/,
    ),
    'mcp beside body': bad(
      rule({ mcp: { tools: [{ name: 'a' }] }, body: {} }),
      'spec.rules[0]',
      /write one of the two/,
    ),
  },
  good: {
    'tools by name, glob and arguments': rule(
      {
        paths: ['/mcp'],
        mcp: {
          tools: [
            { name: 'list_issues' },
            { name: 'search_*' },
            { name: '*' },
            {
              name: 'create_issue',
              arguments: {
                fields: { '/project': { oneOf: ['DOCS'] }, '/labels/*': { maxLength: 40, optional: true } },
                others: 'Deny',
              },
            },
          ],
        },
      },
      'tools',
    ),
    'MCP methods': rule(
      { mcp: { methods: ['resources/read', 'prompts/*', '*', 'notifications/tools/list_changed'] } },
      'mcp-methods',
    ),
    'a tool that takes no arguments': rule(
      { mcp: { tools: [{ name: 'ping', arguments: { others: 'Deny' } }] } },
      'no-arguments',
    ),
    'a Deny of a tool everywhere': deny({ mcp: { tools: [{ name: 'delete_*' }] } }, 'delete'),
  },
};
