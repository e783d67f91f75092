// Node's own `node:http`, without what importing it costs: an import reads every export, among them the lazy
// getters for WebSocket and its events, which load and compile the undici inside Node: 3.5 MB and 30 ms in each pod
// (https://github.com/nodejs/node/blob/main/lib/http.js). Nothing else in the sidecar may import node:http.

export const { Agent, createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http');
