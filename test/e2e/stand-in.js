#!/usr/bin/node
// Stands in for what a real project's image runs: called as python, airflow, npm or nc it does as little as that must do for
// the pod to start; otherwise it asks one thing of the world, without knowing of a proxy, and serves or ends.

const { connect } = require('node:net');
const http = require('node:http');
const http2 = require('node:http2');
const { basename } = require('node:path');

const call = [basename(process.argv[1]), ...process.argv.slice(2)].join(' ');
process.on('SIGTERM', () => process.exit());

if (call.startsWith('nc -z ')) reach(process.argv[3], Number(process.argv[4]));
else if (/^python .*healthcheck/.test(call)) reach('127.0.0.1', Number(process.env.PORT));
else if (/^npm |^airflow db |^python -m celery inspect /.test(call) || process.env.GITSYNC_ONE_TIME)
  process.exit();
else {
  ask();
  if (process.env.STAND_IN_ENDS === undefined) serve();
}

function reach(host, port) {
  connect({ host, port })
    .on('connect', () => process.exit())
    .on('error', () => process.exit(1));
}

function ask() {
  const { STAND_IN_ASKS: url } = process.env;
  if (url === undefined) return;
  http
    .get(url, { agent: new http.Agent() }, (response) => {
      console.log(url, response.statusCode);
      if (response.statusCode !== 200) process.exit(1);
      response.resume();
    })
    .on('error', (error) => {
      console.error(error);
      process.exit(1);
    });
}

/** On the ports of all of them; those that another container of the pod has are not ours, be they all. */
function serve() {
  setInterval(() => {}, 60_000);
  for (const port of [5678, 6333, 8000, 8080, 8793]) {
    http
      .createServer((request, response) => response.end(call))
      .on('error', () => {})
      .listen(port);
  }
  http2
    .createServer()
    .on('stream', (stream) => {
      // grpc.health.v1.HealthCheckResponse { status: SERVING }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    })
    .on('error', () => {})
    .listen(6334);
}
