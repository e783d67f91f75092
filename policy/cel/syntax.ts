// Reads and checks an expression with cel-js, which knows CEL's grammar and types. It is evaluated by ours
// (expression.ts), since its own has no budget, matches with backtracking, and reads times in the process's zone.

import { Environment, ParseError, TypeError as CelTypeError, type ASTNode } from '@marcbachmann/cel-js';
import { CelProblem } from './problem.ts';
import { variables } from './variables.ts';

export type Node = ASTNode;

export const maxExpressionLength = 1024;

/** Deep enough for what fits into the length, and what every step here and there recurses over. */
const limits = {
  maxAstNodes: 512,
  maxDepth: 48,
  maxListElements: 128,
  maxMapEntries: 64,
  maxCallArguments: 4,
};

let environment: Environment | null = null;

/** @throws {CelProblem} */
export function parseExpression(source: string): Node {
  if (source.length > maxExpressionLength) {
    throw new CelProblem(`The expression is longer than ${maxExpressionLength} characters`, null);
  }
  try {
    environment ??= createEnvironment();
    const parsed = environment.parse(source);
    const { error, type } = parsed.check();
    if (error !== undefined) throw error;
    if (type !== 'bool' && type !== 'dyn' && type?.startsWith('dyn<') !== true) {
      throw new CelProblem(`The expression must be a bool, and is of type ${type ?? 'unknown'}`, null);
    }
    return parsed.ast;
  } catch (error) {
    if (error instanceof CelProblem) throw error;
    if (error instanceof ParseError || error instanceof CelTypeError) {
      throw new CelProblem(error.summary.replaceAll('$', ''), error.range ?? null);
    }
    throw new CelProblem('The expression cannot be read', null);
  }
}

function createEnvironment(): Environment {
  const created = new Environment({ limits, homogeneousAggregateLiterals: false });
  for (const [name, fields] of Object.entries(variables)) {
    const schema = Object.fromEntries(Object.entries(fields).map(([field, { type }]) => [field, type]));
    created.registerVariable(name, { schema });
  }
  created.registerVariable('now', 'google.protobuf.Timestamp');
  // Standard ones that cel-js lacks; they are only declared here.
  for (const signature of [
    'matches(string, string): bool',
    'int(uint): int',
    'int(google.protobuf.Timestamp): int',
    'string(google.protobuf.Timestamp): string',
    'string(google.protobuf.Duration): string',
    'timestamp(google.protobuf.Timestamp): google.protobuf.Timestamp',
    'duration(google.protobuf.Duration): google.protobuf.Duration',
  ]) {
    created.registerFunction(signature, () => null);
  }
  return created;
}
