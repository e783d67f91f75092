// An image that tries every way out: Python, which can open any kind of socket, and a script that does.

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterNode } from '../cluster/node.ts';
import { requireCommands } from '../cluster/packages.ts';
import { python } from '../support/python-environment.ts';
import { addPython } from './image-root.ts';

export const hostileImage = 'localhost/hostile:1';

export async function buildHostileImage(node: ClusterNode): Promise<void> {
  await requireCommands([], { [python]: 'python3' });
  const root = join(node.folder, 'hostile');
  await mkdir(root, { recursive: true });
  await addPython(root);
  await cp(join(import.meta.dirname, 'hostile', 'attack.py'), join(root, 'attack.py'));
  const dockerfile = join(node.folder, 'hostile.dockerfile');
  await writeFile(dockerfile, 'FROM localhost/node:26\nCOPY . /\nENV PYTHONDONTWRITEBYTECODE=1\n');
  await node.buildImage({ dockerfile, context: root, tag: hostileImage });
  await rm(root, { recursive: true });
}
