// `has`, `all`, `exists`, `exists_one`, `filter` and `map`.

import type { Compiler } from './compiler.ts';
import { CelProblem } from './problem.ts';
import { fail, spend, type Evaluate, type Run } from './run.ts';
import type { Node } from './syntax.ts';
import { toBool, tryBool } from './truth.ts';
import { listOf, type CelValue } from './values.ts';

type Call = Extract<Node, { op: 'call' | 'rcall' }>;
type Method = Extract<Node, { op: 'rcall' }>;

const overElements = ['all', 'exists', 'exists_one', 'filter', 'map'];

export function isMacro(node: Call): boolean {
  if (node.op === 'call') return node.args[0] === 'has';
  const [name, , args] = node.args;
  return overElements.includes(name) && (args.length === 2 || (args.length === 3 && name === 'map'));
}

export function compileMacro(node: Call, compiler: Compiler): Evaluate {
  return node.op === 'call' ? compileHas(node, compiler) : compileOverElements(node, compiler);
}

function compileHas(node: Extract<Node, { op: 'call' }>, compiler: Compiler): Evaluate {
  const [selection] = node.args[1];
  if (selection?.op !== '.') throw new CelProblem('has() takes a field, such as has(request.body.a)', node);
  const [operand, field] = selection.args;
  // A field of request, mcp or agent is always there; of these, has() asks whether it is null.
  if (operand.op === 'id' && !compiler.slots.has(operand.args)) {
    const value = compiler.compile(selection, compiler);
    return (run) => value(run) !== null;
  }
  const container = compiler.compile(operand, compiler);
  return (run) => {
    const value = container(run);
    return value !== null && typeof value === 'object' && value.kind === 'map' ? value.has(field) : fail();
  };
}

function compileOverElements(node: Method, compiler: Compiler): Evaluate {
  const [name, receiver, args] = node.args;
  const [variable, ...bodies] = args;
  if (variable?.op !== 'id') throw new CelProblem(`${name}() takes a variable first`, node);
  const range = compiler.compile(receiver, compiler);
  const slot = compiler.depth;
  const inside = { ...compiler, slots: new Map(compiler.slots).set(variable.args, slot), depth: slot + 1 };
  const [first, second] = bodies.map((body) => compiler.compile(body, inside));
  if (first === undefined) throw new CelProblem(`${name}() takes an expression`, node);
  const each = (run: Run, visit: (element: CelValue) => boolean): void => {
    visitElements(run, range(run), (element) => {
      run.locals[slot] = element;
      return visit(element);
    });
  };
  switch (name) {
    case 'all':
      return (run) => quantify(run, each, first, false);
    case 'exists':
      return (run) => quantify(run, each, first, true);
    case 'exists_one':
      return (run) => {
        let count = 0;
        each(run, () => {
          if (toBool(first(run))) count += 1;
          return false;
        });
        return count === 1;
      };
    case 'filter':
      return (run) => collect(run, each, first, null);
    default:
      return (run) =>
        second === undefined ? collect(run, each, null, first) : collect(run, each, first, second);
  }
}

type Each = (run: Run, visit: (element: CelValue) => boolean) => void;

/** `all` ends at the first false, `exists` at the first true; without one, an element that has no value is decisive. */
function quantify(run: Run, each: Each, predicate: Evaluate, decisive: boolean): boolean {
  let isDecided = false;
  let isUnknown = false;
  each(run, () => {
    const value = tryBool(run, predicate);
    if (value === null) isUnknown = true;
    isDecided = value === decisive;
    return isDecided;
  });
  if (isDecided) return decisive;
  return isUnknown ? fail() : !decisive;
}

function collect(run: Run, each: Each, filter: Evaluate | null, transform: Evaluate | null): CelValue {
  const items: CelValue[] = [];
  each(run, (element) => {
    if (filter === null || toBool(filter(run))) items.push(transform === null ? element : transform(run));
    return false;
  });
  return listOf(items);
}

/** Elements of a list, keys of a map, until `visit` returns true. */
function visitElements(run: Run, range: CelValue, visit: (element: CelValue) => boolean): void {
  if (range === null || typeof range !== 'object') return fail();
  if (range.kind === 'map') {
    for (const key of range.keys()) {
      spend(run, 1);
      if (visit(key)) return;
    }
    return;
  }
  if (range.kind !== 'list') return fail();
  for (let i = 0; i < range.size; i += 1) {
    spend(run, 1);
    if (visit(range.at(i))) return;
  }
}
