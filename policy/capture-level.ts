// Which level a namespace's pods have: the platform's setting, which a label of the namespace may tighten, and may loosen
// only where the platform allows that.

import type { CaptureLevel } from './capture-plan.ts';
import { labels } from './contract.ts';
import type { Labels } from './resources/selector.ts';

export interface CaptureSettings {
  /** Of every pod whose namespace says nothing. */
  readonly level: CaptureLevel;
  /** Whether a namespace may say `cooperative`. */
  readonly allowCooperative: boolean;
}

/** As the chart has it. */
export const defaultCapture: CaptureSettings = { level: 'captured', allowCooperative: false };

/**
 * | setting     | label       | allowCooperative | level       |
 * |-------------|-------------|------------------|-------------|
 * | captured    | cooperative | yes              | cooperative |
 * | captured    | cooperative | no               | captured    |
 * | cooperative | captured    | any              | captured    |
 * | any         | none        | any              | the setting |
 *
 * A label with another value counts as none here; admission refuses pods of such a namespace.
 */
export function captureLevel(
  { level, allowCooperative }: CaptureSettings,
  namespaceLabels: Labels,
): CaptureLevel {
  const label = namespaceLabels[labels.capture];
  if (label === 'captured') return 'captured';
  return label === 'cooperative' && allowCooperative ? 'cooperative' : level;
}
