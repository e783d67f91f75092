// Takes axios' place in the bundles. node-vault insists on it, but is given our own transport and never gets that far
// (sidecar/credentials/vault/transport.ts); loading the real one costs each pod 2.4 MB.
exports.create = () => {
  throw new Error('axios is not in this bundle');
};
