// Compares a body with the hash that it was signed by, as it streams. Its end waits for the comparison: an upstream
// never has the whole of a body that is not what was signed, whether or not it compares too.

import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { BodyRefusal } from './body-refusal.ts';
import { wrongHash } from './payload.ts';

export function createHashCheck(stated: string): Transform {
  const hash = createHash('sha256');
  let last: Buffer | null = null;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      const before = last;
      last = chunk;
      if (before === null) done();
      else done(null, before);
    },
    flush: (done) => {
      if (hash.digest('hex') === stated) done(null, last);
      else done(new BodyRefusal(wrongHash));
    },
  });
}
