# Reports in S3, with boto3 as its documentation has it.
import json

import boto3

s3 = boto3.client("s3")
place = {"Bucket": "acme-reports", "Key": "weekly/from python.txt"}
s3.put_object(**place, Body=b"a report", ContentType="text/plain")
text = s3.get_object(**place, Range="bytes=2-7")["Body"].read().decode()
keys = [each["Key"] for each in s3.list_objects_v2(Bucket=place["Bucket"], Prefix="weekly/")["Contents"]]
print(json.dumps({"text": text, "keys": keys}))
