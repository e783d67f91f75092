// The memory that bodies under decision may take together. They are held until their exchange ends, since a change of
// policy decides them again, and an agent opens as many exchanges as it likes.

export interface BodyClaim {
  /** Holds so many bytes instead of those before. @returns false when there is no room; then nothing has changed. */
  hold(bytes: number): boolean;
  end(): void;
}

export interface BodyMemory {
  claim(): BodyClaim;
}

/** Of the container's 128 MiB; two of the longest bodies that a rule can ask for. */
export const defaultMaxHeldBytes = 32 * 1024 * 1024;

export function createBodyMemory(maxBytes = defaultMaxHeldBytes): BodyMemory {
  let total = 0;
  return {
    claim: () => {
      let held = 0;
      return {
        hold: (bytes) => {
          if (total - held + bytes > maxBytes) return false;
          total += bytes - held;
          held = bytes;
          return true;
        },
        end: () => {
          total -= held;
          held = 0;
        },
      };
    },
  };
}
