// The entry point of the sidecar's image.

import { capturePorts } from '../policy/capture-plan.ts';
import { podPaths, sidecarPorts } from '../policy/contract.ts';
import { runSidecar } from './process.ts';

await runSidecar({ paths: podPaths, ports: { ...sidecarPorts, ...capturePorts } });
