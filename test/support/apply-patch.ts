// Applies a JSON patch (RFC 6902) as the API server does: the operations that the operator writes, and no others.

import type { PatchOperation } from '../../operator/injector/patch.ts';

/** A changed copy; throws where the API server would refuse the patch. */
export function applyPatch<T>(document: T, operations: readonly PatchOperation[]): T {
  const root = { '': structuredClone(document) };
  for (const operation of operations) applyOperation(root, operation);
  return root[''];
}

function applyOperation(root: object, operation: PatchOperation): void {
  const keys = operation.path.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop() ?? '';
  const parent = keys.reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) throw missing(operation);
    return (value as Record<string, unknown>)[key];
  }, root);
  if (Array.isArray(parent)) applyToArray(parent, Number(last), operation);
  else applyToObject(parent as Record<string, unknown>, last, operation);
}

function applyToArray(parent: unknown[], index: number, operation: PatchOperation): void {
  const length = operation.op === 'add' ? parent.length + 1 : parent.length;
  if (!Number.isInteger(index) || index < 0 || index >= length) throw missing(operation);
  if (operation.op === 'add') parent.splice(index, 0, structuredClone(operation.value));
  else if (operation.op === 'replace') parent[index] = structuredClone(operation.value);
  else parent.splice(index, 1);
}

function applyToObject(parent: Record<string, unknown>, key: string, operation: PatchOperation): void {
  if (operation.op !== 'add' && !Object.hasOwn(parent, key)) throw missing(operation);
  if (operation.op === 'remove') delete parent[key];
  else parent[key] = structuredClone(operation.value);
}

function missing({ op, path }: PatchOperation): Error {
  return new Error(`${op} ${path}: there is nothing at this path`);
}
