// Volumes with secrets that something else fills (Secrets, the Secrets Store CSI driver), mounted in the sidecar alone.

import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { podPaths, secretDirectory } from '../../policy/contract.ts';
import type { SecretVolume } from '../../policy/ruleset-credential.ts';
import type { Volume, VolumeMount } from './pod.ts';

/** What the sidecar of a pod must be able to read. */
export interface SecretNeed {
  readonly volume: SecretVolume;
  /** Of a Secret; null is all of them. */
  readonly keys: readonly string[] | null;
}

export interface MountedVolume {
  readonly volume: Volume;
  readonly mount: VolumeMount;
}

/** https://secrets-store-csi-driver.sigs.k8s.io/getting-started/usage */
export const secretsStoreDriver = 'secrets-store.csi.k8s.io';

/** One volume for each Secret and SecretProviderClass, in the order of their directories. */
export function secretVolumes(needs: readonly SecretNeed[]): readonly MountedVolume[] {
  const byDirectory = Map.groupBy(needs, ({ volume }) => secretDirectory(volume));
  return [...byDirectory]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, [first, ...rest]]) => {
      if (first === undefined) return [];
      return [mounted(first.volume, keysOf([first, ...rest]))];
    });
}

function keysOf(needs: readonly SecretNeed[]): readonly string[] | null {
  if (needs.some(({ keys }) => keys === null)) return null;
  return [...new Set(needs.flatMap(({ keys }) => keys ?? []))].toSorted();
}

function mounted(volume: SecretVolume, keys: readonly string[] | null): MountedVolume {
  const name = volumeName(volume);
  return {
    volume: { name, ...source(volume, keys) },
    mount: { name, mountPath: `${podPaths.secrets}/${secretDirectory(volume)}`, readOnly: true },
  };
}

function source(volume: SecretVolume, keys: readonly string[] | null): Omit<Volume, 'name'> {
  if ('csi' in volume) {
    const volumeAttributes = { secretProviderClass: volume.csi };
    return { csi: { driver: secretsStoreDriver, readOnly: true, volumeAttributes } };
  }
  return {
    secret: {
      secretName: volume.secret,
      // As the tokens' (volumes.ts).
      defaultMode: 0o444,
      // A Secret that is not there yet must not keep the pod from starting: the kubelet adds it when it comes.
      optional: true,
      ...(keys === null ? {} : { items: keys.map((key) => ({ key, path: key })) }),
    },
  };
}

/** A volume's name is a label of 63 characters without dots, while the names behind it have up to 253 with dots. */
function volumeName(volume: SecretVolume): string {
  const [kind, name] = 'secret' in volume ? ['secret', volume.secret] : ['csi', volume.csi];
  const readable = name.replaceAll('.', '-').slice(0, 32).replace(/-+$/, '');
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return `outrider-${kind}-${readable}-${hash}`;
}

/**
 * True when the webhook may have written the volume: between its passes, or between two replicas, the credentials that
 * a pod's policies name can change, and then it is replaced by what holds now.
 */
export function isSecretVolume(volume: Volume): boolean {
  const { secret, csi } = volume;
  const named: SecretVolume | null =
    secret?.secretName !== undefined
      ? { secret: secret.secretName }
      : csi?.volumeAttributes?.['secretProviderClass'] !== undefined
        ? { csi: csi.volumeAttributes['secretProviderClass'] }
        : null;
  if (named === null) return false;
  const keys = secret?.items?.map(({ key }) => key) ?? null;
  return isDeepStrictEqual(volume, mounted(named, keys).volume);
}

/** True for where the sidecar mounts such a volume, whichever it is. */
export function isSecretMount(mount: VolumeMount): boolean {
  const keys = Object.keys(mount).toSorted().join();
  return (
    keys === 'mountPath,name,readOnly' &&
    mount['readOnly'] === true &&
    /^outrider-(?:secret|csi)-/.test(mount.name) &&
    mount.mountPath.startsWith(`${podPaths.secrets}/`)
  );
}
