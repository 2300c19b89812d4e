"""S3 through boto3 and plain HTTP: objects, listings, uploads in parts, pre-signed URLs, policies."""

import base64
import gzip
import hashlib
import http.client
import io
import json
import re
import urllib.parse
import zlib
from datetime import datetime, timedelta, timezone

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from support import REGION, document, eventually, fetch, in_threads, refused

MIB = 1024 * 1024
PART = 5 * MIB


def noise(size, seed=1):
    """Bytes that do not repeat, the same for the same seed."""
    return hashlib.shake_128(str(seed).encode()).digest(size)


def code_of(body):
    """The code in S3's error XML."""
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>'), body
    assert re.search(rb"<RequestId>[^<]+</RequestId>", body), body
    return re.search(rb"<Error><Code>(\w+)</Code>", body.replace(b"\n", b""))[1].decode()


def keys(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def read(s3, bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


# ---- buckets ------------------------------------------------------------------------------------------


def test_buckets(s3, name):
    made = s3.create_bucket(Bucket=name)
    assert made["Location"] == f"/{name}"
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == REGION
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    with refused("404", 404):
        s3.head_bucket(Bucket=name)
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=name)
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket=name, Key="k", Body=b"x")


def test_a_bucket_name_is_one_account_s(server, s3, bucket, name):
    s3.create_bucket(Bucket=bucket)  # again, by its owner in us-east-1: no error, as on S3
    with refused("BucketAlreadyExists", 409):
        server.client("s3", key=("222222222222", "test")).create_bucket(Bucket=bucket)
    west = server.client("s3", region="eu-west-1")
    where = {"LocationConstraint": "eu-west-1"}
    west.create_bucket(Bucket=f"{name}-west", CreateBucketConfiguration=where)
    assert west.get_bucket_location(Bucket=f"{name}-west")["LocationConstraint"] == "eu-west-1"
    with refused("BucketAlreadyOwnedByYou", 409):
        west.create_bucket(Bucket=f"{name}-west", CreateBucketConfiguration=where)


@pytest.mark.parametrize("bad", ["ab", "Upper", "under_score", "-dash", "192.168.5.4", "a..b", "xn--abc", "a" * 64])
def test_bad_bucket_names(server, bad):
    with refused("InvalidBucketName", 400):
        server.client("s3").create_bucket(Bucket=bad)


def test_bucket_tags(s3, bucket):
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_encryption_is_there_and_can_be_asked_for(s3, bucket):
    def algorithm():
        rule, = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        return rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]

    assert algorithm() == "AES256"
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    assert algorithm() == "AES256"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert algorithm() == "AES256"
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    with pytest.raises(ClientError):
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "mine"}}]})
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="k2", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")


@pytest.mark.parametrize("call, arguments", [
    ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}})])
def test_what_is_not_implemented_says_so(s3, bucket, call, arguments):
    with refused("NotImplemented", 501):
        getattr(s3, call)(Bucket=bucket, **arguments)


# ---- objects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MIB + 1])
def test_put_get_head_delete(s3, bucket, size):
    body = noise(size)
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    put = s3.put_object(Bucket=bucket, Key="a/b", Body=body, ContentType="text/x-test", CacheControl="no-cache",
                        ContentDisposition="inline", ContentLanguage="en", Metadata={"one": "1", "two": "zwei"})
    assert put["ETag"] == etag
    for found in (s3.get_object(Bucket=bucket, Key="a/b"), s3.head_object(Bucket=bucket, Key="a/b")):
        assert (found["ETag"], found["ContentLength"], found["ContentType"]) == (etag, size, "text/x-test")
        assert (found["CacheControl"], found["ContentDisposition"], found["ContentLanguage"]) == ("no-cache", "inline", "en")
        assert found["Metadata"] == {"one": "1", "two": "zwei"} and found["AcceptRanges"] == "bytes"
    assert read(s3, bucket, "a/b") == body
    assert s3.delete_object(Bucket=bucket, Key="a/b")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.delete_object(Bucket=bucket, Key="a/b")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="a/b")
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="a/b")


@pytest.mark.parametrize("key", ["plain", "a b+c", "ü/世界", "a//b", "%2F%", "q?x=1&y#z", "..", "a/../b", "'\"<>&", "tail/",
                                 "x" * 1024, "line\nand\ttab", "\U0001f680", "e\u0301"])
def test_keys_are_kept_as_they_are(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert read(s3, bucket, key) == key.encode()
    assert keys(s3.list_objects_v2(Bucket=bucket)) == [key]
    assert keys(s3.list_objects(Bucket=bucket)) == [key]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_keys_that_xml_cannot_say(s3, bucket):
    """Listings give them encoded, as boto3 asks for; deleting many cannot name them: S3 answers MalformedXML
    (boto3 issue 2005)."""
    key = "\x01\x7f"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert read(s3, bucket, key) == b"x"
    assert keys(s3.list_objects_v2(Bucket=bucket)) == [key]
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="\x01")) == [key]
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert read(s3, bucket, key) == b"x"
    s3.delete_object(Bucket=bucket, Key=key)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_an_upload_of_such_a_key(s3, bucket):
    """S3 names it by a reference that lenient parsers take (botocore issue 3496): what was begun is no error."""
    url = s3.generate_presigned_url("create_multipart_upload", Params={"Bucket": bucket, "Key": "bell\x07"})
    status, _, body = fetch(url, "POST", b"")
    assert status == 200 and re.search(rb"<Key>bell&#(x7|x07|7);</Key>", body), body
    upload = re.search(rb"<UploadId>([^<]+)</UploadId>", body)[1].decode()
    listed, = s3.list_multipart_uploads(Bucket=bucket, EncodingType="url")["Uploads"]
    assert (listed["Key"], listed["UploadId"]) == ("bell%07", upload)
    s3.abort_multipart_upload(Bucket=bucket, Key="bell\x07", UploadId=upload)


def test_a_key_that_is_too_long(s3, bucket):
    with refused("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key="x" * 1025, Body=b"")


def test_the_last_of_many_writers_wins_and_no_body_is_mixed(s3, server, bucket):
    bodies = [noise(200_000, seed) for seed in range(8)]
    in_threads(8, lambda n: s3.put_object(Bucket=bucket, Key="k", Body=bodies[n]))
    assert read(s3, bucket, "k") in bodies


def test_ranges(s3, bucket):
    body = noise(200_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for asked, start, end in (("bytes=0-4", 0, 5), ("bytes=65530-65545", 65_530, 65_546), ("bytes=-5", 199_995, 200_000),
                              ("bytes=199999-", 199_999, 200_000), ("bytes=100-999999", 100, 200_000)):
        got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"] == f"bytes {start}-{end - 1}/200000" and got["ContentLength"] == end - start
        assert got["Body"].read() == body[start:end]
    with refused("InvalidRange", 416):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=200000-")
    # What is no range is ignored (RFC 9110, 14.2).
    assert read(s3, bucket, "k", Range="lines=1-2") == body
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-9")["ContentLength"] == 10


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert read(s3, bucket, "k", IfMatch=etag) == b"one"
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified.replace(year=2001))
    with refused("304", 304):
        s3.head_object(Bucket=bucket, Key="k", IfNoneMatch="*")


def test_conditional_writes(s3, bucket):
    """User Guide, "How to prevent object overwrites with conditional writes"."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="none", Body=b"x", IfMatch=etag)
    assert read(s3, bucket, "k") == b"two"
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second)

    def attempt(n):
        try:
            return s3.put_object(Bucket=bucket, Key="race", Body=str(n).encode(), IfNoneMatch="*") and n
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    winners = [n for n in in_threads(8, attempt) if n is not None]
    assert len(winners) == 1 and read(s3, bucket, "race") == str(winners[0]).encode()


def test_answers_can_be_given_other_headers(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/css", ResponseCacheControl="max-age=1",
                        ResponseContentDisposition='attachment; filename="f"')
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == (
        "text/css", "max-age=1", 'attachment; filename="f"')


def checksums(body):
    def encode(data):
        return base64.b64encode(data).decode()
    return {"ChecksumCRC32": encode(zlib.crc32(body).to_bytes(4, "big")),
            "ChecksumSHA1": encode(hashlib.sha1(body).digest()),
            "ChecksumSHA256": encode(hashlib.sha256(body).digest())}


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums(s3, bucket, algorithm):
    body = noise(100_000)
    member = f"Checksum{algorithm}"
    good = checksums(body)[member]
    assert s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)[member] == good
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == good
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[member] == good and got["Body"].read() == body  # boto3 checks the sum as it reads
    s3.put_object(Bucket=bucket, Key="given", Body=body, **{member: good})
    wrong = checksums(b"other")[member]
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="bad", Body=body, **{member: wrong})
    with refused("NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="bad")


@pytest.mark.parametrize("header", ["x-amz-checksum-crc32", "x-amz-checksum-sha256", "content-md5"])
def test_bodies_that_are_read_whole_are_held_to_their_checksums(server, s3, bucket, header):
    """DeleteObjects and its like: a checksum of another body is refused, and nothing is done."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    sums = {"x-amz-checksum-crc32": lambda b: zlib.crc32(b).to_bytes(4, "big"),
            "x-amz-checksum-sha256": lambda b: hashlib.sha256(b).digest(),
            "content-md5": lambda b: hashlib.md5(b).digest()}

    def delete(of):
        request = botocore.awsrequest.AWSRequest(
            "POST", f"{server.endpoint}/{bucket}?delete", data=body,
            headers={header: base64.b64encode(sums[header](of)).decode()})
        key = botocore.credentials.Credentials(*server.key)
        botocore.auth.S3SigV4Auth(key, "s3", REGION).add_auth(request)
        return fetch(request.url, "POST", body, dict(request.headers))

    status, _, answer = delete(b"another body")
    assert (status, code_of(answer)) == (400, "BadDigest")
    assert read(s3, bucket, "k") == b"x"
    assert delete(body)[0] == 200
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_a_body_that_is_read_whole_with_its_checksum_behind_it(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"

    def delete(of):
        said = base64.b64encode(zlib.crc32(of).to_bytes(4, "big"))
        chunks = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(body), body, said)
        request = botocore.awsrequest.AWSRequest("POST", f"{server.endpoint}/{bucket}?delete", data=chunks, headers={
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32",
            "content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))})
        key = botocore.credentials.Credentials(*server.key)
        signer = botocore.auth.S3SigV4Auth(key, "s3", REGION)
        signer.payload = lambda _: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        signer.add_auth(request)
        return fetch(request.url, "POST", chunks, dict(request.headers))

    status, _, answer = delete(b"another body")
    assert (status, code_of(answer)) == (400, "BadDigest")
    status, _, answer = delete(body)
    assert (status, keys(s3.list_objects_v2(Bucket=bucket))) == (200, []), answer


def test_a_stream_with_its_checksum_behind_it(s3, bucket):
    """A body that cannot be rewound is sent in chunks with a trailer."""
    body = noise(300_000)
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(body), ChecksumAlgorithm="CRC32")
    assert read(s3, bucket, "k", ChecksumMode="ENABLED") == body


def test_md5_of_the_request(s3, bucket):
    def md5(data):
        return base64.b64encode(hashlib.md5(data).digest()).decode()

    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=md5(b"x"))
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="bad", Body=b"x", ContentMD5=md5(b"y"))
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="bad", Body=b"x", ContentMD5="no digest")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k"]


def test_copies(s3, bucket, name):
    body = noise(150_000)
    etag = s3.put_object(Bucket=bucket, Key="a b/ü", Body=body, ContentType="text/x", Metadata={"m": "1"})["ETag"]
    other = f"{name}-other"
    s3.create_bucket(Bucket=other)
    source = {"Bucket": bucket, "Key": "a b/ü"}
    assert s3.copy_object(Bucket=other, Key="copy", CopySource=source)["CopyObjectResult"]["ETag"] == etag
    found = s3.get_object(Bucket=other, Key="copy")
    assert found["Body"].read() == body and found["Metadata"] == {"m": "1"} and found["ContentType"] == "text/x"
    s3.copy_object(Bucket=other, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert s3.head_object(Bucket=other, Key="copy")["Metadata"] == {"n": "2"}
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=other, Key="copy", CopySource=source, CopySourceIfMatch='"no"')
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="a b/ü", CopySource=source)
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=other, Key="copy", CopySource={"Bucket": bucket, "Key": "none"})
    # A copy is on its own.
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    assert read(s3, other, "copy") == body


def test_object_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=two%20words")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [
        {"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}]
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    with pytest.raises(ClientError):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [
            {"Key": str(n), "Value": ""} for n in range(11)]})


def test_delete_many(s3, bucket):
    for n in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x")
    wanted = [{"Key": "k0"}, {"Key": "none"}, {"Key": "k1"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert sorted(d["Key"] for d in answer["Deleted"]) == ["k0", "k1", "none"] and "Errors" not in answer
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k2"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k3", "k4"]
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": []})


# ---- listings -----------------------------------------------------------------------------------------

TREE = ["a", "b/1", "b/2", "b/c/3", "c", "d/4", "d/5", "e ü"]


@pytest.fixture
def tree(s3, bucket):
    for key in reversed(TREE):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def test_list_v2(s3, tree):
    page = s3.list_objects_v2(Bucket=tree)
    assert keys(page) == TREE and page["KeyCount"] == 8 and page["IsTruncated"] is False
    first = page["Contents"][0]
    assert first["Size"] == 1 and first["ETag"] == f'"{hashlib.md5(b"a").hexdigest()}"'
    assert first["StorageClass"] == "STANDARD" and "Owner" not in first
    assert s3.list_objects_v2(Bucket=tree, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert keys(s3.list_objects_v2(Bucket=tree, Prefix="b/")) == ["b/1", "b/2", "b/c/3"]
    assert keys(s3.list_objects_v2(Bucket=tree, StartAfter="b/2")) == TREE[3:]
    folders = s3.list_objects_v2(Bucket=tree, Delimiter="/")
    assert keys(folders) == ["a", "c", "e ü"]
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["b/", "d/"] and folders["KeyCount"] == 5
    within = s3.list_objects_v2(Bucket=tree, Delimiter="/", Prefix="b/")
    assert keys(within) == ["b/1", "b/2"] and within["CommonPrefixes"] == [{"Prefix": "b/c/"}]
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=0)["KeyCount"] == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_list_v2_in_pages(s3, tree, size):
    for arguments, expected in (({}, TREE), ({"Delimiter": "/"}, ["a", "b/", "c", "d/", "e ü"])):
        found, token = [], {}
        while True:
            page = s3.list_objects_v2(Bucket=tree, MaxKeys=size, **arguments, **token)
            found += sorted(keys(page) + [p["Prefix"] for p in page.get("CommonPrefixes", [])])
            assert page["KeyCount"] <= size
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert found == expected
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=tree, ContinuationToken="made up")


@pytest.mark.parametrize("size", [1, 2, 5])
def test_list_v1_in_pages(s3, tree, size):
    found, marker = [], ""
    while True:
        page = s3.list_objects(Bucket=tree, MaxKeys=size, Marker=marker, Delimiter="/")
        found += sorted(keys(page) + [p["Prefix"] for p in page.get("CommonPrefixes", [])])
        if not page["IsTruncated"]:
            break
        marker = page["NextMarker"]
    assert found == ["a", "b/", "c", "d/", "e ü"]
    page = s3.list_objects(Bucket=tree, MaxKeys=3)
    assert page["IsTruncated"] and "NextMarker" not in page  # given only with a delimiter
    assert keys(s3.list_objects(Bucket=tree, Marker=keys(page)[-1])) == TREE[3:]


def test_more_than_a_thousand_keys(s3, bucket):
    expected = [f"{n:05}" for n in range(1050)]

    def put(n):
        for key in expected[n::8]:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")

    in_threads(8, put)
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket))
    assert [len(keys(page)) for page in pages] == [1000, 50]
    assert [key for page in pages for key in keys(page)] == expected


# ---- uploads in parts ---------------------------------------------------------------------------------


def test_upload_and_download_of_20_mb(s3, bucket, tmp_path):
    body = noise(20 * MIB)
    (tmp_path / "up").write_bytes(body)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    s3.upload_file(str(tmp_path / "up"), bucket, "big", Config=config, ExtraArgs={"Metadata": {"m": "1"}})
    sums = b"".join(hashlib.md5(body[n:n + PART]).digest() for n in range(0, len(body), PART))
    found = s3.head_object(Bucket=bucket, Key="big")
    assert found["ETag"] == f'"{hashlib.md5(sums).hexdigest()}-4"'
    assert found["ContentLength"] == len(body) and found["Metadata"] == {"m": "1"}
    s3.download_file(bucket, "big", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    assert read(s3, bucket, "big", Range=f"bytes={PART - 10}-{PART + 9}") == body[PART - 10:PART + 10]
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert part["Body"].read() == body[PART:2 * PART] and part["PartsCount"] == 4
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"] == found["ETag"]


def test_parts_by_hand(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/x")["UploadId"]
    target = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    bodies = {1: noise(PART, 1), 3: noise(PART + 1, 3), 7: b"tail"}
    s3.upload_part(**target, PartNumber=3, Body=b"to be replaced")
    etags = {n: s3.upload_part(**target, PartNumber=n, Body=body)["ETag"] for n, body in bodies.items()}
    listed = [part for page in s3.get_paginator("list_parts").paginate(**target, PaginationConfig={"PageSize": 2})
              for part in page["Parts"]]
    assert [(p["PartNumber"], p["ETag"], p["Size"]) for p in listed] == [
        (n, etags[n], len(body)) for n, body in bodies.items()]
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")

    def complete(*parts):
        return s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [
            {"PartNumber": n, "ETag": etag} for n, etag in parts]})

    with refused("InvalidPartOrder", 400):
        complete((3, etags[3]), (1, etags[1]))
    with refused("InvalidPart", 400):
        complete((1, etags[3]))
    with refused("InvalidPart", 400):
        complete((1, etags[1]), (2, etags[1]))
    with refused("EntityTooSmall", 400):
        complete((1, etags[1]), (7, etags[7]), (9, s3.upload_part(**target, PartNumber=9, Body=b"x")["ETag"]))
    complete((1, etags[1]), (3, etags[3]), (7, etags[7]))
    assert read(s3, bucket, "k") == bodies[1] + bodies[3] + bodies[7]
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x"
    with refused("NoSuchUpload", 404):
        s3.upload_part(**target, PartNumber=1, Body=b"x")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_uploads_that_end_otherwise(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    for number in (0, 10_001):
        with refused("InvalidArgument", 400):
            s3.upload_part(**target, PartNumber=number, Body=b"x")
    with pytest.raises(ClientError):
        s3.complete_multipart_upload(**target, MultipartUpload={"Parts": []})
    s3.upload_part(**target, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**target)
    with refused("NoSuchUpload", 404):
        s3.list_parts(**target)
    with refused("NoSuchUpload", 404):
        s3.abort_multipart_upload(**target)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
    s3.delete_bucket(Bucket=bucket)


def test_a_part_is_copied_from_an_object(s3, bucket):
    body = noise(PART + 1000)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    source = {"CopySource": {"Bucket": bucket, "Key": "source"}}
    parts = [s3.upload_part_copy(**target, **source, PartNumber=1)["CopyPartResult"]["ETag"],
             s3.upload_part_copy(**target, **source, PartNumber=2, CopySourceRange="bytes=10-19")["CopyPartResult"]["ETag"]]
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [
        {"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(parts)]})
    assert read(s3, bucket, "k") == body + body[10:20]


# ---- pre-signed URLs and everybody ----------------------------------------------------------------------


def test_presigned_get_and_put(s3, bucket):
    key = "a b/ü+&"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=100)
    status, headers, _ = fetch(put, "PUT", b"by URL")
    assert status == 200 and headers["ETag"] == f'"{hashlib.md5(b"by URL").hexdigest()}"'
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=100)
    assert fetch(get)[::2] == (200, b"by URL")
    shown = s3.generate_presigned_url("get_object", Params={
        "Bucket": bucket, "Key": key, "ResponseContentType": "text/x"}, ExpiresIn=100)
    assert fetch(shown)[1]["Content-Type"] == "text/x"


def test_signatures_of_version_2_are_refused(server, s3, bucket):
    old = server.client("s3", signature_version="s3")
    status, _, body = fetch(old.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    assert (status, code_of(body)) == (400, "InvalidRequest") and b"AWS4-HMAC-SHA256" in body


def test_altered_urls_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other", Body=b"secret")
    good = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=100)
    altered = [good.replace("/k?", "/other?"), good.replace("X-Amz-Expires=100", "X-Amz-Expires=900"),
               re.sub(r"X-Amz-Signature=.", "X-Amz-Signature=!", good), good + "&response-content-type=text/x"]
    for url in altered:
        status, headers, body = fetch(url)
        assert (status, code_of(body)) == (403, "SignatureDoesNotMatch"), url
        assert headers["Content-Type"] == "application/xml" and b"secret" not in body
    # Signed for GET: good for nothing else.
    assert fetch(good, "PUT", b"y")[0] == 403 and fetch(good, "DELETE")[0] == 403
    for url in (re.sub(r"&X-Amz-Signature=\w+", "", good), good.replace("X-Amz-Expires=100", "X-Amz-Expires=604801")):
        status, _, body = fetch(url)
        assert (status, code_of(body)) == (400, "AuthorizationQueryParametersError"), url
    unknown = good.replace("Credential=test", "Credential=nobody")
    assert code_of(fetch(unknown)[2]) == "InvalidAccessKeyId"
    assert read(s3, bucket, "k") == b"x"


def test_a_signed_header_must_come(s3, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "ContentType": "text/x"},
                                    ExpiresIn=100)
    status, _, body = fetch(url, "PUT", b"x", {"Content-Type": "text/y"})
    assert (status, code_of(body)) == (403, "SignatureDoesNotMatch")
    assert fetch(url, "PUT", b"x", {"Content-Type": "text/x"})[0] == 200
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x"


def test_urls_expire(s3, bucket, monkeypatch):
    """Signed an hour ago: the time that counts is the one in the URL."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: past)

    def sign(method, seconds):
        return s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=seconds)

    assert fetch(sign("get_object", 7200))[::2] == (200, b"x")
    for url, method, data in ((sign("get_object", 100), "GET", None), (sign("put_object", 100), "PUT", b"late")):
        status, _, body = fetch(url, method, data)
        assert (status, code_of(body)) == (403, "AccessDenied") and b"<Message>Request has expired</Message>" in body
        assert b"<X-Amz-Expires>100</X-Amz-Expires>" in body and b"<ServerTime>" in body
    assert fetch(sign("get_object", 7200))[2] == b"x"


def test_anonymous_reading_is_the_bucket_policy_s_to_allow(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="public/a", Body=b"for all")
    s3.put_object(Bucket=bucket, Key="private/a", Body=b"for some")
    url = f"{server.endpoint}/{bucket}"
    status, _, body = fetch(f"{url}/public/a")
    assert (status, code_of(body)) == (403, "AccessDenied")
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)
    policy = document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                       "Resource": f"arn:aws:s3:::{bucket}/public/*"})
    with refused("AccessDenied", 403, "BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)
    assert fetch(f"{url}/public/a")[::2] == (200, b"for all")
    assert fetch(f"{url}/public/a", "HEAD")[0] == 200
    for method, path, data in (("GET", "/private/a", None), ("GET", "", None), ("PUT", "/public/b", b"x"),
                               ("DELETE", "/public/a", None)):
        status, _, body = fetch(url + path, method, data)
        assert (status, code_of(body)) == (403, "AccessDenied"), (method, path)
    s3.delete_bucket_policy(Bucket=bucket)
    assert fetch(f"{url}/public/a")[0] == 403


def test_a_bucket_policy_denies_its_owner_s_users_and_lets_others_in(server, s3, bucket):
    other = server.client("s3", key=("222222222222", "test"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}))
    assert read(other, bucket, "k") == b"x" and keys(other.list_objects_v2(Bucket=bucket)) == ["k"]
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="k", Body=b"y")


@pytest.mark.parametrize("bad", ["no json", "{}", document({"Effect": "Allow", "Principal": "*", "Action": "sqs:*",
                                                           "Resource": "arn:aws:s3:::BUCKET/*"}),
                                 document({"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                                           "Resource": "arn:aws:s3:::another-bucket/*"}),
                                 document({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::BUCKET/*"})])
def test_bad_bucket_policies(s3, bucket, bad):
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy=bad.replace("BUCKET", bucket))


def test_a_host_names_the_bucket(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/k", Body=b"by host")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}))
    address = server.endpoint.split("://")[1]
    port = address.split(":")[1]
    for host in (f"{bucket}.s3.localhost:{port}", f"{bucket}.localhost:{port}",
                 f"{bucket}.s3.us-east-1.amazonaws.com", f"{bucket}.s3.amazonaws.com"):
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/a/k", headers={"Host": host})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"by host"), host
        connection.close()


def test_signed_requests_by_host(server, s3, bucket):
    """As an SDK sends them that puts the bucket in the host; the address is resolved by hand."""
    port = server.endpoint.rsplit(":", 1)[1]
    virtual = boto3.client("s3", endpoint_url=f"http://s3.localhost:{port}", region_name=REGION,
                           aws_access_key_id="test", aws_secret_access_key="test",
                           config=boto3.session.Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"))
    for method, verb, data in (("put_object", "PUT", b"virtual"), ("get_object", "GET", None)):
        url = urllib.parse.urlsplit(virtual.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "k"}))
        assert url.netloc == f"{bucket}.s3.localhost:{port}"
        status, _, body = fetch(f"{server.endpoint}{url.path}?{url.query}", verb, data, {"Host": url.netloc})
        assert status == 200
    assert body == b"virtual"


# ---- promises -----------------------------------------------------------------------------------------


def test_objects_survive_a_kill_and_are_not_readable_on_the_disk(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="files")
    marked = {"small": b"SMALL-MARK" * 10, "large": b"LARGE-MARK" * 100_000}
    for key, body in marked.items():
        s3.put_object(Bucket="files", Key=key, Body=body)
    upload = s3.create_multipart_upload(Bucket="files", Key="parts")["UploadId"]
    target = {"Bucket": "files", "Key": "parts", "UploadId": upload}
    etag = s3.upload_part(**target, PartNumber=1, Body=b"PARTS-MARK" * 20_000)["ETag"]
    own.restart_after_kill()
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    marked["parts"] = b"PARTS-MARK" * 20_000
    own.restart_after_kill()
    assert keys(s3.list_objects_v2(Bucket="files")) == ["large", "parts", "small"]
    for key, body in marked.items():
        assert read(s3, "files", key) == body
    stored = [path.read_bytes() for path in own.directory.rglob("*") if path.is_file()]
    assert sum(map(len, stored)) > 1_000_000
    assert not any(mark in data for data in stored for mark in (b"SMALL-MARK", b"LARGE-MARK", b"PARTS-MARK"))
    own.stop()


def test_deleted_bodies_leave_the_disk(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="files")

    def used():
        return sum(path.stat().st_size for path in (own.directory / "blobs").rglob("*") if path.is_file())

    before = used()
    for n in range(4):
        s3.put_object(Bucket="files", Key="k", Body=noise(2 * MIB, n))
    eventually(lambda: before + 2 * MIB <= used() < before + 3 * MIB, "the end of bodies that were replaced")
    s3.delete_object(Bucket="files", Key="k")
    eventually(lambda: used() == before, "the end of the deleted body")


def test_a_body_of_gzip_stays_as_it_is(s3, bucket):
    packed = gzip.compress(b"packed" * 100)
    s3.put_object(Bucket=bucket, Key="k", Body=packed, ContentEncoding="gzip")
    found = s3.get_object(Bucket=bucket, Key="k")
    assert found["ContentEncoding"] == "gzip" and found["Body"].read() == packed
