// The chart, installed by Helm on a real API server. Nothing runs its pods.

import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from '../cluster/control-plane.ts';
import { chartPath, createHelm, type Helm } from './helm.ts';

export const namespace = 'outrider-system';
export const operatorAccount = `system:serviceaccount:${namespace}:outrider`;

export interface InstalledChart {
  readonly cluster: ControlPlane;
  readonly helm: Helm;
  /** Installs or upgrades the release. */
  readonly upgrade: (values: object) => Promise<string>;
  /** What kubectl gets. */
  readonly read: <T = Record<string, unknown>>(...args: readonly string[]) => Promise<T>;
}

export async function installChart(
  values: object = {},
  version: NonNullable<ControlPlaneOptions['version']> = 'current',
): Promise<InstalledChart> {
  const cluster = await startControlPlane({ controllers: true, version });
  try {
    const helm = await createHelm(cluster.folder, cluster.kubeconfig);
    const target = ['outrider', chartPath, '--namespace', namespace, '--create-namespace', '--values', '-'];
    const upgrade = (changed: object): Promise<string> =>
      helm(['upgrade', '--install', ...target], JSON.stringify(changed));
    await upgrade(values);
    const read = async <T>(...args: readonly string[]): Promise<T> =>
      JSON.parse(await cluster.kubectl(['get', ...args, '-o', 'json'])) as T;
    return { cluster, helm, upgrade, read };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
