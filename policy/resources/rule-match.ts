// Where a rule or a ceiling reaches: the fields that AgentPolicy's rules and AgentCredential's `allow` share.

import type { z } from 'zod';
import { listOf } from './constraint.ts';
import { hostPattern, httpMethod, objectName, pathPattern } from './names.ts';

export const hosts = (host: z.ZodType<string> = hostPattern()) =>
  listOf(host, 16, 'api.github.com')
    .describe(
      'Host names; * stands for characters inside one label, ** for one or more labels. Always HTTPS on port 443 at public addresses; everything else is an AgentDestination.',
    )
    .optional();

export const destination = () =>
  objectName()
    .describe('Name of an AgentDestination, which supplies host, port and scheme; instead of hosts.')
    .optional();

export const methods = () =>
  listOf(httpMethod(), 16, 'GET').describe('HTTP methods; absent means any. HEAD is not GET.').optional();

export const paths = () =>
  listOf(pathPattern(), 16, '/v1/refunds')
    .describe(
      'Paths, compared with the decoded segments of the request; * stays inside one segment, ** is any number of whole ones. Absent means any.',
    )
    .optional();
