// Endpoints of cloud platforms that mint credentials.

import type { MintingEndpoint } from './endpoint.ts';

export const cloudEndpoints: readonly MintingEndpoint[] = [
  // Query protocol: the action is a parameter or stands in the body.
  // https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
  { name: 'AWS STS', awsServices: ['sts'] },
  // CreateAccessKey, CreateServiceSpecificCredential, CreateLoginProfile.
  // https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
  { name: 'AWS IAM', awsServices: ['iam'] },
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html
  { name: 'S3 CreateSession', awsServices: ['s3'], parameter: 'session' },
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetDataAccess.html
  {
    name: 'S3 Access Grants',
    awsServices: ['s3-control'],
    paths: ['/v20180820/accessgrantsinstance/dataaccess'],
  },
  // GetCredentialsForIdentity, GetOpenIdToken; InitiateAuth: the action stands in X-Amz-Target.
  // https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
  { name: 'Amazon Cognito', awsServices: ['cognito-identity', 'cognito-idp'] },
  // GetAuthorizationToken: the action stands in X-Amz-Target. Images are pulled from *.dkr.ecr, which is not listed.
  // https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
  { name: 'Amazon ECR', awsServices: ['api.ecr', 'ecr', 'api.ecr-public', 'ecr-public'] },
  // GetClusterCredentials, GetCredentials: the action stands in the body or in X-Amz-Target.
  // https://docs.aws.amazon.com/redshift/latest/APIReference/API_GetClusterCredentials.html
  { name: 'Amazon Redshift', awsServices: ['redshift', 'redshift-serverless'] },
  // https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html
  { name: 'AWS IAM Identity Center OIDC', awsServices: ['oidc'], paths: ['/token', '/client/register'] },
  // https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
  { name: 'AWS IAM Identity Center portal', awsServices: ['portal.sso'] },
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
  {
    name: 'AWS sign-in',
    hosts: [
      'signin.aws.amazon.com',
      '**.signin.aws.amazon.com',
      'signin.amazonaws.cn',
      'signin.amazonaws-us-gov.com',
    ],
  },
  // https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-create-session.html
  { name: 'AWS IAM Roles Anywhere', awsServices: ['rolesanywhere'], paths: ['/sessions'] },
  // https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
  {
    name: 'EKS Pod Identity',
    awsServices: ['eks-auth'],
    paths: ['/clusters/*/assume-role-for-pod-identity'],
  },
  // https://docs.aws.amazon.com/codeartifact/latest/APIReference/API_GetAuthorizationToken.html
  { name: 'AWS CodeArtifact', awsServices: ['codeartifact'], paths: ['/v1/authorization-token'] },
  // https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
  {
    name: 'AWS IoT credentials',
    hosts: ['**.credentials.iot.*.amazonaws.com', '**.credentials.iot.*.amazonaws.com.cn'],
    paths: ['/role-aliases/*/credentials'],
  },
  // https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_GetTemporaryGlueTableCredentials.html
  {
    name: 'AWS Lake Formation',
    awsServices: ['lakeformation'],
    paths: [
      '/assumedecoratedrolewithsaml',
      '/gettemporarydatalocationcredentials',
      '/gettemporarygluepartitioncredentials',
      '/gettemporarygluetablecredentials',
    ],
  },

  // https://developers.google.com/identity/protocols/oauth2/service-account
  {
    name: 'Google OAuth',
    hosts: ['oauth2.googleapis.com', 'oauth2.mtls.googleapis.com'],
    paths: ['/token', '/device/code'],
  },
  {
    name: 'Google OAuth, older addresses',
    hosts: ['www.googleapis.com', 'accounts.google.com'],
    paths: ['/oauth2/v3/token', '/oauth2/v4/token', '/o/oauth2/token', '/o/oauth2/device/code'],
  },
  // https://cloud.google.com/iam/docs/reference/sts/rest
  {
    name: 'Google STS',
    hosts: ['sts.googleapis.com', 'sts.*.rep.googleapis.com', 'sts.mtls.googleapis.com'],
  },
  // https://cloud.google.com/iam/docs/reference/credentials/rest
  {
    name: 'Google service account credentials',
    hosts: [
      'iamcredentials.googleapis.com',
      'iamcredentials.*.rep.googleapis.com',
      'iamcredentials.mtls.googleapis.com',
    ],
  },
  // https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys
  {
    name: 'Google service account keys',
    hosts: ['iam.googleapis.com', 'iam.mtls.googleapis.com'],
    paths: [
      '/v1/projects/*/serviceaccounts/*/keys',
      '/v1/projects/*/serviceaccounts/*/keys:upload',
      '/v1/projects/*/serviceaccounts/*:signblob',
      '/v1/projects/*/serviceaccounts/*:signjwt',
    ],
  },
  // https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys
  {
    name: 'Google API keys',
    hosts: ['apikeys.googleapis.com'],
    paths: ['/v2/projects/*/locations/*/keys', '/v2/projects/*/locations/*/keys/*/keystring'],
  },
  // https://cloud.google.com/storage/docs/json_api/v1/projects/hmacKeys
  {
    name: 'Google Cloud Storage HMAC keys',
    hosts: ['storage.googleapis.com', 'www.googleapis.com'],
    paths: ['/storage/v1/projects/*/hmackeys'],
  },
  // https://firebase.google.com/docs/reference/rest/auth
  {
    name: 'Firebase sign-in',
    hosts: ['identitytoolkit.googleapis.com', 'securetoken.googleapis.com'],
    paths: [
      '/v1/token',
      '/v1/accounts:signinwithcustomtoken',
      '/v1/accounts:signinwithemaillink',
      '/v1/accounts:signinwithidp',
      '/v1/accounts:signinwithpassword',
      '/v1/accounts:signinwithphonenumber',
      '/v1/accounts:signup',
      '/v1/projects/*/accounts',
    ],
  },

  // Every tenant, v1 and v2, device code included, in every national cloud.
  // https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud
  {
    name: 'Microsoft Entra ID',
    hosts: [
      'login.microsoftonline.com',
      '*.login.microsoftonline.com',
      'login.microsoftonline.us',
      'login.partner.microsoftonline.cn',
      'login.chinacloudapi.cn',
      'login.microsoft.com',
      '*.login.microsoft.com',
      'login.windows.net',
      'sts.windows.net',
    ],
    paths: ['/**/oauth2/**'],
  },
  // https://learn.microsoft.com/en-us/onedrive/developer/rest-api/getting-started/msa-oauth
  {
    name: 'Microsoft accounts',
    hosts: ['login.live.com'],
    paths: ['/oauth20_token.srf', '/oauth20_remoteconnect.srf'],
  },
  // https://learn.microsoft.com/en-us/graph/api/application-addpassword
  {
    name: 'Microsoft Graph application secrets',
    hosts: [
      'graph.microsoft.com',
      'graph.microsoft.us',
      '*.graph.microsoft.us',
      'microsoftgraph.chinacloudapi.cn',
    ],
    paths: [
      '/*/applications*/addkey',
      '/*/applications*/addpassword',
      '/*/applications/*/addkey',
      '/*/applications/*/addpassword',
      '/*/serviceprincipals*/addkey',
      '/*/serviceprincipals*/addpassword',
      '/*/serviceprincipals/*/addkey',
      '/*/serviceprincipals/*/addpassword',
      '/*/serviceprincipals/*/addtokensigningcertificate',
    ],
  },
  // listKeys, regenerateKey, listAccountSas, listCredentials of any kind of resource.
  // https://learn.microsoft.com/en-us/rest/api/storagerp/storage-accounts/list-keys
  {
    name: 'Azure resource keys',
    hosts: ['management.azure.com', 'management.usgovcloudapi.net', 'management.chinacloudapi.cn'],
    paths: [
      '/subscriptions/**/list*keys',
      '/subscriptions/**/list*credential',
      '/subscriptions/**/list*credentials',
      '/subscriptions/**/list*secrets',
      '/subscriptions/**/list*sas',
      '/subscriptions/**/list*tokens',
      '/subscriptions/**/regenerate*key',
      '/subscriptions/**/regeneratekeys',
      '/subscriptions/**/regeneratecredential',
      '/subscriptions/**/generatecredentials',
    ],
  },
  // https://learn.microsoft.com/en-us/rest/api/azure/devops/tokens/pats
  { name: 'Azure DevOps access tokens', hosts: ['vssps.dev.azure.com'], paths: ['/*/_apis/tokens/**'] },
];
