// A client of Google's APIs as its documentation has it: application default credentials.
import { GoogleAuth } from 'google-auth-library';

const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/devstorage.read_only'] });
const client = await auth.getClient();
const { data } = await client.request({ url: 'https://storage.googleapis.com/storage/v1/b/acme/o' });
console.log(JSON.stringify(data));
