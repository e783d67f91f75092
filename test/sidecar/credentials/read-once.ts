// Reads one credential from Vault as the sidecar does, in a process of its own, so that a test can give it any
// environment. Prints the slot's length or the error's code; argv: tokens directory, then JSON of source and store.

import { createVaultProvider } from '../../../sidecar/credentials/vault.ts';
import { renderSlot } from '../../../sidecar/credentials/inject/inject.ts';

const [tokensDirectory = '', json = '{}'] = process.argv.slice(2);
const { source, store } = JSON.parse(json) as {
  readonly source: Parameters<ReturnType<typeof createVaultProvider>['read']>[0];
  readonly store: Parameters<ReturnType<typeof createVaultProvider>['read']>[1][string];
};
const provider = createVaultProvider({ tokensDirectory });
try {
  const secret = await provider.read(source, { [source.store]: store });
  console.log(secret, renderSlot({ kind: 'bearer' }, secret).value.length);
} catch (error) {
  console.log(error);
} finally {
  await provider.forget();
}
