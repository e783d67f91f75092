// The sidecar's process with the paths and ports of a test; argv: the folder that stands for /var/run/outrider,
// and the proxy's port (0: a free one).

import { join } from 'node:path';
import { runSidecar } from '../../sidecar/process.ts';

const [root = '', port = '0'] = process.argv.slice(2);
await runSidecar({
  paths: {
    trust: join(root, 'trust'),
    keys: join(root, 'keys'),
    state: join(root, 'state'),
    tokens: join(root, 'tokens'),
    secrets: join(root, 'secrets'),
  },
  ports: { proxy: Number(port), health: 0 },
});
