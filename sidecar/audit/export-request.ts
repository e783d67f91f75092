// What goes around spans in an export request: the pod they come from, and who made them
// (opentelemetry-proto, collector/trace/v1/trace_service.proto).

/** The fields on the way in: ExportTraceServiceRequest › ResourceSpans › Resource, ScopeSpans › scope, spans. */
const tag = { resourceSpans: 0x0a, resource: 0x0a, scopeSpans: 0x12, scope: 0x0a, attribute: 0x0a } as const;
const scopeName = 'outrider-sidecar';

/** @returns a function that makes a request of encoded spans; it copies them. */
export function createExportRequests(resource: Readonly<Record<string, string>>): (spans: Buffer) => Buffer {
  const attributes = Object.entries(resource).map(([name, value]) =>
    field(
      tag.attribute,
      Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, field(0x0a, Buffer.from(value)))]),
    ),
  );
  const encodedResource = field(tag.resource, Buffer.concat(attributes));
  const encodedScope = field(tag.scope, field(0x0a, Buffer.from(scopeName)));
  return (spans) => {
    const scopeSpans = header(tag.scopeSpans, encodedScope.length + spans.length);
    const length = encodedResource.length + scopeSpans.length + encodedScope.length + spans.length;
    return Buffer.concat([
      header(tag.resourceSpans, length),
      encodedResource,
      scopeSpans,
      encodedScope,
      spans,
    ]);
  };
}

function field(fieldTag: number, content: Buffer): Buffer {
  return Buffer.concat([header(fieldTag, content.length), content]);
}

function header(fieldTag: number, length: number): Buffer {
  const bytes = [fieldTag];
  for (let rest = length; ; rest = Math.floor(rest / 0x80)) {
    bytes.push(rest > 0x7f ? (rest % 0x80) | 0x80 : rest);
    if (rest <= 0x7f) return Buffer.from(bytes);
  }
}
