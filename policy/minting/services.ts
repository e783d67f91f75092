// Endpoints of other services that mint credentials, each at the service's own hosts.

import type { MintingEndpoint } from './endpoint.ts';

export const serviceEndpoints: readonly MintingEndpoint[] = [
  // https://docs.api.slack.com/authentication/oauth-v2, https://docs.slack.dev/reference/methods/apps.connections.open
  {
    name: 'Slack OAuth',
    hosts: ['slack.com', 'www.slack.com', 'slack-gov.com', '*.slack.com'],
    paths: [
      '/api/oauth.access',
      '/api/oauth.token',
      '/api/oauth.v2.access',
      '/api/oauth.v2.exchange',
      '/api/openid.connect.token',
      '/api/tooling.tokens.rotate',
      '/api/apps.connections.open',
      '/api/rtm.connect',
      '/api/rtm.start',
    ],
  },
  // https://docs.stripe.com/api/terminal/connection_tokens, https://docs.stripe.com/issuing/elements#ephemeral-key-authentication
  {
    name: 'Stripe short-lived keys',
    hosts: ['api.stripe.com'],
    paths: [
      '/v1/ephemeral_keys',
      '/v1/terminal/connection_tokens',
      '/v1/account_sessions',
      '/v1/customer_sessions',
    ],
  },
  // https://platform.openai.com/docs/api-reference/admin-api-keys
  {
    name: 'OpenAI keys',
    hosts: ['api.openai.com', '*.api.openai.com'],
    paths: [
      '/v1/organization/admin_api_keys',
      '/v1/organization/projects/*/api_keys',
      '/v1/organization/projects/*/service_accounts',
      '/v1/realtime/client_secrets',
      '/v1/realtime/sessions',
      '/v1/realtime/transcription_sessions',
      '/v1/chatkit/sessions',
    ],
  },
  // https://platform.claude.com/docs/en/api/admin-api/apikeys
  { name: 'Anthropic keys', hosts: ['api.anthropic.com'], paths: ['/v1/organizations/api_keys'] },
  // https://openrouter.ai/docs/api-reference/api-keys/create-api-key
  {
    name: 'OpenRouter keys',
    hosts: ['openrouter.ai'],
    paths: ['/api/v1/keys', '/api/v1/auth/keys', '/api/v1/auth/keys/code'],
  },

  // https://developers.cloudflare.com/api/resources/user/subresources/tokens/
  {
    name: 'Cloudflare tokens',
    hosts: ['api.cloudflare.com'],
    paths: [
      '/client/v4/user/tokens',
      '/client/v4/user/tokens/*/value',
      '/client/v4/accounts/*/tokens',
      '/client/v4/accounts/*/tokens/*/value',
      '/client/v4/*/*/access/service_tokens',
      '/client/v4/*/*/access/service_tokens/*/rotate',
      '/client/v4/accounts/*/cfd_tunnel/*/token',
      '/client/v4/accounts/*/r2/temp-access-credentials',
    ],
  },
  // https://devcenter.heroku.com/articles/platform-api-reference#oauth-authorization
  {
    name: 'Heroku authorizations',
    hosts: ['api.heroku.com', 'id.heroku.com'],
    paths: ['/oauth/authorizations', '/oauth/authorizations/*/actions/regenerate-tokens'],
  },
  // https://docs.digitalocean.com/reference/api/
  {
    name: 'DigitalOcean keys',
    hosts: ['api.digitalocean.com'],
    paths: [
      '/v2/registry/docker-credentials',
      '/v2/registries/*/docker-credentials',
      '/v2/spaces/keys',
      '/v2/tokens',
    ],
  },
  // https://vercel.com/docs/rest-api/authentication/create-an-auth-token
  {
    name: 'Vercel tokens',
    hosts: ['api.vercel.com'],
    paths: [
      '/v2/oauth/access_token',
      '/v3/user/tokens',
      '/v1/installations/*/token',
      '/v1/integrations/sso/token',
    ],
  },
  // https://developer.hashicorp.com/terraform/cloud-docs/api-docs/user-tokens
  {
    name: 'HCP Terraform tokens',
    hosts: ['app.terraform.io', 'app.eu.terraform.io'],
    paths: [
      '/api/v2/*/*/authentication-token',
      '/api/v2/*/*/authentication-tokens',
      '/api/v2/agent-pools/*/authentication-tokens',
    ],
  },
  // https://www.twilio.com/docs/iam/api
  {
    name: 'Twilio keys',
    hosts: ['api.twilio.com', 'api.*.twilio.com', 'api.*.*.twilio.com', 'iam.twilio.com'],
    paths: [
      '/2010-04-01/accounts/*/keys',
      '/2010-04-01/accounts/*/signingkeys',
      '/2010-04-01/accounts/*/tokens',
      '/v1/keys',
      '/v1/token',
    ],
  },
  // https://www.twilio.com/docs/sendgrid/api-reference/api-keys
  { name: 'SendGrid keys', hosts: ['api.sendgrid.com', 'api.eu.sendgrid.com'], paths: ['/v3/api_keys'] },
  // https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApiToken/
  {
    name: 'Okta sessions and tokens',
    hosts: ['*.okta.com', '*.oktapreview.com', '*.okta-emea.com', '*.okta-gov.com'],
    paths: [
      '/api/v1/authn',
      '/api/v1/authn/**',
      '/api/v1/sessions',
      '/api/v1/sessions/**',
      '/oauth2/v1/clients',
      '/oauth2/v1/clients/*/lifecycle/newsecret',
    ],
  },
  // https://auth0.com/docs/api/management/v2/clients/post-rotate-secret
  {
    name: 'Auth0 secrets',
    hosts: ['*.auth0.com', '*.*.auth0.com'],
    paths: ['/api/v2/clients/*/rotate-secret', '/api/v2/clients/*/credentials', '/oauth/ro', '/delegation'],
  },
  // Token endpoints that no credential of ours is exchanged at; those of token-endpoints.ts are all on this list too.
  // https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth
  { name: 'Intercom OAuth', hosts: ['api.intercom.io', 'api.*.intercom.io'], paths: ['/auth/eagle/token'] },
  // https://developer.yahoo.com/oauth2/guide/
  { name: 'Yahoo OAuth', hosts: ['api.login.yahoo.com'], paths: ['/oauth2/get_token'] },
  // https://docs.ramp.com/developer-api/v1/authorization
  { name: 'Ramp OAuth', hosts: ['api.ramp.com', 'demo-api.ramp.com'], paths: ['/developer/v1/token'] },
  // https://developer.apple.com/documentation/signinwithapplerestapi/generate-and-validate-tokens
  {
    name: 'Apple sign-in',
    hosts: ['appleid.apple.com'],
    paths: ['/auth/token', '/auth/oauth2/token', '/auth/oauth2/v2/token'],
  },
  // https://discord.com/developers/docs/topics/oauth2
  {
    name: 'Discord OAuth, other versions',
    hosts: ['discord.com', '*.discord.com'],
    paths: ['/api/*/oauth2/token'],
  },
  // https://developer.ebay.com/api-docs/static/oauth-client-credentials-grant.html
  {
    name: 'eBay OAuth',
    hosts: ['api.ebay.com', 'api.sandbox.ebay.com'],
    paths: ['/identity/v1/oauth2/token'],
  },
];
