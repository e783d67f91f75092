// Looks for a secret, in the spellings that a leak could have, where it must never be.

/** Plain, hexadecimal, percent-encoded in full and in part, escaped as in JSON, and base64 at its three alignments. */
export function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const aligned = [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    // The first and last groups also hold bits of the neighbours.
    const inner = encoded.slice(offset === 0 ? 0 : 4, -4);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = bytes.toString('hex');
  const escaped = JSON.stringify(secret).slice(1, -1);
  const units = secret.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const all = [secret, hex, hex.toUpperCase(), hex.replace(/../g, '%$&'), encodeURIComponent(secret)];
  return [...new Set([...all, escaped, units, ...aligned])];
}

/** Names of the places whose text holds the secret. */
export function placesThatLeak(places: Readonly<Record<string, string>>, secret: string): string[] {
  const needles = spellings(secret);
  return Object.entries(places)
    .filter(([, text]) => needles.some((needle) => text.includes(needle)))
    .map(([place]) => place);
}

/**
 * A script for Node in the agent's container: reads every file that its uid can read, of / and of every process,
 * and prints how many it read and which hold one of the secrets. The needles come reversed, or the script would
 * find itself in /proc.
 */
export function fileSearch(secrets: readonly string[]): string {
  const needles = secrets.flatMap(spellings).map((needle) => needle.split('').toReversed().join(''));
  return `
    const fs = require('node:fs');
    const needles = ${JSON.stringify(needles)}.map((text) => Buffer.from(text.split('').reverse().join('')));
    const hits = [];
    let read = 0;
    const look = (path) => {
      try {
        const bytes = fs.readFileSync(path);
        read += 1;
        if (needles.some((needle) => bytes.includes(needle))) hits.push(path);
      } catch {}
    };
    const walk = (folder) => {
      let entries = [];
      try { entries = fs.readdirSync(folder, { withFileTypes: true }); } catch {}
      for (const entry of entries) {
        const path = folder + (folder === '/' ? '' : '/') + entry.name;
        if (['/proc', '/sys', '/dev'].includes(path)) continue;
        if (entry.isDirectory()) walk(path);
        else if (entry.isFile() || entry.isSymbolicLink()) look(path);
      }
    };
    walk('/');
    for (const pid of fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      for (const file of ['environ', 'cmdline', 'maps', 'status', 'mountinfo']) look('/proc/' + pid + '/' + file);
    }
    console.log(JSON.stringify({ read, hits }));
  `;
}
