// Run in a network namespace: the init container's work, with its outcome as JSON. run-capture.ts NFT DIRECTORY ARGUMENT…

import { capture } from '../../../sidecar/capture/capture.ts';
import { createNft } from '../../../sidecar/capture/nft.ts';
import { asSidecarError } from '../../../sidecar/errors.ts';

const [program = '', directory = '', ...args] = process.argv.slice(2);
try {
  const report = await capture({ args, environment: process.env, nft: createNft({ program }), directory });
  process.stdout.write(JSON.stringify({ report }));
} catch (error) {
  const { code, message } = asSidecarError(error);
  process.stdout.write(JSON.stringify({ code, message }));
}
