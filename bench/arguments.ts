// What the command line may say. Pure, so that each complaint is tested.

import { parseArgs } from 'node:util';
import { attacks } from '../test/sidecar/flood/attacks.ts';
import { engineNames, type EngineName } from './decide/engine.ts';

export interface InterceptArguments {
  readonly command: 'intercept';
  readonly json: boolean;
  readonly rounds: number;
  readonly connections: number;
  /** Folder for a CPU profile of the sidecar; profiling costs, so the figures then mean nothing. */
  readonly profile: string | null;
}

export interface MemoryArguments {
  readonly command: 'memory';
  readonly json: boolean;
  readonly seconds: number;
  readonly connections: number;
}

export interface DecideArguments {
  readonly command: 'decide';
  readonly json: boolean;
  /** How many rules, each measured for itself. */
  readonly rules: readonly number[];
  readonly only: readonly EngineName[];
  readonly rounds: number;
}

export interface FloodArguments {
  readonly command: 'flood';
  readonly json: boolean;
  /** Of each flood. */
  readonly seconds: number;
  /** Names of floods; null for all. */
  readonly only: readonly string[] | null;
}

export interface LatencyArguments {
  readonly command: 'latency';
  readonly json: boolean;
  readonly rounds: number;
}

export type Arguments =
  InterceptArguments | MemoryArguments | DecideArguments | FloodArguments | LatencyArguments;

export const usage = `usage: npm run bench -- intercept [--json] [--rounds N] [--connections N] [--profile FOLDER]
       npm run bench -- memory    [--json] [--seconds N] [--connections N]
       npm run bench -- decide    [--json] [--rules N,N…] [--rounds N] [--only ENGINE,ENGINE…]
       npm run bench -- latency   [--json] [--rounds N]
       npm run bench -- flood     [--json] [--seconds N] [--only FLOOD,FLOOD…]

intercept  CPU microseconds per intercepted HTTPS request, beside Squid's ssl-bump in the same run
memory     memory of the sidecar's cgroup, idle and at 1,000 requests a second, beside an empty Node process
decide     microseconds of one decision, beside OPA, Cedar and a matcher written by hand in the same run
latency    what each way into the sidecar adds to a request, beside one without it in the same run
flood      an honest agent's p99 while another one floods the sidecar, beside its usual one in the same run

--json         end with one line of JSON on standard output; all else goes to standard error
--rounds       measured rounds of each contestant, 5 to 25 (7)
--seconds      how long the load lasts, 20 to 180 (30); of a flood 2 to 60 (4)
--connections  tunnels that are kept alive, 1 to 256 (16)
--rules        numbers of rules, each from 10 to 20000 (10,100,1000,10000)
--only         some of outrider, opa, cedar and floor, or of the floods, instead of all
--profile      write a CPU profile of the sidecar there; the figures of such a run mean nothing`;

/** The caller's mistake; `message` says what is wrong and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const connections = { least: 1, most: 256, otherwise: 16 };

const foreign = {
  intercept: ['seconds', 'rules', 'only'],
  memory: ['rounds', 'profile', 'rules', 'only'],
  decide: ['seconds', 'connections', 'profile'],
  latency: ['seconds', 'connections', 'profile', 'rules', 'only'],
  flood: ['rounds', 'connections', 'profile', 'rules'],
} as const;

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv);
  const [command, ...more] = positionals;
  if (command === undefined || !isCommand(command)) {
    const said = command === undefined ? 'nothing was named' : `there is no "${command}"`;
    throw new UsageError(`${said}; name what to measure: ${commands.join(', ')}`);
  }
  if (more.length > 0) throw new UsageError(`"${more[0]}" is too much; one figure is measured at a time`);
  const misplaced = foreign[command].find((name) => values[name] !== undefined);
  if (misplaced !== undefined) throw new UsageError(`--${misplaced} says nothing to ${command}`);

  const json = values.json ?? false;
  const rounds = wholeNumber('rounds', values.rounds, { least: 5, most: 25, otherwise: 7 });
  if (command === 'decide') {
    return { command, json, rounds, rules: sizes(values.rules), only: engines(values.only) };
  }
  if (command === 'latency') return { command, json, rounds };
  if (command === 'flood') {
    const seconds = wholeNumber('seconds', values.seconds, { least: 2, most: 60, otherwise: 4 });
    return { command, json, seconds, only: floods(values.only) };
  }
  const tunnels = wholeNumber('connections', values.connections, connections);
  if (command === 'memory') {
    const seconds = wholeNumber('seconds', values.seconds, { least: 20, most: 180, otherwise: 30 });
    return { command, json, seconds, connections: tunnels };
  }
  return { command, json, rounds, connections: tunnels, profile: values.profile ?? null };
}

const commands = ['intercept', 'memory', 'decide', 'latency', 'flood'] as const;

function isCommand(text: string): text is Arguments['command'] {
  return commands.some((command) => command === text);
}

function floods(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const names = text.split(',');
  const unknown = names.find((name) => !Object.hasOwn(attacks, name));
  if (unknown === undefined) return names;
  throw new UsageError(`--only has "${unknown}"; there are ${Object.keys(attacks).join(', ')}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string' },
        profile: { type: 'string' },
        rules: { type: 'string' },
        only: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Ten rules are the fewest that have each kind of request. */
const ruleBounds = { least: 10, most: 20_000, otherwise: 10 };

function sizes(text = '10,100,1000,10000'): readonly number[] {
  return [...new Set(text.split(',').map((part) => wholeNumber('rules', part, ruleBounds)))];
}

function engines(text: string | undefined): readonly EngineName[] {
  if (text === undefined) return engineNames;
  const named = new Set(text.split(','));
  for (const name of named) {
    if (!engineNames.some((known) => known === name)) {
      throw new UsageError(`--only has "${name}"; there are ${engineNames.join(', ')}`);
    }
  }
  return engineNames.filter((name) => named.has(name));
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly otherwise: number;
}

function wholeNumber(name: string, text: string | undefined, { least, most, otherwise }: Bounds): number {
  if (text === undefined) return otherwise;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`--${name} is "${text}"; it must be a whole number from ${least} to ${most}`);
  }
  return value;
}
