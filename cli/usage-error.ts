// What a user can mend: the command line or a file. Shown as one message, without a stack.

export class UsageError extends Error {
  override readonly name = 'UsageError';
}
