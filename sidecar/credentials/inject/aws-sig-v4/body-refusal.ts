import { refuse, type Refusal } from '../../../../policy/refusal.ts';

/** Ends a request whose body turned out, on its way, not to be what was signed. Its message is for the agent. */
export class BodyRefusal extends Error {
  override readonly name = 'BodyRefusal';
  readonly refusal: Refusal;

  constructor(message: string) {
    super(message);
    this.refusal = refuse('request_unsignable', message);
  }
}
