// What a program in a pod tries with names and sockets, without any proxy, and what comes of each try, and when.

export type Try =
  /** As most programs look names up: glibc with search list and ndots. */
  | { readonly lookup: string; readonly family?: 4 | 6 }
  /** One question for one type, as it stands. */
  | { readonly records: string; readonly type: string }
  /** A line to a TCP server, or over TLS when the server's name is given (empty: without SNI); the answer is its line. */
  | {
      readonly say: string;
      readonly host: string;
      readonly port: number;
      readonly servername?: string;
      readonly ca?: string;
    }
  /** One datagram; the answer is its text. */
  | { readonly send: string; readonly host: string; readonly port: number };

export interface Outcome {
  /** The answer, the code of the error, or `SSL alert number …`. */
  readonly outcome: string;
  readonly tookMs: number;
}

/** Arguments of node. Nothing waits longer than five seconds. */
export function tryEach(tries: readonly Try[]): readonly string[] {
  return ['node', '-e', `(${attempt.toString()})(${JSON.stringify(tries)})`];
}

/**
 * Opens a connection, says "still here" every 50 ms, and tells when it was cut: milliseconds since the epoch, or 0 when it
 * still stood after `forMs`. First of all it tells that it is open.
 */
export function holdConnection(host: string, port: number, forMs: number): readonly string[] {
  const script = `
    const socket = require('node:net').connect(${port}, '${host}');
    socket.on('connect', () => setInterval(() => socket.write('still here\\n'), 50));
    socket.once('data', () => console.log('open'));
    socket.on('data', () => {}).on('error', () => {});
    socket.on('close', () => { console.log(Date.now()); process.exit(); });
    setTimeout(() => { console.log(0); process.exit(); }, ${forMs});`;
  return ['node', '-e', script];
}

/** Runs in the pod, from its source alone. */
async function attempt(tries: readonly Try[]): Promise<void> {
  const net = await import('node:net');
  const tls = await import('node:tls');
  const dgram = await import('node:dgram');
  const dns = await import('node:dns/promises');
  const deadlineMs = 5000;

  function one(each: Try): Promise<string> {
    if ('lookup' in each) {
      return dns
        .lookup(each.lookup, { all: true, family: each.family ?? 0 })
        .then((found) => found.map(({ address }) => address).join());
    }
    if ('records' in each) return dns.resolve(each.records, each.type).then((found) => JSON.stringify(found));
    if ('send' in each) {
      return new Promise((resolve, reject) => {
        const socket = dgram.createSocket(each.host.includes(':') ? 'udp6' : 'udp4');
        socket.on('error', reject);
        socket.on('message', (message) => resolve(message.toString()));
        socket.send(each.send, each.port, each.host, (error) => error && reject(error));
      });
    }
    return new Promise((resolve, reject) => {
      const { say, host, port, servername, ca } = each;
      const socket =
        servername === undefined
          ? net.connect(port, host)
          : tls.connect({ host, port, servername, ...(ca === undefined ? {} : { ca }) });
      let answer = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        answer += chunk.toString();
        if (!answer.includes('\n')) return;
        resolve(answer.trim());
        socket.end();
      });
      socket.on('close', () => reject(new Error('closed')));
      socket.write(`${say}\n`);
    });
  }

  const outcomes = [];
  for (const each of tries) {
    const startedAt = performance.now();
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('time-out'), deadlineMs));
    const outcome = await Promise.race([one(each), late]).catch((error: NodeJS.ErrnoException) => {
      // Whether it was reading or writing when the alert came is chance, and so is the code.
      const alert = /SSL alert number \d+/.exec(error.message)?.[0];
      return alert ?? error.code ?? error.message;
    });
    outcomes.push({ outcome, tookMs: Math.round(performance.now() - startedAt) });
  }
  console.log(JSON.stringify(outcomes));
  process.exit();
}
