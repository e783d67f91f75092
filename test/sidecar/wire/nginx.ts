import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from '../../cluster/free-port.ts';
import { luaLibrary, readingsIn, type WireOrigin } from './reading.ts';
import { startProgram, type Workshop } from './program.ts';

const modules = '/usr/lib/nginx/modules';

/** Told to hide nothing: by default nginx drops names with underscores and joins slashes. */
export async function startNginx(workshop: Workshop): Promise<WireOrigin> {
  const [tlsPort, plainPort] = [await findFreePort(), await findFreePort()];
  const { folder, certPath, keyPath } = workshop;
  const logPath = join(folder, 'nginx.readings');
  writeFileSync(logPath, '');
  writeFileSync(
    join(folder, 'nginx.lua'),
    `${luaLibrary(logPath)}
local headers = {}
for name, value in pairs(ngx.req.get_headers(0, true)) do
  for _, one in ipairs(type(value) == 'table' and value or { value }) do
    headers[#headers + 1] = { name, one == true and '' or one }
  end
end
local body = ngx.req.get_body_data() or ''
append(encode(ngx.var.server_protocol, ngx.req.get_method(), ngx.var.request_uri, headers, body))
ngx.header.content_length = 2
ngx.print('ok')
`,
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, `nginx-${name}`)};`,
  );
  const configPath = join(folder, 'nginx.conf');
  writeFileSync(
    configPath,
    `
load_module ${modules}/ndk_http_module.so;
load_module ${modules}/ngx_http_lua_module.so;
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
${temporary.join('\n')}
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  ignore_invalid_headers off;
  underscores_in_headers on;
  merge_slashes off;
  large_client_header_buffers 16 128k;
  client_body_buffer_size 1m;
  client_max_body_size 16m;
  lua_need_request_body on;
  server {
    listen 127.0.0.1:${tlsPort} ssl http2;
    listen 127.0.0.1:${plainPort};
    ssl_certificate ${certPath};
    ssl_certificate_key ${keyPath};
    location / { content_by_lua_file ${join(folder, 'nginx.lua')}; }
  }
}
`,
  );
  const stop = await startProgram(workshop, {
    name: 'nginx',
    args: ['-e', 'stderr', '-c', configPath],
    ports: [tlsPort, plainPort],
  });
  return { name: 'nginx', tlsPort, plainPort, readings: readingsIn(logPath), close: stop };
}
