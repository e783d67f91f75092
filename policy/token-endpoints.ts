// Where a credential may be exchanged for a token without an AgentDestination. A client's secret is sent there, so each
// host is one at which every path is the provider's own: never one where a stranger can have a tenant, such as
// *.auth0.com, *.okta.com or *.my.salesforce.com, and at which a secret could end with whoever answers for that tenant.

export interface TokenEndpoint {
  readonly provider: string;
  readonly url: string;
}

/** Compared to the letter: nothing is added to these, and nothing is left out. */
export const tokenEndpoints: readonly TokenEndpoint[] = [
  // https://ims-na1.adobelogin.com/ims/.well-known/openid-configuration
  { provider: 'Adobe', url: 'https://ims-na1.adobelogin.com/ims/token/v3' },
  // https://airtable.com/developers/web/api/oauth-reference
  { provider: 'Airtable', url: 'https://airtable.com/oauth2/v1/token' },
  // https://developer.amazon.com/docs/login-with-amazon/retrieve-token-other-platforms-cbl-docs.html
  { provider: 'Amazon', url: 'https://api.amazon.com/auth/o2/token' },
  { provider: 'Amazon', url: 'https://api.amazon.co.uk/auth/o2/token' },
  { provider: 'Amazon', url: 'https://api.amazon.co.jp/auth/o2/token' },
  // https://platform.claude.com/docs/en/manage-claude/wif-reference
  { provider: 'Anthropic', url: 'https://api.anthropic.com/v1/oauth/token' },
  // https://developers.asana.com/docs/oauth
  { provider: 'Asana', url: 'https://app.asana.com/-/oauth_token' },
  // https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
  { provider: 'Atlassian', url: 'https://auth.atlassian.com/oauth/token' },
  // https://github.com/basecamp/api/blob/master/sections/authentication.md
  { provider: 'Basecamp', url: 'https://launchpad.37signals.com/authorization/token' },
  // https://developer.atlassian.com/cloud/bitbucket/oauth-2/
  { provider: 'Bitbucket', url: 'https://bitbucket.org/site/oauth2/access_token' },
  // https://developer.box.com/reference/post-oauth2-token/
  { provider: 'Box', url: 'https://api.box.com/oauth2/token' },
  // https://developer.calendly.com/how-to-authenticate-with-oauth
  { provider: 'Calendly', url: 'https://auth.calendly.com/oauth/token' },
  // https://www.canva.dev/docs/connect/authentication/
  { provider: 'Canva', url: 'https://api.canva.com/rest/v1/oauth/token' },
  // https://developer.clickup.com/docs/authentication
  { provider: 'ClickUp', url: 'https://api.clickup.com/api/v2/oauth/token' },
  // https://docs.digitalocean.com/reference/api/oauth/
  { provider: 'DigitalOcean', url: 'https://cloud.digitalocean.com/v1/oauth/token' },
  // https://discord.com/developers/docs/topics/oauth2
  { provider: 'Discord', url: 'https://discord.com/api/oauth2/token' },
  // https://developers.docusign.com/platform/auth/
  { provider: 'DocuSign', url: 'https://account.docusign.com/oauth/token' },
  { provider: 'DocuSign, demo', url: 'https://account-d.docusign.com/oauth/token' },
  // https://www.dropbox.com/developers/documentation/http/documentation#oauth2-token
  { provider: 'Dropbox', url: 'https://api.dropboxapi.com/oauth2/token' },
  // https://developers.figma.com/docs/rest-api/authentication/
  { provider: 'Figma', url: 'https://api.figma.com/v1/oauth/token' },
  { provider: 'Figma', url: 'https://api.figma.com/v1/oauth/refresh' },
  // https://dev.fitbit.com/build/reference/web-api/authorization/oauth2-token/
  { provider: 'Fitbit', url: 'https://api.fitbit.com/oauth2/token' },
  // https://dev.frontapp.com/docs/oauth
  { provider: 'Front', url: 'https://app.frontapp.com/oauth/token' },
  // https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
  { provider: 'GitHub', url: 'https://github.com/login/oauth/access_token' },
  // https://docs.gitlab.com/api/oauth2/
  { provider: 'GitLab.com', url: 'https://gitlab.com/oauth/token' },
  // https://accounts.google.com/.well-known/openid-configuration; the others are in older key files and libraries.
  { provider: 'Google', url: 'https://oauth2.googleapis.com/token' },
  { provider: 'Google', url: 'https://www.googleapis.com/oauth2/v4/token' },
  { provider: 'Google', url: 'https://accounts.google.com/o/oauth2/token' },
  // https://docs.gusto.com/app-integrations/docs/oauth2
  { provider: 'Gusto', url: 'https://api.gusto.com/oauth/token' },
  // https://devcenter.heroku.com/articles/oauth
  { provider: 'Heroku', url: 'https://id.heroku.com/oauth/token' },
  // https://developers.hubspot.com/docs/api/oauth/tokens
  { provider: 'HubSpot', url: 'https://api.hubapi.com/oauth/v1/token' },
  // https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0
  { provider: 'Intuit QuickBooks', url: 'https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer' },
  // https://linear.app/developers/oauth-2-0-authentication
  { provider: 'Linear', url: 'https://api.linear.app/oauth/token' },
  // https://learn.microsoft.com/en-us/linkedin/shared/authentication/client-credentials-flow
  { provider: 'LinkedIn', url: 'https://www.linkedin.com/oauth/v2/accessToken' },
  // https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/
  { provider: 'Mailchimp', url: 'https://login.mailchimp.com/oauth2/token' },
  // https://developers.miro.com/docs/getting-started-with-oauth
  { provider: 'Miro', url: 'https://api.miro.com/v1/oauth/token' },
  // https://developer.monday.com/apps/docs/oauth
  { provider: 'monday.com', url: 'https://auth.monday.com/oauth2/token' },
  // https://developers.notion.com/docs/authorization
  { provider: 'Notion', url: 'https://api.notion.com/v1/oauth/token' },
  // https://developer.pagerduty.com/docs/app-oauth-token; the other is that of OAuth for users.
  { provider: 'PagerDuty', url: 'https://identity.pagerduty.com/oauth/token' },
  { provider: 'PagerDuty', url: 'https://app.pagerduty.com/oauth/token' },
  // https://developer.paypal.com/api/rest/authentication/
  { provider: 'PayPal', url: 'https://api-m.paypal.com/v1/oauth2/token' },
  { provider: 'PayPal', url: 'https://api.paypal.com/v1/oauth2/token' },
  { provider: 'PayPal, sandbox', url: 'https://api-m.sandbox.paypal.com/v1/oauth2/token' },
  // https://developers.pinterest.com/docs/api/v5/oauth-token/
  { provider: 'Pinterest', url: 'https://api.pinterest.com/v5/oauth/token' },
  // https://pipedrive.readme.io/docs/marketplace-oauth-authorization
  { provider: 'Pipedrive', url: 'https://oauth.pipedrive.com/oauth/token' },
  // https://github.com/reddit-archive/reddit/wiki/OAuth2
  { provider: 'Reddit', url: 'https://www.reddit.com/api/v1/access_token' },
  // https://developers.ringcentral.com/guide/authentication
  { provider: 'RingCentral', url: 'https://platform.ringcentral.com/restapi/oauth/token' },
  // https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm
  { provider: 'Salesforce', url: 'https://login.salesforce.com/services/oauth2/token' },
  { provider: 'Salesforce, sandboxes', url: 'https://test.salesforce.com/services/oauth2/token' },
  // https://docs.slack.dev/authentication/installing-with-oauth
  { provider: 'Slack', url: 'https://slack.com/api/oauth.v2.access' },
  // https://developers.smartsheet.com/api/smartsheet/guides/advanced-topics/oauth-walkthrough
  { provider: 'Smartsheet', url: 'https://api.smartsheet.com/2.0/token' },
  // https://developer.spotify.com/documentation/web-api/tutorials/client-credentials-flow
  { provider: 'Spotify', url: 'https://accounts.spotify.com/api/token' },
  // https://developer.squareup.com/reference/square/o-auth-api/obtain-token
  { provider: 'Square', url: 'https://connect.squareup.com/oauth2/token' },
  { provider: 'Square, sandbox', url: 'https://connect.squareupsandbox.com/oauth2/token' },
  // https://developers.strava.com/docs/authentication/
  { provider: 'Strava', url: 'https://www.strava.com/api/v3/oauth/token' },
  { provider: 'Strava', url: 'https://www.strava.com/oauth/token' },
  // https://docs.stripe.com/connect/oauth-reference
  { provider: 'Stripe Connect', url: 'https://connect.stripe.com/oauth/token' },
  // https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/
  { provider: 'Twitch', url: 'https://id.twitch.tv/oauth2/token' },
  // https://www.typeform.com/developers/get-started/applications/
  { provider: 'Typeform', url: 'https://api.typeform.com/oauth/token' },
  // https://developer.webex.com/docs/integrations
  { provider: 'Webex', url: 'https://webexapis.com/v1/access_token' },
  // https://developers.webflow.com/data/reference/oauth-app
  { provider: 'Webflow', url: 'https://api.webflow.com/oauth/access_token' },
  // https://developers.wrike.com/oauth-20-authorization/
  { provider: 'Wrike', url: 'https://login.wrike.com/oauth2/token' },
  // https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
  { provider: 'X', url: 'https://api.x.com/2/oauth2/token' },
  { provider: 'X', url: 'https://api.twitter.com/2/oauth2/token' },
  // https://developer.xero.com/documentation/guides/oauth2/auth-flow/
  { provider: 'Xero', url: 'https://identity.xero.com/connect/token' },
  // https://www.zoho.com/accounts/protocol/oauth/multi-dc.html
  { provider: 'Zoho', url: 'https://accounts.zoho.com/oauth/v2/token' },
  { provider: 'Zoho', url: 'https://accounts.zoho.eu/oauth/v2/token' },
  { provider: 'Zoho', url: 'https://accounts.zoho.in/oauth/v2/token' },
  { provider: 'Zoho', url: 'https://accounts.zoho.com.au/oauth/v2/token' },
  { provider: 'Zoho', url: 'https://accounts.zoho.jp/oauth/v2/token' },
  // https://developers.zoom.us/docs/integrations/oauth/
  { provider: 'Zoom', url: 'https://zoom.us/oauth/token' },
];

/**
 * Microsoft answers for all tenants itself, in each of its national clouds; a tenant is a GUID or a domain.
 * https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud
 */
export const microsoftHosts: readonly string[] = [
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
];
const microsoftPath =
  /^\/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){1,8})\/oauth2\/v2\.0\/token$/;

/** Whether a credential may be exchanged there though no AgentDestination says so; of the URL as it is written. */
export function isShippedTokenEndpoint(url: string): boolean {
  if (tokenEndpoints.some((endpoint) => endpoint.url === url)) return true;
  const host = microsoftHosts.find((each) => url.startsWith(`https://${each}/`));
  return host !== undefined && microsoftPath.test(url.slice(`https://${host}`.length));
}
