// Reports in S3, with the SDK as it is: the agent that it makes for itself takes no proxy from the environment.
import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const s3 = new S3Client({ maxAttempts: 1 });
const place = { Bucket: 'acme-reports', Key: 'weekly/a b+ü.txt' };
await s3.send(new PutObjectCommand({ ...place, Body: 'a report' }));
await s3.send(
  new PutObjectCommand({
    ...place,
    Key: 'weekly/stream',
    Body: Readable.from(['in ', 'parts']),
    ContentLength: 8,
  }),
);
const { Body } = await s3.send(new GetObjectCommand({ ...place, Range: 'bytes=2-7' }));
const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: place.Bucket, Prefix: 'weekly/' }));
console.log(JSON.stringify({ text: await Body?.transformToString(), keys: Contents?.map(({ Key }) => Key) }));
