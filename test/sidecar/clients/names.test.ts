// How resolvers ask for names in a captured pod with the resolv.conf that the kubelet writes: a search list and ndots:5, so
// that three names that do not exist are asked for before the one that was meant.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { nodeSkipReason } from '../../cluster/node-availability.ts';
import { requireCommands } from '../../cluster/packages.ts';
import { python } from '../../support/python-environment.ts';
import { startClientPod, type ClientPod } from './pod.ts';

const execute = promisify(execFile);

/** Says each address that getaddrinfo(3) has, or what it says of there being none. */
const lookup = `
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int count, char **names) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  int fault = getaddrinfo(names[1], "443", &hints, &found);
  if (fault) return puts(gai_strerror(fault)), 1;
  for (; found; found = found->ai_next) {
    char text[64];
    void *at = found->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
                                           : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
    puts(inet_ntop(found->ai_family, at, text, sizeof text));
  }
}`;

const name = 'api.example.test';
/** musl and glibc wait 5 s for a server that does not answer as they want. */
const promptMs = 2500;

describe('resolvers with a search list and ndots:5', { skip: nodeSkipReason() ?? false }, () => {
  let pod: ClientPod;
  before(async () => {
    await requireCommands(['busybox'], { '/usr/bin/musl-gcc': 'musl-tools', '/usr/bin/gcc': 'gcc' });
    pod = await startClientPod(async (folder) => {
      await writeFile(join(folder, 'lookup.c'), lookup);
      const program = ['-static', '-o', join(folder, 'musl-lookup'), join(folder, 'lookup.c')];
      await execute('/usr/bin/musl-gcc', program, { timeout: 60_000 });
      await execute('/usr/bin/gcc', ['-o', join(folder, 'glibc-lookup'), join(folder, 'lookup.c')]);
    });
  });
  after(() => pod?.close());

  const resolvers: Record<string, (host: string) => readonly string[]> = {
    'musl’s resolver': (host) => [join(pod.folder, 'musl-lookup'), host],
    'glibc’s resolver': (host) => [join(pod.folder, 'glibc-lookup'), host],
    'busybox’s wget, a static glibc': (host) => [
      'busybox',
      'wget',
      '-q',
      '-O',
      '-',
      `http://${host}/plain/x`,
    ],
    'Node’s dns.lookup': (host) => [
      process.execPath,
      '-e',
      `require('dns').lookup('${host}', { all: true }, (fault, all) => {
         for (const { address } of all ?? []) console.log(address);
         if (fault) { console.log(fault.code); process.exitCode = 1; } })`,
    ],
    'Node’s dns.resolve, which is c-ares': (host) => [
      process.execPath,
      '-e',
      `require('dns').resolve4('${host}', (fault, all) => {
         console.log(fault?.code ?? all.join()); process.exitCode = fault ? 1 : 0; })`,
    ],
    'Python’s getaddrinfo': (host) => [
      python,
      '-c',
      `import socket; print(socket.getaddrinfo("${host}", 443)[0][4][0])`,
    ],
  };

  for (const [resolver, command] of Object.entries(resolvers)) {
    test(`N-05: ${resolver} finds a name of a rule at once, and no other`, async () => {
      for (const [host, isKnown] of [
        [name, true],
        [`evil.${name}`, false],
      ] as const) {
        const startedAt = performance.now();
        const { code, stdout, stderr } = await pod.run('unled', command(host));
        const tookMs = performance.now() - startedAt;
        assert.equal(code === 0, isKnown, `${host}: ${stdout}${stderr}`);
        if (isKnown) assert.match(stdout, /^198\.1[89]\.\d+\.\d+$|^hello to GET$/m);
        assert.ok(tookMs < promptMs, `${host} took ${tookMs} ms`);
      }
    });
  }
});
