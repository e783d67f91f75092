// H-03, H-10, H-11, H-13, H-33, H-41: request lines, methods, versions, and what names the host.

import { compose, visible, type Corpus, type WireCase } from './case.ts';

const line = (text: string): string => compose(text, []);
const hostLines = (text: string): string => `GET {to}/plain/x HTTP/1.1\r\n${text}\r\n\r\n`;
const asked = { method: 'GET' };

const versions = [
  'HTTP/0.9', 'HTTP/1.2', 'HTTP/1.9', 'HTTP/2.0', 'HTTP/2', 'HTTP/3.0', 'HTTP/1', 'HTTP/1.', 'HTTP/.1', 'HTTP/11', 'HTTP/1.10', 'HTTP/1.11', 'HTTP/01.1', 'HTTP/1.01', 'HTTP/ 1.1', 'HTTP /1.1', 'HTTP/1 .1', 'http/1.1', 'Http/1.1', 'HTTPS/1.1', 'HTTP/257.1', 'HTTP/1.257', 'HTTP/1,1', 'HTTP/1.1x', 'HTTP/1.1 x',
  'HTTP/-1.1', 'HTTP/+1.1', 'HTTP\\1.1', 'ICY/1.1', 'ICE/1.0', 'SIP/2.0', '', 'HTTP', 'HTTP/', 'HTTP/1.1\x00', 'HTTP/1.1\x0b', 'HTTP/1.1\xa0', 'HTTP/1.\xb9', 'HTTP/1.1;',
]; // prettier-ignore

const lines = [
  ' GET {to}/plain/x HTTP/1.1', '\tGET {to}/plain/x HTTP/1.1', 'GET\t{to}/plain/x HTTP/1.1', 'GET {to}/plain/x\tHTTP/1.1', 'GET\x0b{to}/plain/x HTTP/1.1', 'GET\xa0{to}/plain/x HTTP/1.1', 'GET\r{to}/plain/x HTTP/1.1', 'GET {to}/plain/x\rHTTP/1.1', 'GET\n{to}/plain/x HTTP/1.1', 'GET {to}/plain/x\nHTTP/1.1', 'GET {to}/plain/x HTTP/1.1\rX: y', 'GET {to}/plain/x HTTP/1.1\nX: y', 'GET {to}/plain/x HTTP/1.1\r\r', 'GET {to}/plain/x  x HTTP/1.1',
  'GET', 'GET ', 'GET HTTP/1.1', 'GET  HTTP/1.1', '{to}/plain/x HTTP/1.1', 'GET {to}/plain/x GET {to}/plain/y HTTP/1.1', 'GET {to}/plain/x%20HTTP/1.1', '\x00GET {to}/plain/x HTTP/1.1', '\xef\xbb\xbfGET {to}/plain/x HTTP/1.1', 'PRI * HTTP/2.0', 'CONNECT', 'CONNECT {host}', 'CONNECT x HTTP/1.1', 'CONNECT {name} HTTP/1.1', 'CONNECT {to}/plain/x HTTP/1.1', 'CONNECT :443 HTTP/1.1', 'CONNECT {name}:0 HTTP/1.1', 'CONNECT {name}:65536 HTTP/1.1', 'CONNECT {name}:0{port} HTTP/1.1', 'CONNECT u@{host} HTTP/1.1',
]; // prettier-ignore

const methods = ['get', 'Get', 'GE', 'GETS', 'G ET', 'GET/', 'G\x00ET', 'G\xcbT', 'FOO', 'X-GET', 'GET,POST', '"GET"', 'TRACE', 'TRACK', 'DEBUG', 'ANNOUNCE', '', '_GET', 'GET_']; // prettier-ignore
const passed = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY', 'M-SEARCH', 'PURGE', 'LINK', 'LOCK', 'SOURCE']; // prettier-ignore

const hosts = [
  'evil.test', 'evil.test:{port}', '{name}', '{name}:1', '{name}:{port}:1', '{name}..:{port}', '.{host}', '{name} :{port}', '{name}: {port}', '{name}:{port}x', '{name}:+{port}', '{name}:-1', '{name}:0', '{name}:00', '{name}:65536', '{name}:0{port}', '{name}:{port}.0', '{name}:', '{name}:0x50', '{name}:\xb2',
  'u@{host}', 'u:p@{host}', '{host}@evil.test', 'evil.test@{host}', '{host}/', '{host}/x', '{host}/../y', '{host}?', '{host}#', '{host}\\', '\\{host}', '/{host}', '//{host}', 'https://{host}', '{host},evil.test', '{host}, evil.test', '{host} evil.test', 'evil.test {host}', '{host};a=b', '"{host}"', "'{host}'", '[{host}]', '[{name}]:{port}', '<{host}>', '{host}%00', '%00{host}', '{host}\x00', '{host}\x0b', '\x0b{host}', '{host}\xa0', '\xffa\xff', '%6eginx.wire.test:{port}', 'x_{host}', '-{host}', '{name}-.x:{port}', 'a..{host}', '*', '*.wire.test', 'wire.test', 'x.{host}', 'xn--nxasmq6b.test', '\xe9.test', 'localhost', '127.0.0.1', '127.0.0.1:{port}', '127.1:{port}', '2130706433', '0x7f.1', '0x7f000001', '017700000001', '127.0.0.1.', '[::1]', '[::1]:{port}', '::1', '[fe80::1%25eth0]', '[::ffff:127.0.0.1]', '[::1', '::1]', '[]', ':{port}', ':', '', `${'a'.repeat(64)}.test`, `${'a.'.repeat(130)}test`,
]; // prettier-ignore

const hostHeaders: Record<string, string> = {
  'no Host': 'X-A: b',
  'two Hosts': 'Host: {host}\r\nHost: {host}',
  'two Hosts, the second evil': 'Host: {host}\r\nHost: evil.test',
  'two Hosts, the first evil': 'Host: evil.test\r\nHost: {host}',
  'two Hosts in other cases': 'Host: {host}\r\nhOST: evil.test',
  'a folded second Host': 'Host: {host}\r\n Host: evil.test',
  'a folded Host': 'Host:\r\n {host}',
  'a Host with a space before its colon': 'Host : {host}',
  'a Host with a space before its name': ' Host: {host}',
  'Host and a spaced Host': 'Host: {host}\r\nHost : evil.test',
  'Host behind a bare line feed': 'X-A: b\nHost: {host}',
  'Host behind a bare carriage return': 'X-A: b\rHost: {host}',
  'a Host of another spelling': 'H\xf6st: {host}',
};

const wholeUrls = [
  'https://{host}', 'https://{host}?x', 'https://{host}#x', 'https:/{host}/plain/x', 'https:{host}/plain/x', 'https:///{host}/plain/x', 'https:\\\\{host}/plain/x', 'https://{host}\\plain/x', 'HTTPS://{host}/plain/x', 'ftp://{host}/plain/x', 'ws://{host}/plain/x', 'file:///etc/passwd', 'javascript:alert(1)', 'data:,x', 'https://u@{host}/plain/x', 'https://u:p@{host}/plain/x', 'https://@{host}/plain/x', 'https://{host}@evil.test/', 'https://evil.test@{host}/plain/x', 'https://evil.test/', 'https://evil.test:{port}/plain/x', 'https://{name}/plain/x', 'https://{name}:1/plain/x', 'https://{name}:/plain/x', 'https://{name}:0{port}/plain/x', 'https://{host},evil.test/plain/x', 'https://{host};/plain/x', 'https://{host}%2fplain/x', 'https://%6eginx.wire.test/plain/x', 'https://{name}..:{port}/plain/x', 'https:///plain/x', 'https:// {host}/plain/x', 'https://[{name}]:{port}/plain/x', 'https://[::1]:{port}/plain/x', '//{host}/plain/x', '{host}/plain/x', '{host}', 'https://{host}/../plain/x', 'https://{host}//plain/x', 'https://*/plain/x', 'https://\xe9.test/', 'about:blank',
]; // prettier-ignore

export const requestLines: Corpus = Object.fromEntries([
  ...versions.map((version): [string, WireCase] => [`version ${visible(version)}`, { bytes: line(`GET {to}/plain/x ${version}`) }]),
  ...lines.map((text): [string, WireCase] => [visible(text), { bytes: line(text) }]),
  ...methods.map((method): [string, WireCase] => [`method ${visible(method)}`, { bytes: line(`${method} {to}/plain/x HTTP/1.1`) }]),
  ...passed.map((method): [string, WireCase] => [`method ${method} is read`, { bytes: line(`${method} {to}/plain/x HTTP/1.1`), reading: { method } }]),
  ...hosts.map((host): [string, WireCase] => [`Host: ${visible(host).slice(0, 80)}`, { bytes: hostLines(`Host: ${host}`) }]),
  ...Object.entries(hostHeaders).map(([title, text]): [string, WireCase] => [title, { bytes: hostLines(text) }]),
  ...wholeUrls.map((url): [string, WireCase] => [`target ${visible(url)}`, { bytes: line(`GET ${url} HTTP/1.1`) }]),
  ['two spaces before a path are read', { bytes: line('GET  /plain/x HTTP/1.1'), reading: asked, only: 'path' }],
  ['http inside TLS', { bytes: line('GET http://{host}/plain/x HTTP/1.1'), only: 'path', needsTls: true }],
  ['a whole URL inside a tunnel is read', { bytes: line('GET https://{host}/plain/x HTTP/1.1'), reading: asked, only: 'path', needsTls: true }],
  ['Host in capitals is read', { bytes: hostLines('HOST: {NAME}:{port}'), reading: asked }],
  ['Host with a trailing dot is read', { bytes: hostLines('Host: {name}.:{port}'), reading: asked }],
  ['Host at once behind its colon is read', { bytes: hostLines('Host:{host}'), reading: asked }],
  ['HTTP/1.0 is read', { bytes: line('GET {to}/plain/x HTTP/1.0'), reading: asked, next: 'unread' }],
  // llhttp takes it for HTTP and does not tell; what is sent on is HTTP/1.1 all the same.
  ['RTSP/1.0 is read', { bytes: line('GET {to}/plain/x RTSP/1.0'), reading: asked, next: 'unread' }],
  ['HTTP/1.0 with a length is read', { bytes: compose('POST {to}/plain/x HTTP/1.0', ['Content-Length: 5'], 'hello'), reading: { body: 'hello' }, next: 'unread' }],
  ['HTTP/1.0 with chunks', { bytes: compose('POST {to}/plain/x HTTP/1.0', ['Transfer-Encoding: chunked'], '0\r\n\r\n') }],
  ['HTTP/1.0 without Host', { bytes: 'GET {to}/plain/x HTTP/1.0\r\n\r\n' }],
  // RFC 9112 section 2.2: empty lines before a request line are to be ignored, and nothing of them is sent on.
  ['an empty line before the request line is ignored', { bytes: `\r\n${line('GET {to}/plain/x HTTP/1.1')}`, reading: asked }],
]); // prettier-ignore
