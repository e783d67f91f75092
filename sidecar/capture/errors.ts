// The part of the catalogue in ../errors.ts of capture: of its init container, and of what the sidecar makes of its report.

export const captureErrors = {
  CAPTURE_ARGUMENTS_INVALID: {
    retryable: false,
    message: 'An argument of the capture container is missing or malformed; injection writes all of them.',
  },
  CAPTURE_NOT_PERMITTED: {
    retryable: false,
    message:
      'The capture container lacks uid 0 or the capability NET_ADMIN; let the namespace and the runtime grant it both.',
  },
  CAPTURE_UNSUPPORTED: {
    retryable: false,
    message:
      "The kernel or sandbox that this pod runs on lacks what capture needs; use another node, or the level 'cooperative'.",
  },
  CAPTURE_RULES_REFUSED: {
    retryable: true,
    message: 'Every part that capture needs is there, and yet the rules were not taken.',
  },
  CAPTURE_RULES_DIFFER: {
    retryable: false,
    message: 'The rules that the kernel holds are not those that were written.',
  },
  CAPTURE_UNPROVED: {
    retryable: true,
    message: 'The rules are in place, and yet what was sent past the sidecar was not seen to be stopped.',
  },
  CAPTURE_REPORT_UNWRITABLE: {
    retryable: true,
    message: 'The report of what is captured cannot be written to the keys volume.',
  },
  CAPTURE_REPORT_UNREADABLE: {
    retryable: false,
    message: 'The report of what is captured is there and cannot be read; delete the pod.',
  },
  CAPTURE_UNREPORTED: {
    retryable: false,
    message:
      'The sidecar was told that this pod is captured, and the capture container left no report of it; delete the pod.',
  },
  CAPTURE_PLAN_DIFFERS: {
    retryable: false,
    message:
      'The sidecar and the capture container of this pod were given different plans; delete the pod, and see what changes pods after injection.',
  },
} as const;
