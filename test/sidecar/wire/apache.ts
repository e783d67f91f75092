import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from '../../cluster/free-port.ts';
import { luaLibrary, readingsIn, type WireOrigin } from './reading.ts';
import { startProgram, type Workshop } from './program.ts';

const modules = '/usr/lib/apache2/modules';

/** As shipped (HttpProtocolOptions Strict), but for what it would refuse or fold before anything is logged. */
export async function startApache(workshop: Workshop): Promise<WireOrigin> {
  const [tlsPort, plainPort] = [await findFreePort(), await findFreePort()];
  const { folder, certPath, keyPath } = workshop;
  const logPath = join(folder, 'apache.readings');
  writeFileSync(logPath, '');
  // It gives root up before it reads the script.
  chmodSync(folder, 0o755);
  chmodSync(logPath, 0o666);
  // Lua sees the head as the server has it, but no chunked body (REQUEST_CHUNKED_ERROR); CGI is given every body.
  const luaPath = join(folder, 'apache.lua');
  writeFileSync(
    luaPath,
    `${luaLibrary(logPath)}
function note(r)
  local headers = {}
  for name, value in pairs(r:headers_in_table()) do headers[#headers + 1] = { name, value } end
  r.subprocess_env['READING'] = encode(r.protocol, r.method, r.unparsed_uri, headers, '')
  return apache2.OK
end
`,
  );
  const cgiPath = join(folder, 'apache.pl');
  writeFileSync(
    cgiPath,
    String.raw`#!/usr/bin/perl
binmode STDIN;
my $body = do { local $/; <STDIN> } // '';
$body =~ s/([^ !#-\[\]-~])/sprintf('\\u%04x', ord($1))/ge;
my $line = $ENV{READING};
$line =~ s/"body":""/"body":"$body"/;
open(my $log, '>>', '${logPath}');
print $log "$line\n";
close($log);
print "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
`,
    { mode: 0o755 },
  );
  const loaded = ['mpm_event', 'authz_core', 'alias', 'cgid', 'ssl', 'http2', 'lua'].map(
    (name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`,
  );
  const configPath = join(folder, 'apache.conf');
  writeFileSync(
    configPath,
    `
ServerRoot ${folder}
ServerName localhost
PidFile ${join(folder, 'apache.pid')}
Mutex file:${folder} default
${loaded.join('\n')}
User nobody
Group nogroup
ErrorLog /dev/stderr
Listen 127.0.0.1:${tlsPort}
Listen 127.0.0.1:${plainPort}
StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
KeepAliveTimeout 3600
MaxKeepAliveRequests 0
LimitRequestFields 200
LimitRequestFieldSize 131072
LimitRequestLine 16384
AllowEncodedSlashes NoDecode
MergeSlashes Off
LuaHookFixups ${luaPath} note
ScriptSock ${folder}/apache.sock
ScriptAliasMatch ^ ${cgiPath}
<VirtualHost 127.0.0.1:${tlsPort}>
  Protocols h2 http/1.1
  SSLEngine on
  SSLCertificateFile ${certPath}
  SSLCertificateKeyFile ${keyPath}
</VirtualHost>
`,
  );
  const stop = await startProgram(workshop, {
    name: 'apache2',
    args: ['-X', '-f', configPath],
    ports: [tlsPort, plainPort],
  });
  return { name: 'Apache', tlsPort, plainPort, readings: readingsIn(logPath), close: stop };
}
