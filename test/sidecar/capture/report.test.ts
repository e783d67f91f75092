import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { captureReportFile, type CaptureReport } from '../../../policy/capture-plan.ts';
import {
  readCaptureReport,
  removeCaptureReport,
  writeCaptureReport,
} from '../../../sidecar/capture/report.ts';

const directory = mkdtempSync(join(tmpdir(), 'outrider-capture-report-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const path = join(directory, captureReportFile);
const report: CaptureReport = {
  level: 'captured',
  plan: '{"ports":[],"relays":[]}',
  families: ['four', 'six'],
  at: '2026-11-21T19:00:00.000Z',
};

describe('the report of the init container', () => {
  const unreadable: Record<string, string> = {
    'is empty': '',
    'was cut': JSON.stringify(report).slice(0, 20),
    'is null': 'null',
    'says another level': JSON.stringify({ ...report, level: 'cooperative' }),
    'has no plan': JSON.stringify({ ...report, plan: undefined }),
    'has a family that is none': JSON.stringify({ ...report, families: ['five'] }),
    'has no time': JSON.stringify({ ...report, at: 5 }),
  };
  for (const [what, text] of Object.entries(unreadable)) {
    test(`is not taken for a missing one when it ${what} (K-14)`, () => {
      writeFileSync(path, text);
      assert.throws(() => readCaptureReport(directory), { code: 'CAPTURE_REPORT_UNREADABLE' });
      rmSync(path);
    });
  }

  test('is null when there is none', () => {
    assert.equal(readCaptureReport(directory), null);
  });

  test('cannot be written where there is no volume', async () => {
    await assert.rejects(writeCaptureReport(join(directory, 'none'), report), {
      code: 'CAPTURE_REPORT_UNWRITABLE',
    });
  });

  test('is read as it was written, by a sidecar of another uid, also over what a killed run left', async () => {
    writeFileSync(`${path}.new`, '{"lev');
    chmodSync(`${path}.new`, 0o444);
    const umask = process.umask(0o077);
    try {
      await writeCaptureReport(directory, report);
      await writeCaptureReport(directory, report);
    } finally {
      process.umask(umask);
    }
    assert.deepEqual(readCaptureReport(directory), report);
    assert.equal(statSync(path).mode & 0o777, 0o444);
  });

  test('is gone once it is removed, and may be removed twice', async () => {
    await removeCaptureReport(directory);
    await removeCaptureReport(directory);
    assert.equal(readCaptureReport(directory), null);
  });
});
