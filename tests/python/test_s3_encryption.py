"""Keys that customers keep (SSE-C), bucket keys and ETags, through boto3.

User guide: "Using server-side encryption with customer-provided keys (SSE-C)", "Blocking or unblocking SSE-C for a
general purpose bucket"; API reference: PutBucketEncryption, Object.
"""

import base64
import hashlib
import io
import os

import pytest

from support import refused, unique

KEY, OTHER = b"k" * 32, b"o" * 32
MIB = 1024 * 1024


def sse(key=KEY, prefix="SSE"):
    return {f"{prefix}CustomerAlgorithm": "AES256", f"{prefix}CustomerKey": key}


def by_hand(key=KEY):
    """For the operations whose keys boto3 sends as they are."""
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(key).decode(),
            "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode()}


def allow_keys(s3, bucket, types="NONE", **rule):
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"BlockedEncryptionTypes": {"EncryptionType": [types]}, **rule}]})


@pytest.fixture
def keyed(s3, bucket):
    """A bucket that takes customers' keys."""
    allow_keys(s3, bucket)
    return bucket


def blocked(s3, bucket):
    rule, = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    return rule["BlockedEncryptionTypes"]["EncryptionType"]


def test_new_buckets_refuse_customers_keys(s3, bucket):
    assert blocked(s3, bucket) == ["SSE-C"]
    with refused("AccessDenied", 403, "blocked upload requests that specify Server Side Encryption with Customer"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", **sse())
    allow_keys(s3, bucket)
    assert blocked(s3, bucket) == ["NONE"]
    # A rule that does not speak of it leaves it as it is.
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    assert blocked(s3, bucket) == ["NONE"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **sse())
    allow_keys(s3, bucket, "SSE-C")
    assert s3.get_object(Bucket=bucket, Key="k", **sse())["Body"].read() == b"x"


def test_an_object_opens_to_its_key_alone(s3, keyed):
    body = os.urandom(200_000)
    put = s3.put_object(Bucket=keyed, Key="k", Body=body, **sse())
    assert "ServerSideEncryption" not in put and put["SSECustomerAlgorithm"] == "AES256"
    assert put["SSECustomerKeyMD5"] == by_hand()["SSECustomerKeyMD5"]
    assert put["ETag"].strip('"') != hashlib.md5(body).hexdigest()
    got = s3.get_object(Bucket=keyed, Key="k", Range="bytes=70000-70009", **sse())
    assert got["Body"].read() == body[70000:70010] and got["SSECustomerAlgorithm"] == "AES256"
    assert s3.head_object(Bucket=keyed, Key="k", **sse())["ContentLength"] == len(body)
    found = s3.get_object_attributes(Bucket=keyed, Key="k", ObjectAttributes=["ObjectSize"], **by_hand())
    assert found["ObjectSize"] == len(body)
    with refused("InvalidRequest", 400, "stored using a form of Server Side Encryption"):
        s3.get_object(Bucket=keyed, Key="k")
    with refused("AccessDenied", 403, "must provide the correct secret key"):
        s3.get_object(Bucket=keyed, Key="k", **sse(OTHER))
    with refused("400", 400):
        s3.head_object(Bucket=keyed, Key="k")
    s3.put_object(Bucket=keyed, Key="open", Body=b"x")
    with refused("InvalidRequest", 400, "not applicable to this object"):
        s3.get_object(Bucket=keyed, Key="open", **sse())
    s3.delete_object(Bucket=keyed, Key="k")


def test_copies_change_keys(s3, keyed):
    s3.put_object(Bucket=keyed, Key="one", Body=b"body", **sse())
    source = {"Bucket": keyed, "Key": "one"}
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=keyed, Key="two", CopySource=source)
    copied = s3.copy_object(Bucket=keyed, Key="two", CopySource=source, **sse(OTHER), **sse(prefix="CopySourceSSE"))
    assert copied["SSECustomerAlgorithm"] == "AES256"
    assert s3.get_object(Bucket=keyed, Key="two", **sse(OTHER))["Body"].read() == b"body"
    opened = s3.copy_object(Bucket=keyed, Key="open", CopySource=source, **sse(prefix="CopySourceSSE"))
    assert opened["ServerSideEncryption"] == "AES256"
    assert opened["CopyObjectResult"]["ETag"].strip('"') == hashlib.md5(b"body").hexdigest()


def test_transfer_managers_bring_the_key_along(s3, keyed):
    body = os.urandom(12 * MIB)
    s3.upload_fileobj(io.BytesIO(body), keyed, "k", ExtraArgs=sse())
    out = io.BytesIO()
    s3.download_fileobj(keyed, "k", out, ExtraArgs=sse())
    assert out.getvalue() == body
    upload = s3.create_multipart_upload(Bucket=keyed, Key="parts", ChecksumAlgorithm="SHA256", **sse())["UploadId"]
    part = s3.upload_part(Bucket=keyed, Key="parts", UploadId=upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256", **sse())
    with refused("InvalidRequest", 400, "did not match the ones used originally"):
        s3.upload_part(Bucket=keyed, Key="parts", UploadId=upload, PartNumber=2, Body=b"x", **sse(OTHER))
    with refused("InvalidRequest", 400, "Subsequent part requests must include"):
        s3.upload_part(Bucket=keyed, Key="parts", UploadId=upload, PartNumber=2, Body=b"x")
    assert len(s3.list_parts(Bucket=keyed, Key="parts", UploadId=upload, **by_hand())["Parts"]) == 1
    named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]}
    with refused("InvalidRequest", 400):
        s3.complete_multipart_upload(Bucket=keyed, Key="parts", UploadId=upload, MultipartUpload=named)
    done = s3.complete_multipart_upload(Bucket=keyed, Key="parts", UploadId=upload, MultipartUpload=named, **sse())
    assert "ServerSideEncryption" not in done
    assert s3.get_object(Bucket=keyed, Key="parts", PartNumber=1, **sse())["Body"].read() == b"x"


def test_keys_outlive_no_request(own):
    s3, bucket = own.client("s3"), unique()
    s3.create_bucket(Bucket=bucket)
    allow_keys(s3, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **sse())
    own.restart_after_kill()
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k", **sse())["Body"].read() == b"x"


def test_without_tls_no_key_is_taken(strict):
    s3, bucket = strict.client("s3"), unique()
    s3.create_bucket(Bucket=bucket)
    allow_keys(s3, bucket)
    with refused("InvalidRequest", 400, "must be made over a secure connection"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", **sse())


def test_a_request_says_whether_there_is_a_bucket_key(s3, bucket):
    def put(**more):
        return s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", **more)

    assert "BucketKeyEnabled" not in put()
    assert put(BucketKeyEnabled=True)["BucketKeyEnabled"] is True
    assert s3.head_object(Bucket=bucket, Key="k")["BucketKeyEnabled"] is True
    assert put()["ETag"].strip('"') != hashlib.md5(b"x").hexdigest()
    with refused("NotImplemented", 501, "SSEKMSKeyId"):
        put(SSEKMSKeyId="alias/mine")
