// Why a pod cannot be injected: each problem names a field and what to write there instead.

export interface Problem {
  /** Path of the field, such as `spec.containers[agent].securityContext.runAsUser`. */
  readonly field: string;
  /** What must change, and why; continues the field's name as a sentence. */
  readonly message: string;
}
