import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requireCommands } from './packages.ts';

describe('what a test cluster needs of the machine', () => {
  it('is named, each package once, where it is missing and cannot be installed', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      await assert.rejects(
        requireCommands(['containerd', 'ctr', 'buildah'], { '/nowhere/ptp': 'containernetworking-plugins' }),
        /needs what these Debian packages hold: containerd buildah containernetworking-plugins; install them/,
      );
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('is not asked for where it is there', async () => {
    await requireCommands(['setpriv', 'openssl'], { '/proc/self/stat': 'nothing' });
  });
});
