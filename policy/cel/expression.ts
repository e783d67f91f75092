// A checked expression as a closure that counts its steps.

import { calculate, index, negate, toInt, type ArithmeticOperator } from './arithmetic.ts';
import { compileCall, compileMethod } from './calls.ts';
import type { Compiler } from './compiler.ts';
import { compare, contains, isEqual } from './equality.ts';
import { compileMacro, isMacro } from './macros.ts';
import { CelProblem } from './problem.ts';
import { fail, spend, type Evaluate } from './run.ts';
import { parseExpression, type Node } from './syntax.ts';
import { compileLogic, toBool } from './truth.ts';
import { listOf, mapOf, typeNames, type CelValue } from './values.ts';
import { readNow, variables, type Agent, type Source } from './variables.ts';

export interface Expression {
  readonly evaluate: Evaluate;
  readonly sources: ReadonlySet<Source>;
}

/** @throws {CelProblem} */
export function compileExpression(source: string, agent: Agent): Expression {
  const sources = new Set<Source>();
  const evaluate = compileNode(parseExpression(source), {
    agent,
    sources,
    slots: new Map(),
    depth: 0,
    compile: compileNode,
  });
  return { evaluate, sources };
}

function compileNode(node: Node, compiler: Compiler): Evaluate {
  const evaluate = compileOperation(node, compiler);
  return (run) => {
    spend(run, 1);
    return evaluate(run);
  };
}

function compileOperation(node: Node, compiler: Compiler): Evaluate {
  const compile = (child: Node): Evaluate => compileNode(child, compiler);
  switch (node.op) {
    case 'value': {
      const value = literal(node.args, node);
      return () => value;
    }
    case 'id':
      return compileName(node.args, node, compiler);
    case '.':
      return compileField(node, node.args[0], node.args[1], compiler);
    case '[]': {
      const [container, key] = [compile(node.args[0]), compile(node.args[1])];
      return (run) => index(container(run), key(run));
    }
    case 'call':
      return isMacro(node) ? compileMacro(node, compiler) : compileCall(node, compiler);
    case 'rcall':
      return isMacro(node) ? compileMacro(node, compiler) : compileMethod(node, compiler);
    case 'list': {
      const items = node.args.map(compile);
      return (run) => listOf(items.map((item) => item(run)));
    }
    case 'map': {
      const entries = node.args.map(([key, value]) => [compile(key), compile(value)] as const);
      return (run) => mapOf(entries.map(([key, value]) => [key(run), value(run)]));
    }
    case '?:': {
      const [condition, yes, no] = [compile(node.args[0]), compile(node.args[1]), compile(node.args[2])];
      return (run) => (toBool(condition(run)) ? yes(run) : no(run));
    }
    case '&&':
      return compileLogic(compile(node.args[0]), compile(node.args[1]), false);
    case '||':
      return compileLogic(compile(node.args[0]), compile(node.args[1]), true);
    case '!_': {
      const operand = compile(node.args);
      return (run) => !toBool(operand(run));
    }
    case '-_': {
      if (node.args.op === 'value' && node.args.args === 2n ** 63n) return () => -(2n ** 63n);
      const operand = compile(node.args);
      return (run) => negate(operand(run));
    }
    case '.?':
    case '[?]':
      throw new CelProblem('Optional values are not part of the standard library', node);
    default:
      return compileBinary(node.op, compile(node.args[0]), compile(node.args[1]));
  }
}

function compileBinary(
  operator: ArithmeticOperator | '==' | '!=' | 'in' | '<' | '<=' | '>' | '>=',
  left: Evaluate,
  right: Evaluate,
): Evaluate {
  switch (operator) {
    case '==':
      return (run) => isEqual(run, left(run), right(run));
    case '!=':
      return (run) => !isEqual(run, left(run), right(run));
    case 'in':
      return (run) => {
        const item = left(run);
        return contains(run, right(run), item);
      };
    case '<':
      return (run) => compare(run, left(run), right(run)) < 0;
    case '<=':
      return (run) => compare(run, left(run), right(run)) <= 0;
    case '>':
      return (run) => compare(run, left(run), right(run)) > 0;
    case '>=':
      return (run) => compare(run, left(run), right(run)) >= 0;
    default:
      return (run) => calculate(run, operator, left(run), right(run));
  }
}

function literal(value: Extract<Node, { op: 'value' }>['args'], node: Node): CelValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return value;
  if (value instanceof Uint8Array) {
    // cel-js takes \xff in them for the character and not for the byte.
    if (value.some((byte) => byte > 0x7f)) throw new CelProblem('Bytes must be written in ASCII', node);
    return { kind: 'bytes', bytes: value };
  }
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) === value) return toInt(value);
    throw new CelProblem('The integer has more than 64 bits', node);
  }
  return { kind: 'uint', value: value.value };
}

function compileName(name: string, node: Node, { sources, slots }: Compiler): Evaluate {
  const slot = slots.get(name);
  if (slot !== undefined) return ({ locals }) => locals[slot] ?? null;
  if (name === 'now') {
    sources.add('now');
    return readNow;
  }
  if (Object.hasOwn(variables, name)) {
    const fields = Object.keys(variables[name] ?? {}).join(', ');
    throw new CelProblem(`${name} has the fields ${fields}; write ${name}. and one of them`, node);
  }
  if (typeNames.some((type) => type === name)) return () => ({ kind: 'type', name });
  throw new CelProblem(`Unknown variable: ${name}`, node);
}

function compileField(node: Node, operand: Node, field: string, compiler: Compiler): Evaluate {
  if (operand.op === 'id' && !compiler.slots.has(operand.args)) {
    const variable = Object.hasOwn(variables, operand.args) ? variables[operand.args] : undefined;
    if (variable !== undefined) {
      const found = Object.hasOwn(variable, field) ? variable[field] : undefined;
      if (found === undefined) throw new CelProblem(`${operand.args} has no field ${field}`, node);
      if (found.source !== null) compiler.sources.add(found.source);
      return ({ reading }) => found.read(reading, compiler.agent);
    }
  }
  if (operand.op === '.' && operand.args[0].op === 'id' && operand.args[0].args === 'google') {
    const name = `google.${operand.args[1]}.${field}`;
    return () => ({ kind: 'type', name });
  }
  const container = compileNode(operand, compiler);
  return (run) => {
    const value = container(run);
    return value !== null && typeof value === 'object' && value.kind === 'map' ? index(value, field) : fail();
  };
}
