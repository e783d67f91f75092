import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from '../../cluster/free-port.ts';
import { luaLibrary, readingsIn, type WireOrigin } from './reading.ts';
import { startProgram, type Workshop } from './program.ts';

/** One process and one thread, so that lines are whole. */
export async function startHaproxy(workshop: Workshop): Promise<WireOrigin> {
  const [tlsPort, plainPort] = [await findFreePort(), await findFreePort()];
  const { folder, certPath, keyPath } = workshop;
  const logPath = join(folder, 'haproxy.readings');
  writeFileSync(logPath, '');
  const scriptPath = join(folder, 'haproxy.lua');
  writeFileSync(
    scriptPath,
    `${luaLibrary(logPath)}
core.register_service('read', 'http', function(applet)
  local headers = {}
  for name, values in pairs(applet.headers) do
    for at = 0, #values do headers[#headers + 1] = { name, values[at] } end
  end
  local target = applet:get_var('txn.target')
  local body = applet:receive()
  append(encode(applet.version, applet.method, target, headers, body))
  applet:set_status(200)
  applet:add_header('content-length', '2')
  applet:start_response()
  applet:send('ok')
end)
`,
  );
  const pemPath = join(folder, 'haproxy.pem');
  writeFileSync(pemPath, `${readFileSync(certPath, 'utf8')}\n${readFileSync(keyPath, 'utf8')}`);
  const configPath = join(folder, 'haproxy.cfg');
  writeFileSync(
    configPath,
    `
global
  nbthread 1
  lua-load ${scriptPath}
  tune.bufsize 262144
  tune.http.maxhdr 256
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  timeout http-request 30s
  timeout http-keep-alive 1h
frontend wire
  bind 127.0.0.1:${tlsPort} ssl crt ${pemPath} alpn h2,http/1.1
  bind 127.0.0.1:${plainPort}
  http-request set-var(txn.target) url
  http-request use-service lua.read
`,
  );
  const stop = await startProgram(workshop, {
    name: 'haproxy',
    args: ['-db', '-f', configPath],
    ports: [tlsPort, plainPort],
  });
  return { name: 'HAProxy', tlsPort, plainPort, readings: readingsIn(logPath), close: stop };
}
