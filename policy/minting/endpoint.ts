// What an endpoint that mints credentials is, as an entry of the shipped list. Whoever gets what it answers needs no
// injection any more: neither ceiling nor policy holds for a token that the agent itself has.

export interface MintingEndpoint {
  /** In the words of a refusal and of the documentation. */
  readonly name: string;
  /** Globs as in a rule. At most one of `hosts` and `awsServices`; neither is any host. */
  readonly hosts?: readonly string[];
  /** Codes of services as AWS's host names have them: every host that AWS has for them, in all partitions. */
  readonly awsServices?: readonly string[];
  /** Globs in lower case. Absent: the whole host, where header or body says what is asked for. */
  readonly paths?: readonly string[];
  /** Only requests with this parameter in the query. */
  readonly parameter?: string;
}

/**
 * Domains under which AWS serves: commercial and GovCloud, China, the European Sovereign Cloud and the isolated
 * partitions, each with those of its dual-stack hosts.
 * https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json
 */
const awsDomains = [
  'amazonaws.com',
  'api.aws',
  'amazonaws.com.cn',
  'api.amazonwebservices.com.cn',
  'amazonaws.eu',
  'api.amazonwebservices.eu',
  'c2s.ic.gov',
  'sc2s.sgov.gov',
  'cloud.adc-e.uk',
  'csp.hci.ic.gov',
];

/** Buckets' names come before it, and are anybody's choice. */
const s3Label = /^s3(?:$|-|express-)/;

/**
 * Whether a host of AWS belongs to a service: global, regional, dual-stack, FIPS, or a VPC endpoint
 * (`vpce-1-2.sts.us-east-1.vpce.amazonaws.com`).
 */
export function isAwsHost(host: string, service: string): boolean {
  const domain = awsDomains.find((each) => host.endsWith(`.${each}`));
  if (domain === undefined) return false;
  const name = host.slice(0, -domain.length - 1);
  const labels = name.split('.');
  const s3 = labels.find((label) => s3Label.test(label));
  if (s3 !== undefined) return s3.startsWith('s3-control') ? service === 's3-control' : service === 's3';
  const isEndpoint = labels.at(-1) === 'vpce';
  return [`.${service}.`, `.${service}-fips.`].some((wanted) =>
    isEndpoint ? `.${name}.`.includes(wanted) : `.${name}.`.startsWith(wanted),
  );
}
