// What looking for a field comes to. Numbers, since the request path makes no objects for them.

/** For a grant. */
export const Outcome = {
  proved: 0,
  /** Not there, and what it would be in has no room for it in another spelling. */
  missing: 1,
  /** What `*` stands for is there, and has no elements. */
  empty: 2,
  /** There, and not what is asked for. */
  failed: 3,
  /** There more than once, or in several spellings: servers differ in which one they take. */
  ambiguous: 4,
  /** A number that whoever reads it next may take for another one. */
  unreadable: 5,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** For a guard: the most that any spelling of the field, in any place, comes to. */
export const Found = {
  nowhere: 0,
  other: 1,
  match: 2,
} as const;
export type Found = (typeof Found)[keyof typeof Found];

export type Presence = 'required' | 'optional' | 'absent';

/** What becomes of the elements' outcomes under `*`; an element that lacks the field is no match, optional or not. */
export function allOf(sofar: Outcome, element: Outcome, presence: Presence): Outcome {
  if (element === Outcome.missing) return presence === 'absent' ? sofar : Outcome.failed;
  return element > sofar ? element : sofar;
}
