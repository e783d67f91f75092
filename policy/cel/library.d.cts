import type * as Cel from '@marcbachmann/cel-js' with { 'resolution-mode': 'import' };

export function loadCel(): typeof Cel;
