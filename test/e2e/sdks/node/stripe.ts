// Refunds at Stripe. Its own HTTP client takes no proxy from the environment; that of fetch does.
import { Stripe } from 'stripe';

const stripe = new Stripe(process.env['STRIPE_API_KEY'] ?? '', {
  httpClient: Stripe.createFetchHttpClient(),
  maxNetworkRetries: 0,
});
const refund = await stripe.refunds.create({ charge: 'ch_1', amount: 500 });
console.log(JSON.stringify(refund));
