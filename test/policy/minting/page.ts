// A list as its page of the documentation has it.

import type { MintingEndpoint } from '../../../policy/minting/endpoint.ts';

export function mintingLine({ name, hosts, awsServices, paths, parameter }: MintingEndpoint): string {
  const places =
    awsServices === undefined
      ? (hosts?.map(code).join(', ') ?? 'any host')
      : `AWS's hosts of ${awsServices.map(code).join(', ')}`;
  const what = parameter === undefined ? 'the whole host' : `any path with ${code(parameter)} in the query`;
  return `- **${name}**, ${places}: ${paths?.map(code).join(', ') ?? what}`;
}

export function linesOf(page: string, heading: string): readonly string[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? '';
  return section.split('\n').filter((line) => line.startsWith('- '));
}

function code(text: string): string {
  return `\`${text}\``;
}
