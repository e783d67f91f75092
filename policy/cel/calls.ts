// Calls of functions and methods. Patterns and time zones must be literals: they are compiled once, and a pattern that
// comes from a request would be the agent's to write.

import { compileSearch, findPatternProblem } from '../pattern.ts';
import type { Compiler } from './compiler.ts';
import { functions, textMethods } from './functions.ts';
import { CelProblem } from './problem.ts';
import { fail, spend, stop, type Evaluate } from './run.ts';
import type { Node } from './syntax.ts';
import { compileZone, readTimePart, timeMethods } from './time.ts';

export function compileCall(node: Extract<Node, { op: 'call' }>, compiler: Compiler): Evaluate {
  const [name, [first, second, ...others]] = node.args;
  if (first === undefined || others.length > 0) throw unknown(name, node);
  if (name === 'matches' && second !== undefined) {
    return compileMatches(compiler.compile(first, compiler), second, node);
  }
  const apply = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (apply === undefined || second !== undefined) throw unknown(name, node);
  const argument = compiler.compile(first, compiler);
  return (run) => apply(run, argument(run));
}

export function compileMethod(node: Extract<Node, { op: 'rcall' }>, compiler: Compiler): Evaluate {
  const [name, receiver, [first, ...others]] = node.args;
  const target = compiler.compile(receiver, compiler);
  if (others.length > 0) throw unknown(name, node);
  if (timeMethods.includes(name)) return compileTimePart(name, target, first);
  if (first === undefined) {
    const size = functions['size'];
    if (name !== 'size' || size === undefined) throw unknown(name, node);
    return (run) => size(run, target(run));
  }
  if (name === 'matches') return compileMatches(target, first, node);
  const apply = Object.hasOwn(textMethods, name) ? textMethods[name] : undefined;
  if (apply === undefined) throw unknown(name, node);
  const argument = compiler.compile(first, compiler);
  return (run) => {
    const text = target(run);
    const part = argument(run);
    return typeof text === 'string' && typeof part === 'string' ? apply(run, text, part) : fail();
  };
}

function compileMatches(target: Evaluate, pattern: Node, node: Node): Evaluate {
  if (pattern.op !== 'value' || typeof pattern.args !== 'string') {
    throw new CelProblem('The pattern of matches() must be written as a string', node);
  }
  const search = compileSearch(pattern.args);
  if (search === null) {
    throw new CelProblem(`The pattern ${findPatternProblem(pattern.args) ?? 'does not compile'}`, pattern);
  }
  return (run) => {
    const text = target(run);
    if (typeof text !== 'string') return fail();
    const { found, steps } = search(text, run.stepsLeft);
    spend(run, steps);
    return found ?? stop();
  };
}

function compileTimePart(name: string, target: Evaluate, zone: Node | undefined): Evaluate {
  if (zone === undefined) return (run) => readTimePart(target(run), name, null);
  if (zone.op !== 'value' || typeof zone.args !== 'string') {
    throw new CelProblem('The time zone must be written as a string', zone);
  }
  const zoneOffset = compileZone(zone.args);
  if (zoneOffset === null) throw new CelProblem(`There is no time zone ${zone.args}`, zone);
  return (run) => readTimePart(target(run), name, zoneOffset);
}

function unknown(name: string, node: Node): CelProblem {
  return new CelProblem(`${name}() is not part of the standard library, or takes other arguments`, node);
}
