// Endpoints that mint credentials wherever the software runs that has them: paths as exact as that software has them, so
// that no ordinary API is caught.

import type { MintingEndpoint } from './endpoint.ts';

export const anywhereEndpoints: readonly MintingEndpoint[] = [
  // RFC 6749 names no path; these are those of the common servers and providers.
  {
    name: 'an OAuth token endpoint',
    paths: [
      '/oauth/access_token',
      '/oauth/accesstoken',
      '/oauth/request_token',
      '/oauth/token',
      '/oauth/tokens',
      '/oauth/token-request',
      '/oauth/v1/token',
      '/oauth/v2/accesstoken',
      '/oauth/v2/token',
      '/oauth/oauth20/token',
      '/oauth2/access_token',
      '/oauth2/accesstoken',
      '/oauth2/token',
      '/oauth2/tokens',
      '/oauth2/v1/token',
      '/oauth2/v2.0/token',
      '/oauth2/*/v1/token',
      '/*/oauth2/token',
      '/*/oauth2/v2.0/token',
      '/*/*/oauth2/v2.0/token',
      '/api/oauth/token',
      '/api/oauth2/token',
      '/auth/oauth/token',
      '/auth/oauth2/token',
      '/v1/oauth/token',
      '/v1/oauth2/token',
      '/v2/oauth/token',
      '/v2/oauth2/token',
      '/connect/token',
      '/as/token',
      '/as/token.oauth2',
      '/oidc/token',
      '/oidc/v1/token',
      '/oidc/accounts/*/v1/token',
      '/login/oauth/access_token',
      '/login/oauth2/access_token',
      '/site/oauth2/access_token',
      '/admin/oauth/access_token',
      '/services/oauth2/token',
      '/oauth_token.do',
    ],
  },
  // https://www.keycloak.org/securing-apps/oidc-layers
  {
    name: 'a Keycloak token endpoint',
    paths: ['/realms/*/protocol/openid-connect/token', '/auth/realms/*/protocol/openid-connect/token'],
  },
  // https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md: answers with pre-signed addresses or tokens.
  { name: 'a git-LFS batch', paths: ['/**/info/lfs/objects/batch'] },
  // https://docs.github.com/en/enterprise-server/rest/apps/apps
  {
    name: 'a GitHub Enterprise Server token endpoint',
    paths: [
      '/api/v3/app/installations/*/access_tokens',
      '/api/v3/app-manifests/*/conversions',
      '/api/v3/applications/*/token',
      '/api/v3/applications/*/token/scoped',
      '/api/v3/repos/*/*/actions/runners/*-token',
      '/api/v3/repos/*/*/actions/runners/generate-jitconfig',
      '/api/v3/orgs/*/actions/runners/*-token',
      '/api/v3/orgs/*/actions/runners/generate-jitconfig',
      '/api/v3/enterprises/*/actions/runners/*-token',
      '/api/v3/enterprises/*/actions/runners/generate-jitconfig',
    ],
  },
  // https://docs.gitlab.com/api/personal_access_tokens/ and its siblings; runners: /api/runners/
  {
    name: 'a GitLab token endpoint',
    paths: [
      '/api/v4/personal_access_tokens/**',
      '/api/v4/user/personal_access_tokens',
      '/api/v4/users/*/personal_access_tokens',
      '/api/v4/users/*/impersonation_tokens',
      '/api/v4/**/access_tokens/**',
      '/api/v4/**/deploy_tokens',
      '/api/v4/projects/**/triggers',
      '/api/v4/groups/*/service_accounts/*/personal_access_tokens/**',
      '/api/v4/user/runners',
      '/api/v4/**/reset_registration_token',
      '/api/v4/runners/*/reset_authentication_token',
      '/api/v4/runners/reset_authentication_token',
      '/api/v4/session',
      '/jwt/auth',
    ],
  },
  // https://developer.hashicorp.com/vault/api-docs/auth, of Vault and OpenBao; a mount may have several segments.
  {
    name: 'a Vault login or token',
    paths: [
      '/v1/auth/**/login',
      '/v1/auth/**/login/*',
      '/v1/auth/**/oidc/callback',
      '/v1/auth/token/create*',
      '/v1/auth/token/create/*',
      '/v1/auth/**/role/*/secret-id',
      '/v1/auth/**/role/*/custom-secret-id',
      '/v1/sys/wrapping/unwrap',
      '/v1/sys/wrapping/rewrap',
      '/v1/identity/oidc/token/*',
      '/v1/identity/oidc/provider/*/token',
    ],
  },
  // https://developer.hashicorp.com/consul/api-docs/acl, https://developer.hashicorp.com/nomad/api-docs/acl/tokens
  {
    name: 'a Consul or Nomad token',
    paths: [
      '/v1/acl/bootstrap',
      '/v1/acl/login',
      '/v1/acl/token',
      '/v1/acl/token/*/clone',
      '/v1/acl/token/onetime',
    ],
  },
  // https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
  {
    name: 'a Kubernetes ServiceAccount token',
    paths: ['/api/v1/namespaces/*/serviceaccounts/*/token'],
  },
  // https://argo-cd.readthedocs.io/en/stable/developer-guide/api-docs/
  {
    name: 'an Argo CD token',
    paths: ['/api/v1/account/*/token', '/api/v1/projects/*/roles/*/token'],
  },
  // https://docs.gitea.com/development/api-usage
  {
    name: 'a Gitea or Forgejo token',
    paths: ['/api/v1/users/*/tokens', '/api/v1/**/actions/runners/registration-token'],
  },
  // https://confluence.atlassian.com/enterprise/using-personal-access-tokens-1026032365.html
  {
    name: 'an Atlassian Data Center token',
    paths: [
      '/rest/pat/latest/tokens',
      '/rest/pat/1.0/tokens',
      '/rest/access-tokens/*/**',
      '/plugins/servlet/oauth/access-token',
    ],
  },
  // https://grafana.com/docs/grafana/latest/developers/http_api/serviceaccount/
  { name: 'a Grafana token', paths: ['/api/serviceaccounts/*/tokens', '/api/auth/keys'] },
  // https://docs.snowflake.com/en/user-guide/authentication
  { name: 'a Snowflake login', paths: ['/session/v1/login-request', '/session/token-request'] },
  // https://jfrog.com/help/r/jfrog-rest-apis/create-token
  {
    name: 'a JFrog token',
    paths: [
      '/access/api/v1/tokens',
      '/access/api/v1/oidc/token',
      '/artifactory/api/security/token',
      '/artifactory/api/security/apikey',
    ],
  },
  // https://goharbor.io/docs/latest/working-with-projects/project-configuration/create-robot-accounts/
  { name: 'a Harbor robot or token', paths: ['/api/v2.0/robots', '/api/v2.0/robots/*', '/service/token'] },
  // https://docs.databricks.com/api/workspace/tokens
  {
    name: 'a Databricks token',
    paths: ['/api/2.0/token/create', '/api/2.0/token-management/on-behalf-of/tokens'],
  },
];
