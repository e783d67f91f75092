// Reads one credential from Vault as the sidecar does, in a process of its own, so that a test can give it any
// environment. Prints the value's length or the error's code; argv: directory of tokens and Secrets, then JSON of source and store.

import { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';

const [directory = '', json = '{}'] = process.argv.slice(2);
const { source, store } = JSON.parse(json) as {
  readonly source: Parameters<ReturnType<typeof createVaultProvider>['read']>[0];
  readonly store: Parameters<ReturnType<typeof createVaultProvider>['read']>[1][string];
};
const provider = createVaultProvider({ tokensDirectory: directory, secretsDirectory: directory });
try {
  const { material } = await provider.read(source, { [source.store]: store });
  for (const secret of material.values()) console.log(material, secret.open().length);
} catch (error) {
  console.log(error);
} finally {
  await provider.forget();
}
