import base64
import json
import os

import boto3
from botocore.config import Config

ACTIONS = {"getObject": "get_object", "putObject": "put_object"}
s3 = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))


def refuse(why):
    return {"statusCode": 400, "headers": {"Content-Type": "application/json"}, "body": json.dumps({"error": why})}


def handler(event, context):
    body = event.get("body") or ""
    try:
        asked = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except ValueError:
        return refuse("the body is not a JSON object")
    if not isinstance(asked, dict):
        return refuse("the body is not a JSON object")
    key, action = asked.get("object_key"), asked.get("action")
    if not isinstance(key, str) or not key:
        return refuse("object_key is missing")
    if action not in ACTIONS:
        return refuse("action must be putObject or getObject")
    url = s3.generate_presigned_url(ACTIONS[action], {"Bucket": os.environ["BUCKET"], "Key": key}, ExpiresIn=100)
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": url}
