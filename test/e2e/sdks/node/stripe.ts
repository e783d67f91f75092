// Refunds at Stripe, with the SDK as it is: the agent that it makes for itself takes no proxy from the environment.
import { Stripe } from 'stripe';

const stripe = new Stripe(process.env['STRIPE_API_KEY'] ?? '', { maxNetworkRetries: 0 });
const refund = await stripe.refunds.create({ charge: 'ch_1', amount: 500 });
console.log(JSON.stringify(refund));
