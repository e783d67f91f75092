// Reads one credential from Vault as the sidecar does, in a process of its own, so that a test can give it any
// environment. Prints the value's length or the error's code; argv: tokens directory, then JSON of source and store.

import { createVaultProvider } from '../../../sidecar/credentials/vault.ts';
import { onlyPart } from '../../../sidecar/credentials/material.ts';

const [tokensDirectory = '', json = '{}'] = process.argv.slice(2);
const { source, store } = JSON.parse(json) as {
  readonly source: Parameters<ReturnType<typeof createVaultProvider>['read']>[0];
  readonly store: Parameters<ReturnType<typeof createVaultProvider>['read']>[1][string];
};
const provider = createVaultProvider({ tokensDirectory });
try {
  const { material } = await provider.read(source, { [source.store]: store });
  console.log(material, material.get(onlyPart)?.open().length);
} catch (error) {
  console.log(error);
} finally {
  await provider.forget();
}
