import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isNotRead, isTooLong, readContent } from '../../../policy/content/content.ts';
import { mediaKind, readMediaType } from '../../../policy/content/media-type.ts';
import { isUnreadable } from '../../../policy/unreadable.ts';
import { readingOf, type Asked } from '../fields/asking.ts';

const json = { json: '{"a":1}' };
const form = { form: 'a=1' };

function contentOf(asked: Asked): ReturnType<typeof readContent> {
  return readContent(readingOf(asked).request);
}

function typed(...values: string[]): { readonly headers: readonly string[] } {
  return { headers: values.flatMap((value) => ['content-type', value]) };
}

describe('a body is unreadable', () => {
  const unreadable: Record<string, [asked: Asked, why: RegExp]> = {
    'with two Content-Types (H-50)': [
      { ...json, ...typed('application/json', 'text/plain') },
      /content-type twice/,
    ],
    'with one Content-Type twice (H-50)': [
      { ...json, ...typed('application/json', 'application/json') },
      /content-type twice/,
    ],
    'with a Content-Type spelt with an underscore (H-31, H-50)': [
      { ...json, headers: ['content_type', 'application/json'] },
      /content-type twice, or/,
    ],
    'with an empty Content-Type (H-50)': [{ ...json, ...typed('') }, /no media type/],
    'with two media types in one header (H-50)': [
      { ...json, ...typed('application/json, text/plain') },
      /no media type/,
    ],
    'of JSON in UTF-16 (H-50)': [{ ...json, ...typed('application/json;charset=utf-16') }, /parameters/],
    'of a form in Latin-1 (H-50)': [
      { ...form, ...typed('application/x-www-form-urlencoded; charset=iso-8859-1') },
      /parameters/,
    ],
    'with two charsets (H-50)': [
      { ...json, ...typed('application/json; charset=utf-8; charset=utf-8') },
      /parameters/,
    ],
    'with a parameter that nobody knows (H-50)': [
      { ...json, ...typed('application/json; a=b') },
      /parameters/,
    ],
    'with a boundary on JSON (H-50)': [{ ...json, ...typed('application/json; boundary=x') }, /parameters/],
    'of multipart with two boundaries (H-52)': [
      { ...form, ...typed('multipart/form-data; boundary=x; boundary=y') },
      /parameters/,
    ],
    'that is compressed with gzip (H-53)': [{ ...json, headers: ['content-encoding', 'gzip'] }, /compressed/],
    'that is compressed with br (H-53)': [{ ...form, headers: ['content-encoding', 'br'] }, /compressed/],
    'that is compressed twice (H-53)': [
      { ...json, headers: ['content-encoding', 'gzip, gzip'] },
      /compressed/,
    ],
    'with a coding that is not known (H-53)': [{ ...json, headers: ['content-encoding', 'x'] }, /compressed/],
    'with two Content-Encodings (H-53)': [
      { ...json, headers: ['content-encoding', 'identity', 'content-encoding', 'gzip'] },
      /content-encoding twice/,
    ],
    'of JSON that is a form (H-50)': [{ form: 'a=1', ...typed('application/json') }, /not JSON/],
    'of JSON without a document': [{ json: ' ' }, /not JSON/],
    'of a form that has a NUL (H-52)': [{ form: 'a=%00' }, /NUL/],
    'that is cut off (H-55)': [{ ...json, isCut: true }, /too long/],
    'that nobody has read': [{ ...typed('application/json'), isUnread: true }, /not read yet/],
  };
  for (const [how, [asked, why]] of Object.entries(unreadable)) {
    it(how, () => {
      const content = contentOf(asked);
      assert.ok(isUnreadable(content), `was read as ${JSON.stringify(content)}`);
      assert.match(content.unreadable, why);
      assert.equal(isTooLong(content), content.unreadable === 'is too long');
      assert.equal(isNotRead(content), content.unreadable === 'is not read yet');
    });
  }
});

describe('a body is not looked into', () => {
  const other: Record<string, [asked: Asked, kind: string]> = {
    'when it is text with JSON in it (H-50)': [{ ...json, ...typed('text/plain') }, 'Other'],
    'without a Content-Type (H-50)': [{ bytes: Buffer.from('{}') }, 'Other'],
    'of a media type that only begins like JSON (H-50)': [
      { ...json, ...typed('application/jsonp') },
      'Other',
    ],
    'of a media type whose suffix is another (H-50)': [
      { ...json, ...typed('application/json+xml') },
      'Other',
    ],
    'of multipart (H-52)': [{ ...form, ...typed('multipart/form-data; boundary="a b"') }, 'Multipart'],
    'of multipart, before it is read (H-52)': [
      { ...typed('Multipart/Form-Data; boundary=x'), isUnread: true },
      'Multipart',
    ],
    'of another type, before it is read': [{ ...typed('image/png'), isUnread: true }, 'Other'],
    'of another type with parameters of its own': [
      { ...json, ...typed('text/plain; format=flowed') },
      'Other',
    ],
  };
  for (const [how, [asked, kind]] of Object.entries(other)) {
    it(how, () => {
      const content = contentOf(asked);
      assert.ok(!isUnreadable(content));
      assert.equal(content.kind, kind);
    });
  }
});

describe('a body is read', () => {
  const accepted: Record<string, [asked: Asked, kind: string]> = {
    'when there is none': [{}, 'None'],
    'when it is empty': [{ ...typed('application/json'), bytes: new Uint8Array() }, 'None'],
    'as JSON': [json, 'Json'],
    'as JSON in any letter case (H-50)': [{ ...json, ...typed('Application/JSON') }, 'Json'],
    'as JSON with its charset (H-50)': [{ ...json, ...typed('application/json; charset=utf-8') }, 'Json'],
    'as JSON with its charset quoted (H-50)': [
      { ...json, ...typed('application/json ;Charset="UTF-8"') },
      'Json',
    ],
    'as JSON with a suffix (H-50)': [{ ...json, ...typed('application/vnd.api+json') }, 'Json'],
    'as JSON in the coding that is none (H-53)': [
      { ...json, headers: ['content-encoding', 'Identity'] },
      'Json',
    ],
    'as a form': [form, 'Form'],
    'as a form with its charset (H-50)': [
      { ...form, ...typed('application/x-www-form-urlencoded;charset=UTF-8') },
      'Form',
    ],
  };
  for (const [how, [asked, kind]] of Object.entries(accepted)) {
    it(how, () => {
      const content = contentOf(asked);
      assert.ok(!isUnreadable(content), JSON.stringify(content));
      assert.equal(content.kind, kind);
    });
  }
});

describe('any Content-Type', () => {
  it('is one kind or unreadable, and never throws (H-50)', () => {
    const unit = fc.constantFrom(...'abjson/;=" ,+'.split(''), 'application/json', 'charset=utf-8', ';');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (value) => {
        const type = readMediaType(['content-type', value]);
        assert.equal(mediaKind(['content-type', value]), isUnreadable(type) ? null : type.kind);
      }),
      { numRuns: 10_000 },
    );
  });
});
