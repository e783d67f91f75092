// Content-Type and Content-Encoding: as what a body may be read, known before a byte of it is there.

import { isUnreadable, type Unreadable } from '../unreadable.ts';

export type MediaKind = 'Json' | 'Form' | 'Multipart' | 'Other';

export interface MediaType {
  readonly kind: MediaKind;
  /** In lower case, without parameters; `''` without a Content-Type. */
  readonly name: string;
}

const absent: MediaType = { kind: 'Other', name: '' };

/** RFC 9110 section 8.3.1. */
const mediaType = /^([!#$%&'*+\-.^_`|~\w]+\/[!#$%&'*+\-.^_`|~\w]+)[ \t]*(?:;(.*))?$/;
const parameter = /^[ \t]*([!#$%&'*+\-.^_`|~\w]+)=(?:"([^"\\]*)"|([!#$%&'*+\-.^_`|~\w]+))[ \t]*$/;

/** @param headers name and value alternating, names in lower case. */
export function readMediaType(headers: readonly string[]): MediaType | Unreadable {
  const value = onlyValue(headers, 'content-type');
  if (typeof value !== 'string') return value ?? absent;
  const [, written, parameters] = mediaType.exec(value) ?? [];
  if (written === undefined) return { unreadable: 'has a Content-Type that is no media type' };
  const name = written.toLowerCase();
  const kind = kindOf(name);
  if (kind !== 'Other' && parameters !== undefined && !areKnown(parameters, kind)) {
    return { unreadable: 'has a Content-Type with parameters other than charset=utf-8' };
  }
  const coding = kind === 'Json' || kind === 'Form' ? onlyValue(headers, 'content-encoding') : null;
  if (isUnreadable(coding)) return coding;
  return coding === null || coding.toLowerCase() === 'identity'
    ? { kind, name }
    : { unreadable: 'is compressed' };
}

/** Null when the body cannot be read as anything. */
export function mediaKind(headers: readonly string[]): MediaKind | null {
  const type = readMediaType(headers);
  return isUnreadable(type) ? null : type.kind;
}

function kindOf(name: string): MediaKind {
  if (name === 'application/json' || /^application\/.+\+json$/.test(name)) return 'Json';
  if (name === 'application/x-www-form-urlencoded') return 'Form';
  return name === 'multipart/form-data' ? 'Multipart' : 'Other';
}

/** A charset that a server obeys and we do not would make other text of the same bytes. */
function areKnown(parameters: string, kind: MediaKind): boolean {
  const seen = new Set<string>();
  for (const text of parameters.split(';')) {
    const [, name = '', quoted, plain] = parameter.exec(text) ?? [];
    const key = name.toLowerCase();
    const isKnown =
      key === 'charset'
        ? (quoted ?? plain)?.toLowerCase() === 'utf-8'
        : key === 'boundary' && kind === 'Multipart';
    if (!isKnown || seen.has(key)) return false;
    seen.add(key);
  }
  return true;
}

/** Null when there is none. Servers differ in which of two they take, and some take `_` for `-`. */
function onlyValue(headers: readonly string[], name: string): string | Unreadable | null {
  let value: string | null = null;
  for (let at = 0; at < headers.length; at += 2) {
    const other = headers[at] ?? '';
    if (other.length !== name.length || other.replaceAll('_', '-') !== name) continue;
    if (value !== null || other !== name) return { unreadable: `has ${name} twice, or in another spelling` };
    value = headers[at + 1] ?? '';
  }
  return value;
}
