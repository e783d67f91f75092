// The order in which people read our resources: what it is, whom it concerns, where, what, and only then with what.
// The examples of the documentation are written in it.

const orders: readonly (readonly [context: string, keys: string])[] = [
  ['', 'apiVersion kind metadata spec status'],
  ['metadata', 'name namespace labels annotations'],
  ['AgentPolicy.spec', 'agents mode haltAgents rules masking recording'],
  ['ClusterAgentPolicy.spec', 'agents mode haltAgents rules floors'],
  ['AgentCredential.spec', 'source allow inject placeholderEnv placeholderFile refreshInterval'],
  ['AgentSecretStore.spec', 'namespaceSelector audience vault awsSecretsManager'],
  ['AgentDestination.spec', 'namespaceSelector service host caBundle'],
  ['PolicyTest.spec', 'agent time used cases'],
  ['agents', 'namespaceSelector podSelector serviceAccounts'],
  ['agent', 'serviceAccount labels namespaceLabels'],
  ['podSelector', 'matchLabels matchExpressions'],
  ['namespaceSelector', 'matchLabels matchExpressions'],
  ['matchExpressions', 'key operator values'],
  [
    'rules',
    'name action message hosts destination github methods paths opens query headers body mcp when during outside response credential limits approval',
  ],
  ['github', 'repositories operations branches nodeIds hosts'],
  ['query', 'fields others'],
  ['headers', 'fields others'],
  ['body', 'types maxBytes fields others'],
  ['arguments', 'fields others'],
  ['fields.*', 'type equals oneOf startsWith pattern min max maxLength absent optional'],
  ['mcp', 'tools methods'],
  ['tools', 'name arguments'],
  ['during', 'timeZone windows'],
  ['outside', 'timeZone windows'],
  ['windows', 'days from to'],
  ['limits', 'name sum usage max per scope exceeded'],
  ['approval', 'groups wait expires'],
  ['source', 'vault awsSecretsManager file'],
  ['vault', 'address caBundle namespace auth store role kv dynamic'],
  [
    'awsSecretsManager',
    'region endpoint stsEndpoint caBundle fips store secretId versionStage versionId binary field fields roleArn auth',
  ],
  ['file', 'path volume field fields'],
  ['volume', 'secret csi'],
  ['auth', 'kubernetes jwt appRole webIdentity podIdentity staticKeys'],
  ['appRole', 'mount secretId'],
  ['secretId', 'secret key wrapped'],
  ['kv', 'mount path version field fields'],
  ['dynamic', 'path field fields'],
  ['allow', 'hosts destination methods paths inject'],
  [
    'inject',
    'bearer basic header query path body awsSigV4 oauth1 hmac oauth2 githubApp googleServiceAccount',
  ],
  ['basic', 'username fields'],
  ['header', 'name prefix'],
  ['hmac.query', 'name value'],
  ['awsSigV4', 'service regions accessKeyId fields'],
  ['oauth1', 'signatureMethod consumerKey token realm fields'],
  ['hmac', 'algorithm keyEncoding canonical digest timestamp headers query fields'],
  ['oauth2', 'tokenEndpoint clientCredentials refreshToken jwtBearer scopes parameters fields'],
  ['tokenEndpoint', 'url destination path'],
  ['clientCredentials', 'clientId authentication'],
  ['refreshToken', 'clientId authentication rotating'],
  ['jwtBearer', 'algorithm issuer subject audience keyId'],
  ['githubApp', 'appId installationId repositories permissions endpoint fields'],
  ['endpoint', 'destination path'],
  ['googleServiceAccount', 'scopes audience subject tokenEndpoint'],
  ['service', 'namespace name port scheme'],
  ['host', 'name port scheme cidrs'],
  ['cases', 'name time used request expect'],
  ['request', 'method url headers json form body base64 placeholder'],
  ['expect', 'action reason rule credential'],
];

const byContext = new Map(
  orders.map(([context, keys]) => [context, new Map(keys.split(' ').map((key, at) => [key, at]))]),
);

/** Below these, names are the author's, and the order of a JSON body is what would be sent. */
const authored = new Set([
  'labels',
  'annotations',
  'matchLabels',
  'namespaceLabels',
  'parameters',
  'permissions',
  'used',
  'json',
  'form',
]);

/**
 * The place of each known key in one map, or null where the author's order stands.
 * @param path keys from the top of the object to the map, without the indexes of lists.
 */
export function keyOrder(kind: string, path: readonly string[]): ReadonlyMap<string, number> | null {
  if (path.some((key) => authored.has(key))) return null;
  const [last = '', parent = ''] = path.toReversed();
  if (kind === 'PolicyTest' && parent === 'request' && last === 'headers') return null;
  if (last === 'fields') return null;
  if (last === 'spec' && path.length === 1) return byContext.get(`${kind}.spec`) ?? null;
  if (parent === 'hmac' && last === 'headers') return null;
  return byContext.get(parent === 'fields' ? 'fields.*' : `${parent}.${last}`) ?? byContext.get(last) ?? null;
}
