// Words of nft's JSON (libnftables-json(5)), as far as capture speaks it.

/** As it is written, and as it is listed. */
export type NftObject = Readonly<Record<string, unknown>>;
export type NftCommand = { readonly add: NftObject } | { readonly delete: NftObject };

/** Statements and the matches before them. */
export type Rule = readonly object[];

/** One table for both families. */
export const tableName = 'outrider';
export const table: NftObject = { table: { family: 'inet', name: tableName } };
const inTable = { family: 'inet', table: tableName } as const;

export function counter(name: string): NftObject {
  return { counter: { ...inTable, name } };
}

/** Without a hook it is only jumped to. Priorities are numbers, since their names differ between families. */
export function chain(
  name: string,
  hook: {
    readonly type?: 'nat' | 'filter';
    readonly hook?: 'input' | 'output' | 'postrouting';
    readonly prio?: number;
    readonly policy?: 'accept' | 'drop';
  } = {},
): NftObject {
  return { chain: { ...inTable, name, ...hook } };
}

export function rulesOf(name: string, rules: readonly Rule[]): readonly NftObject[] {
  return rules.map((expr) => ({ rule: { ...inTable, chain: name, expr } }));
}

export const is = (left: object, right: unknown): object => ({ match: { op: '==', left, right } });
export const isNot = (left: object, right: unknown): object => ({ match: { op: '!=', left, right } });
export const has = (left: object, right: unknown): object => ({ match: { op: 'in', left, right } });
export const meta = (key: string): object => ({ meta: { key } });
export const ct = (key: string): object => ({ ct: { key } });
export const field = (protocol: string, name: string): object => ({ payload: { protocol, field: name } });
/** The destination is an address of this network namespace. */
export const local = is({ fib: { result: 'type', flags: ['daddr'] } }, 'local');
/** A process has the packet's socket; those that the kernel sends by itself match no user. */
export const owned = is(meta('skuid'), { range: [0, 2 ** 32 - 1] });

/** Of IP's next header: names of protocols are in a file that our image does not have. */
export const tcpNumber = 6;

export const accept = { accept: null };
export const goBack = { return: null };
export const count = (name: string): object => ({ counter: name });
export const jumpTo = (target: string): object => ({ jump: { target } });
export const goTo = (target: string): object => ({ goto: { target } });
export const redirectTo = (port: number): object => ({ redirect: { port } });
export const setMark = (value: number): object => ({ mangle: { key: ct('mark'), value } });
export const resetTcp = { reject: { type: 'tcp reset' } };
export const refuseAny = { reject: { type: 'icmpx', expr: 'admin-prohibited' } };
