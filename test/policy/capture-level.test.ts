import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { captureLevel } from '../../policy/capture-level.ts';
import type { CaptureLevel } from '../../policy/capture-plan.ts';

describe('the level of a namespace', () => {
  const rows: readonly [
    setting: CaptureLevel,
    allowCooperative: boolean,
    label: string | undefined,
    level: CaptureLevel,
  ][] = [
    ['captured', false, undefined, 'captured'],
    ['captured', false, 'cooperative', 'captured'],
    ['captured', true, 'cooperative', 'cooperative'],
    ['captured', true, undefined, 'captured'],
    ['captured', true, 'none', 'captured'],
    ['cooperative', false, undefined, 'cooperative'],
    ['cooperative', false, 'captured', 'captured'],
    ['cooperative', false, 'cooperative', 'cooperative'],
  ];
  for (const [level, allowCooperative, label, expected] of rows) {
    const allowed = allowCooperative ? 'which allows cooperative' : 'which allows no other';
    it(`is ${expected} by the setting ${level}, ${allowed}, and the label ${label ?? 'none'}`, () => {
      const labels = label === undefined ? {} : { 'outrider.dev/capture': label };
      assert.equal(captureLevel({ level, allowCooperative }, labels), expected);
    });
  }
});
