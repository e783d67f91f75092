// The strings that AWS resources are made of.

import { matching } from './names.ts';

/** Of any partition: eu-central-1, us-gov-west-1, eusc-de-east-1. */
const regionForm = '[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}';

export function awsRegion() {
  return matching(32, `^${regionForm}$`, 'is no region of AWS: write such as eu-central-1');
}

/** As it stands in a signature: `aws-global` is what some SDKs sign for IAM and the like, `auto` what R2 wants. */
export function signingRegion() {
  return matching(
    32,
    `^(${regionForm}|aws-global|auto)$`,
    'is no region of a signature: write such as eu-central-1, or aws-global or auto where the server wants that',
  );
}

export function roleArn() {
  return matching(
    512,
    '^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$',
    'is no ARN of a role: write such as arn:aws:iam::123456789012:role/agents',
  );
}

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html: the characters of a name. */
export function secretId() {
  return matching(
    640,
    '^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,519}$',
    'is neither name nor ARN of a secret: write such as agents/stripe, or arn:aws:secretsmanager:eu-central-1:123456789012:secret:agents/stripe-AbCdEf, without wildcards',
  );
}

export function versionStage() {
  return matching(
    256,
    '^[A-Za-z0-9_+=.@/-]{1,256}$',
    'is no staging label of a version: write such as AWSCURRENT or AWSPREVIOUS',
  );
}

export function versionId() {
  return matching(
    64,
    '^[A-Za-z0-9-]{32,64}$',
    'is no id of a version: 32 to 64 letters, digits and hyphens, such as EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE',
  );
}
