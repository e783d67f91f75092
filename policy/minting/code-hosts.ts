// Endpoints that mint credentials of what hosts code, images and packages.

import type { MintingEndpoint } from './endpoint.ts';

export const codeHostEndpoints: readonly MintingEndpoint[] = [
  // GitHub Enterprise Cloud with data residency has api.SUBDOMAIN.ghe.com; Enterprise Server is under any host.
  // https://docs.github.com/en/rest/apps/apps
  {
    name: 'GitHub App tokens',
    hosts: ['api.github.com', 'api.*.ghe.com'],
    paths: [
      '/app/installations/*/access_tokens',
      '/app-manifests/*/conversions',
      '/applications/*/token',
      '/applications/*/token/scoped',
      '/applications/*/tokens/*',
    ],
  },
  // https://docs.github.com/en/rest/actions/self-hosted-runners
  {
    name: 'GitHub runner registration',
    hosts: ['api.github.com', 'api.*.ghe.com'],
    paths: [
      '/repos/*/*/actions/runners/registration-token',
      '/repos/*/*/actions/runners/remove-token',
      '/repos/*/*/actions/runners/generate-jitconfig',
      '/orgs/*/actions/runners/registration-token',
      '/orgs/*/actions/runners/remove-token',
      '/orgs/*/actions/runners/generate-jitconfig',
      '/enterprises/*/actions/runners/registration-token',
      '/enterprises/*/actions/runners/remove-token',
      '/enterprises/*/actions/runners/generate-jitconfig',
    ],
  },
  {
    name: 'GitHub Copilot tokens',
    hosts: ['api.github.com', 'api.*.ghe.com'],
    paths: ['/copilot_internal/v2/token'],
  },
  // https://developer.atlassian.com/cloud/bitbucket/oauth-2/
  { name: 'Bitbucket OAuth', hosts: ['bitbucket.org'], paths: ['/site/oauth2/access_token'] },

  // https://distribution.github.io/distribution/spec/auth/token/
  { name: 'Docker Hub', hosts: ['auth.docker.io'], paths: ['/token'] },
  // https://docs.docker.com/reference/api/hub/latest/
  {
    name: 'Docker Hub tokens',
    hosts: ['hub.docker.com'],
    paths: [
      '/v2/users/login',
      '/v2/users/2fa-login',
      '/v2/auth/token',
      '/v2/access-tokens',
      '/v2/orgs/*/access-tokens',
    ],
  },
  // Each names its endpoint in the WWW-Authenticate of /v2/.
  {
    name: 'Container registries',
    hosts: [
      'ghcr.io',
      'containers.*.ghe.com',
      'public.ecr.aws',
      'registry.gitlab.com',
      'gcr.io',
      '*.gcr.io',
      '*.pkg.dev',
      'mcr.microsoft.com',
      'cgr.dev',
      'registry.k8s.io',
    ],
    paths: ['/token', '/v2/token'],
  },
  // https://learn.microsoft.com/en-us/rest/api/containerregistry/
  {
    name: 'Azure Container Registry',
    hosts: ['*.azurecr.io', '*.azurecr.us', '*.azurecr.cn'],
    paths: ['/oauth2/exchange', '/oauth2/token'],
  },
  {
    name: 'Quay',
    hosts: ['quay.io'],
    paths: [
      '/v2/auth',
      '/oauth2/federation/robot/token',
      '/api/v1/organization/*/robots/*',
      '/api/v1/user/robots/*',
      '/api/v1/user/apptoken',
    ],
  },
  // https://docs.npmjs.com/trusted-publishers, https://github.com/npm/registry
  {
    name: 'npm tokens',
    hosts: ['registry.npmjs.org', 'registry.npmjs.com', 'registry.yarnpkg.com', 'npm.pkg.github.com'],
    paths: [
      '/-/npm/v1/tokens',
      '/-/npm/v1/oidc/token/exchange/package/**',
      '/-/user/org.couchdb.user:*',
      '/-/v1/login',
    ],
  },
  // https://docs.pypi.org/trusted-publishers/using-a-publisher/
  {
    name: 'PyPI tokens',
    hosts: ['pypi.org', 'test.pypi.org'],
    paths: ['/_/oidc/mint-token', '/_/oidc/*/mint-token'],
  },
  // https://crates.io/docs/trusted-publishing
  {
    name: 'crates.io tokens',
    hosts: ['crates.io'],
    paths: ['/api/v1/me/tokens', '/api/v1/trusted_publishing/tokens'],
  },
  // https://guides.rubygems.org/rubygems-org-api-v2/
  {
    name: 'RubyGems keys',
    hosts: ['rubygems.org'],
    paths: [
      '/api/v1/api_key',
      '/api/v1/oidc/trusted_publisher/exchange_token',
      '/api/v1/oidc/api_key_roles/*/assume_role',
    ],
  },
];
