// git's own server behind an origin: `git http-backend` as the CGI program that it is (git-http-backend(1)).

import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './origin.ts';

/** Null where git or its server is not installed. */
export function findGitBackend(): string | null {
  try {
    const folder = execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim();
    const path = join(folder, 'git-http-backend');
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}

/** @param root folder of bare repositories. */
export function createGitAnswer(backend: string, root: string): Answer {
  return (message, response, body) => {
    const { method = '', url = '', headers } = message;
    const [path = '', query = ''] = url.split('?');
    const program = spawn(backend, [], {
      timeout: 60_000,
      env: {
        PATH: process.env['PATH'] ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        REMOTE_USER: 'agent',
        REQUEST_METHOD: method,
        PATH_INFO: path,
        QUERY_STRING: query,
        CONTENT_TYPE: headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
        CONTENT_LENGTH: String(Buffer.byteLength(body, 'latin1')),
      },
    });
    const chunks: Buffer[] = [];
    program.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    program.stdin.on('error', () => {});
    program.stdin.end(Buffer.from(body, 'latin1'));
    program.on('close', () => {
      const output = Buffer.concat(chunks);
      const end = output.indexOf('\r\n\r\n');
      for (const line of output.toString('latin1', 0, Math.max(0, end)).split('\r\n')) {
        const [name = '', value = ''] = line.split(': ');
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else if (name !== '') response.setHeader(name, value);
      }
      response.end(output.subarray(end + 4));
    });
  };
}
