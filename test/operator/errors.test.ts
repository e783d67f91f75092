import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { operatorErrors, OperatorError, type OperatorErrorCode } from '../../operator/errors.ts';

/** The cells of a page's table, row by row. */
async function tableOf(page: string): Promise<readonly (readonly string[])[]> {
  const lines = (await readFile(page, 'utf8')).split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
  );
}

describe('the catalogue of the operator’s errors', () => {
  it('is what docs/operator-errors.md says, word for word', async () => {
    const catalogue = Object.entries(operatorErrors).map(([code, { status, retryable, sentence }]) => [
      code,
      String(status),
      retryable ? 'yes' : 'no',
      sentence,
    ]);
    assert.deepEqual(await tableOf('docs/operator-errors.md'), catalogue);
  });

  for (const [code, { status, retryable, sentence }] of Object.entries(operatorErrors)) {
    it(`${code} reads as one and says what it is`, () => {
      assert.match(code, /^[A-Z]+(?:_[A-Z]+)*$/);
      assert.match(sentence, /^The .*\.$|^A .*\.$|^This .*\.$|^Somebody .*\.$|^There .*\.$/);
      assert.ok(status >= 400 && status <= 503);
      const error = new OperatorError(code as OperatorErrorCode, { detail: 'More.' });
      assert.deepEqual(
        [error.message, error.status, error.retryable],
        [`${sentence} More.`, status, retryable],
      );
    });
  }
});
