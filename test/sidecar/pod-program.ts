// The sidecar's process with the paths and ports of a test; argv: the folder that stands for /var/run/outrider,
// and ports as JSON (0 and absent: a free one).

import { join } from 'node:path';
import { runSidecar } from '../../sidecar/process.ts';

const [root = '', ports = '{}'] = process.argv.slice(2);
await runSidecar({
  paths: {
    trust: join(root, 'trust'),
    keys: join(root, 'keys'),
    state: join(root, 'state'),
    tokens: join(root, 'tokens'),
    secrets: join(root, 'secrets'),
  },
  ports: { proxy: 0, health: 0, tls: 0, http: 0, dns: 0, ...(JSON.parse(ports) as object) },
});
