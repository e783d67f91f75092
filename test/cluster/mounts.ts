import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Mount points below a folder, innermost first. */
export function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mountPoint) => mountPoint.startsWith(`${folder}/`))
    .toReversed();
}

/** Later mounts may lie on earlier ones, hence the order; a second round for what was mounted twice. */
export function unmountBelow(folder: string): void {
  for (let round = 0; round < 3; round++) {
    for (const mountPoint of mountsBelow(folder)) {
      // Lazily: a dying process may hold a file of it for another moment.
      execFileSync('umount', ['--lazy', '--no-mtab', mountPoint], { stdio: 'ignore' });
    }
  }
}

// proc_pid_mountinfo(5): space, tab, newline and backslash are written in octal.
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
