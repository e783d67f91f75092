import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePlan, type CapturePlan } from '../../../policy/capture-plan.ts';
import { parseArguments } from '../../../sidecar/capture/arguments.ts';

const plan: CapturePlan = { ports: [{ port: 8443, listener: 16_000 }], relays: [] };
const whole = { uid: '40000', gid: '40001', plan: encodePlan(plan) };
const asArgs = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

describe('the arguments of the init container', () => {
  const refused: Readonly<Record<string, readonly [args: readonly string[], message: RegExp]>> = {
    'none at all': [[], /--uid must be/],
    'no gid': [asArgs({ uid: whole.uid, plan: whole.plan }), /--gid must be/],
    'no plan': [asArgs({ uid: whole.uid, gid: whole.gid }), /--plan must be/],
    "root's uid, by which every root container would pass (K-10)": [
      asArgs({ ...whole, uid: '0' }),
      /--uid must be/,
    ],
    "root's gid": [asArgs({ ...whole, gid: '0' }), /--gid must be/],
    'a uid that is no number': [asArgs({ ...whole, uid: 'node' }), /--uid must be/],
    'a uid in another notation': [asArgs({ ...whole, uid: '0x1' }), /--uid must be/],
    'a uid with a leading zero': [asArgs({ ...whole, uid: '01' }), /--uid must be/],
    'a negative gid': [asArgs({ ...whole, gid: '-1' }), /--gid must be/],
    'the gid that means none': [asArgs({ ...whole, gid: '4294967295' }), /--gid must be/],
    'a uid twice': [[...asArgs(whole), '--uid=1'], /once each/],
    'one more option': [[...asArgs(whole), '--except=0'], /once each/],
    'a word beside the options': [[...asArgs(whole), 'now'], /once each/],
    'a plan that is not JSON': [asArgs({ ...whole, plan: '{' }), /--plan must be/],
    'a plan without relays': [asArgs({ ...whole, plan: '{"ports":[]}' }), /--plan must be/],
    'a plan in another spelling': [asArgs({ ...whole, plan: `${whole.plan} ` }), /--plan must be/],
    'a plan with a field too much': [
      asArgs({ ...whole, plan: '{"ports":[],"relays":[],"free":1}' }),
      /--plan must be/,
    ],
  };
  for (const [what, [args, message]] of Object.entries(refused)) {
    test(`are refused: ${what}`, () => {
      assert.throws(() => parseArguments(args), { code: 'CAPTURE_ARGUMENTS_INVALID', message });
    });
  }

  test('are read as injection writes them, in any order', () => {
    const expected = { sidecar: { uid: 40_000, gid: 40_001 }, plan };
    assert.deepEqual(parseArguments(asArgs(whole)), expected);
    assert.deepEqual(parseArguments(asArgs(whole).toReversed()), expected);
  });
});
