// From a zod schema to a CustomResourceDefinition that the API server accepts: a structural schema
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/).

import { z } from 'zod';
import { apiGroup } from './contract.ts';
import type { Kind } from './resources/kinds.ts';

type Json = { [key: string]: unknown };

/** The CustomResourceDefinition of one kind, as an object ready for YAML. */
export function crdOf(kind: Kind): Json {
  const spec = structural(kind.spec);
  const listKind = `${kind.kind}List`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${apiGroup}` },
    spec: {
      group: apiGroup,
      names: {
        kind: kind.kind,
        listKind,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: [kind.shortName],
        categories: ['outrider'],
      },
      scope: kind.scope,
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          additionalPrinterColumns: kind.columns.map((column) => ({ ...column })),
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              description: kind.description,
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: { description: 'What is wanted.', ...spec },
                status: {
                  description: 'What the operator says of it; written by nobody else.',
                  ...structural(kind.status),
                },
              },
            },
          },
        },
      ],
    },
  };
}

function structural(schema: z.ZodType): Json {
  const { $schema: _, ...document } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
  }) as Json;
  return clean(document) as Json;
}

/** Structural schemas forbid `additionalProperties: false`: unknown fields are refused by field validation instead. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, field]) => !(key === 'additionalProperties' && field === false))
      .map(([key, field]) => [key, clean(field)]),
  );
}
