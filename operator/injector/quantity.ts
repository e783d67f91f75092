// Kubernetes quantities, as far as they must be compared: the API server rewrites 1024Mi to 1Gi and 0.5 to 500m.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

const factors: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** In thousandths, so that fractions compare exactly; null for what is no quantity of a pod's resources. */
function thousandths(quantity: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([a-zA-Z]{0,2})$/.exec(quantity);
  const factor = factors[match?.[2] ?? ''];
  return match === null || factor === undefined ? null : Math.round(Number(match[1]) * factor * 1000);
}

export function sameQuantity(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || (thousandths(a) !== null && thousandths(a) === thousandths(b));
}
