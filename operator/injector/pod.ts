// What the injector reads of a pod. Everything else in it is carried along unseen: the patch is made on the raw
// object, so that a field newer than this operator is never lost.

import { z } from 'zod';

const envVar = z.looseObject({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z
    .looseObject({
      secretKeyRef: z.looseObject({ name: z.string().optional() }).optional(),
      fileKeyRef: z.looseObject({ volumeName: z.string().optional() }).optional(),
    })
    .optional(),
});

const volumeMount = z.looseObject({
  name: z.string(),
  mountPath: z.string(),
  mountPropagation: z.string().optional(),
});

const profile = z.looseObject({ type: z.string() });

/** Both of containers and of pods. */
const confinement = {
  runAsUser: z.number().optional(),
  runAsGroup: z.number().optional(),
  seccompProfile: profile.optional(),
  appArmorProfile: profile.optional(),
  seLinuxOptions: z
    .looseObject({
      user: z.string().optional(),
      role: z.string().optional(),
      type: z.string().optional(),
    })
    .optional(),
  windowsOptions: z.looseObject({}).optional(),
};

const securityContext = z.looseObject({
  ...confinement,
  privileged: z.boolean().optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  capabilities: z
    .looseObject({ add: z.array(z.string()).optional(), drop: z.array(z.string()).optional() })
    .optional(),
  procMount: z.string().optional(),
});

const target = z.looseObject({ host: z.string().optional() });
const handler = z.looseObject({ httpGet: target.optional(), tcpSocket: target.optional() });

const resourceList = z.record(z.string(), z.string());

const container = z.looseObject({
  name: z.string(),
  env: z.array(envVar).optional(),
  envFrom: z
    .array(z.looseObject({ secretRef: z.looseObject({ name: z.string().optional() }).optional() }))
    .optional(),
  volumeMounts: z.array(volumeMount).optional(),
  volumeDevices: z.array(z.looseObject({ name: z.string() })).optional(),
  securityContext: securityContext.optional(),
  ports: z.array(z.looseObject({ containerPort: z.number(), hostPort: z.number().optional() })).optional(),
  livenessProbe: handler.optional(),
  readinessProbe: handler.optional(),
  startupProbe: handler.optional(),
  lifecycle: z.looseObject({ postStart: handler.optional(), preStop: handler.optional() }).optional(),
  resources: z.looseObject({ limits: resourceList.optional(), requests: resourceList.optional() }).optional(),
});

const volume = z.looseObject({
  name: z.string(),
  hostPath: z.looseObject({}).optional(),
  emptyDir: z.looseObject({ sizeLimit: z.string().optional() }).optional(),
  projected: z
    .looseObject({
      // The API server writes null for none.
      sources: z
        .array(
          z.looseObject({
            serviceAccountToken: z.looseObject({ audience: z.string().optional() }).optional(),
            secret: z.looseObject({ name: z.string().optional() }).optional(),
          }),
        )
        .nullish(),
    })
    .optional(),
  secret: z
    .looseObject({
      secretName: z.string().optional(),
      items: z.array(z.looseObject({ key: z.string(), path: z.string() })).optional(),
    })
    .optional(),
  csi: z
    .looseObject({
      driver: z.string(),
      volumeAttributes: z.record(z.string(), z.string()).optional(),
      nodePublishSecretRef: z.looseObject({ name: z.string().optional() }).optional(),
    })
    .optional(),
});

const texts = z.record(z.string(), z.string());

const pod = z.looseObject({
  metadata: z.looseObject({
    name: z.string().optional(),
    generateName: z.string().optional(),
    labels: texts.optional(),
    annotations: texts.optional(),
  }),
  spec: z.looseObject({
    serviceAccountName: z.string().optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    hostIPC: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    hostAliases: z.array(z.unknown()).optional(),
    nodeSelector: texts.optional(),
    os: z.looseObject({ name: z.string() }).optional(),
    securityContext: z
      .looseObject({
        ...confinement,
        fsGroup: z.number().optional(),
        supplementalGroups: z.array(z.number()).optional(),
        sysctls: z.array(z.looseObject({ name: z.string() })).optional(),
      })
      .optional(),
    initContainers: z.array(container).optional(),
    containers: z.array(container).min(1),
    ephemeralContainers: z
      .array(z.looseObject({ ...container.shape, targetContainerName: z.string().optional() }))
      .optional(),
    volumes: z.array(volume).optional(),
  }),
});

export type Pod = z.infer<typeof pod>;
export type Container = z.infer<typeof container>;
export type Volume = z.infer<typeof volume>;
export type EnvVar = z.infer<typeof envVar>;
export type VolumeMount = z.infer<typeof volumeMount>;

/**
 * The same object, known to have the shape above.
 * @throws {Error} naming the first field that has not.
 */
export function parsePod(value: unknown): Pod {
  const result = pod.safeParse(value);
  if (result.success) return value as Pod;
  const issue = result.error.issues[0];
  throw new Error(`the pod cannot be read: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Every container of a pod that is being created, with the field it is in, as kubectl would name it. */
export function containersOf({
  spec,
}: Pod): readonly { readonly field: string; readonly container: Container }[] {
  const named = (list: string, containers: readonly Container[] = []) =>
    containers.map((container) => ({ field: `spec.${list}[${container.name}]`, container }));
  return [...named('initContainers', spec.initContainers), ...named('containers', spec.containers)];
}
