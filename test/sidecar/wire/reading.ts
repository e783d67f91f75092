// What an origin made of one request, as one line of JSON that the origin itself wrote. The three servers that are not
// ours are told so in Lua; what they log is their own model of the request, never its bytes.

import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Texts are Latin-1: one character for each byte. */
export interface Reading {
  readonly version: string;
  readonly method: string;
  readonly target: string;
  /** Names as the server tells them; those that it joined have one value. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface WireOrigin {
  readonly name: string;
  readonly tlsPort: number;
  readonly plainPort: number;
  /** All requests so far, in the order in which they were answered. */
  readings(): readonly Reading[];
  close(): Promise<void>;
}

/** Lua for all three: `encode` makes the line, `append` writes it. */
export function luaLibrary(logPath: string): string {
  return String.raw`
local function text(value)
  return '"' .. tostring(value):gsub('[%c"\\\127-\255]', function(byte)
    return string.format('\\u%04x', byte:byte())
  end) .. '"'
end
local function encode(version, method, target, headers, body)
  local pairs_ = {}
  for _, header in ipairs(headers) do
    pairs_[#pairs_ + 1] = '[' .. text(header[1]) .. ',' .. text(header[2]) .. ']'
  end
  return '{"version":' .. text(version) .. ',"method":' .. text(method) .. ',"target":' .. text(target) ..
    ',"headers":[' .. table.concat(pairs_, ',') .. '],"body":' .. text(body) .. '}'
end
local function append(line)
  local file = assert(io.open('${logPath}', 'a'))
  file:write(line, '\n')
  file:close()
end
`;
}

/** Reads on where it stopped: the longest of these logs have megabytes. */
export function readingsIn(logPath: string): () => readonly Reading[] {
  const readings: Reading[] = [];
  let at = 0;
  return () => {
    const size = statSync(logPath).size;
    if (size === at) return readings;
    const bytes = Buffer.alloc(size - at);
    const file = openSync(logPath, 'r');
    readSync(file, bytes, 0, bytes.length, at);
    closeSync(file);
    const end = bytes.lastIndexOf('\n') + 1;
    at += end;
    for (const line of bytes.toString('utf8', 0, end).split('\n').slice(0, -1)) {
      readings.push(JSON.parse(line) as Reading);
    }
    return readings;
  };
}
