// Methods as bits: rules that ask for nothing else but a method are most, and then one comparison decides.

/** Of a rule that asks for no method. */
const anyMethod = -1;
/** One bit each; a ruleset that names more methods than that has some that are looked at in the long way. */
const maxMethods = 30;

export interface MethodBits {
  /** Null for a rule whose methods do not fit. */
  maskOf(methods: readonly string[] | undefined): number | null;
  /** Of a request's method; 0 when no rule names it. */
  bitOf(method: string): number;
}

export function createMethodBits(): MethodBits {
  const bits = new Map<string, number>();

  function bitFor(method: string): number | null {
    const known = bits.get(method);
    if (known !== undefined) return known;
    if (bits.size >= maxMethods) return null;
    const bit = 1 << bits.size;
    bits.set(method, bit);
    return bit;
  }

  return {
    maskOf: (methods) => {
      if (methods === undefined) return anyMethod;
      let mask = 0;
      for (const method of methods) {
        const bit = bitFor(method);
        if (bit === null) return null;
        mask |= bit;
      }
      return mask;
    },
    bitOf: (method) => bits.get(method) ?? 0,
  };
}

export function allowsMethod(mask: number, bit: number): boolean {
  return mask === anyMethod || (mask & bit) !== 0;
}
