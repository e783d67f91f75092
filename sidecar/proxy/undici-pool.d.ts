// undici without the rest of it: its index also loads fetch, WebSocket, caches and mocks, which would cost every pod
// 4 MB and 70 ms of its start. The package has no `exports` map, so its files can be imported one by one.

declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici';
}
