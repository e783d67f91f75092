// A secret value. It prints as [secret] wherever it is printed; only credentials/inject/* opens it, and
// test/sidecar/credentials/secret.test.ts holds everyone to that.

const shown = '[secret]';

export class Secret {
  // A private field, so that neither inspect with showHidden nor a structured clone can reach it.
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  open(): string {
    return this.#value;
  }

  /** Tells a rotation without opening either. */
  sameAs(other: Secret): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown;
  }
}
