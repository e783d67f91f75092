export function isShippedTokenEndpoint(url: string): boolean {
  return url === 'https://oauth2.googleapis.com/token';
}
