// A value in a JSON or form body, for APIs that want their secret there and nowhere else. The body is changed in that
// one place, and is read again afterwards, so that the secret stands where the credential says or does not leave.

import { readForm } from '../../../policy/content/form.ts';
import { readJson } from '../../../policy/content/json.ts';
import { readMediaType, type MediaKind } from '../../../policy/content/media-type.ts';
import { compileJsonProof } from '../../../policy/fields/json-path.ts';
import { compileNameProof } from '../../../policy/fields/name-path.ts';
import { createNameTree } from '../../../policy/fields/name-tree.ts';
import { Outcome } from '../../../policy/fields/outcome.ts';
import { formPath, parsePointer } from '../../../policy/fields/pointer.ts';
import { refuse, type Refusal } from '../../../policy/refusal.ts';
import { isUnreadable, type Unreadable } from '../../../policy/unreadable.ts';
import { onlyPart, type Material } from '../material.ts';
import type { Injector, Outgoing } from './injector.ts';
import { partOf } from './part.ts';
import { findOnly } from './placeholder-text.ts';
import { assertPrintable } from './printable.ts';
import { percentEncode } from './query-parameters.ts';

/** Either could carry more; beyond this it is a mistake of storing. */
const text = /^[!-~](?:[ -~]*[!-~])?$/;

/** They would say what the body was before. */
const digests = new Set(['content-md5', 'digest', 'content-digest', 'repr-digest']);

type Kind = Extract<MediaKind, 'Json' | 'Form'>;

export const body: Injector<'body'> = {
  maxBodyBytes: 1024 * 1024,
  check: (_inject, material) => void valueOf(material),
  places: () => ({ headers: [], query: [] }),
  needsBody: (_inject, { headers }) => kindOf(headers) !== null,
  fill({ pointer }, material, { headers, body: bytes, placeholder }) {
    const kind = kindOf(headers);
    if (kind === null || bytes === null) {
      return refuse(
        'request_unsignable',
        `The credential is put into ${pointer} of the body, which must be application/json or application/x-www-form-urlencoded, uncompressed and in UTF-8.`,
      );
    }
    if (headers.some((name, at) => at % 2 === 0 && digests.has(name))) {
      return refuse('request_unsignable', 'The body has a digest, and the credential changes it; send none.');
    }
    const at = findOnly(bytes.toString('latin1'), placeholder);
    if (at === null) return misplaced(pointer);
    const before = holds(bytes, kind, pointer, bytes.toString('latin1', at.start, at.end));
    if (typeof before !== 'boolean') return unreadable(before);
    const value = valueOf(material);
    const filled = Buffer.concat([
      bytes.subarray(0, at.start),
      Buffer.from(kind === 'Json' ? JSON.stringify(value).slice(1, -1) : percentEncode(value), 'latin1'),
      bytes.subarray(at.end),
    ]);
    // Before alone: the pointer's placeholder may be spelt with escapes, and another one have been replaced. After
    // alone: an agent could try out what the secret is.
    if (before && holds(filled, kind, pointer, value) === true) return { headers: [], body: filled };
    return misplaced(pointer);
  },
};

function kindOf(headers: Outgoing['headers']): Kind | null {
  const type = readMediaType(headers);
  if (isUnreadable(type)) return null;
  if (type.kind === 'Form') return 'Form';
  return type.name === 'application/json' ? 'Json' : null;
}

/** Whether every server finds just this text there. */
function holds(bytes: Buffer, kind: Kind, pointer: string, wanted: string): boolean | Unreadable {
  const tokens = parsePointer(pointer);
  if (tokens === null) return false;
  if (kind === 'Json') {
    const root = readJson(bytes);
    if (isUnreadable(root)) return root;
    return compileJsonProof(tokens, (value) => value === wanted, 'required')(root) === Outcome.proved;
  }
  const pairs = readForm(bytes);
  if (isUnreadable(pairs)) return pairs;
  const proof = compileNameProof(formPath(tokens), (value) => value === wanted, 'required');
  return proof(createNameTree(pairs)) === Outcome.proved;
}

function valueOf(material: Material): string {
  return assertPrintable(partOf(material, { kind: 'body' }, onlyPart).open(), text, 'spec.inject.body');
}

function misplaced(pointer: string): Refusal {
  return refuse(
    'request_unsignable',
    `The placeholder of the credential must be the whole value at ${pointer} of the body, written without escapes, and stand nowhere else in it.`,
  );
}

function unreadable({ unreadable: why }: Unreadable): Refusal {
  return refuse('request_unsignable', `The credential is put into the body, which ${why}.`);
}
