// Run in a network namespace: writes these objects as the table and prints what the canary finds. run-canary.ts OBJECTS PLAN

import { parsePlan } from '../../../policy/capture-plan.ts';
import { familiesHere, planAttempts, runCanary } from '../../../sidecar/capture/canary.ts';
import { readCounters } from '../../../sidecar/capture/counters.ts';
import type { NftObject } from '../../../sidecar/capture/nft-rule.ts';
import { createNft } from '../../../sidecar/capture/nft.ts';
import { replacement } from '../../../sidecar/capture/rules.ts';

const [objects = '[]', plan = ''] = process.argv.slice(2);
const nft = createNft({ program: '/usr/sbin/nft' });
const refusal = await nft.apply(replacement(JSON.parse(objects) as readonly NftObject[]));
if (refusal !== null) throw new Error(refusal);
const attempts = planAttempts(familiesHere(), { address: '10.96.0.1', port: 6443 });
const failures = await runCanary(attempts, parsePlan(plan), () => readCounters(nft));
process.stdout.write(JSON.stringify(failures));
