"""Requester Pays buckets, through boto3.

User guide: "Using Requester Pays general purpose buckets for storage transfers and usage" (anonymous access is not
allowed; owners need not say anything), "Downloading objects from Requester Pays buckets" (403 without
`x-amz-request-payer`, `x-amz-request-charged: requester` where the requester is charged).
"""

import http.client

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import ACCOUNT, REGION, allow, document, make_user, refused, status, unique

OTHER = ("222222222222", "test")
HEADER = "x-amz-request-charged"


def policy(bucket):
    """Everybody may do everything."""
    return document({"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                     "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]})


@pytest.fixture
def paid(s3, bucket):
    """A bucket that is open to all and whose requesters pay."""
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    return bucket


@pytest.fixture
def other(server):
    """Another account."""
    return server.client("s3", key=OTHER)


# Operations whose input says who pays, and whether their answer says who is charged: their pages in the API reference.
CALLS = [
    ("get_object", {"Key": "k"}, True),
    ("head_object", {"Key": "k"}, True),
    ("get_object_attributes", {"Key": "k", "ObjectAttributes": ["ETag"]}, True),
    ("get_object_tagging", {"Key": "k"}, False),
    ("put_object_tagging", {"Key": "k", "Tagging": {"TagSet": []}}, False),
    ("list_objects", {}, True),
    ("list_objects_v2", {}, True),
    ("list_object_versions", {}, True),
    ("list_multipart_uploads", {}, True),
    ("put_object", {"Key": "l", "Body": b"x"}, True),
    ("delete_object", {"Key": "l"}, True),
    ("delete_objects", {"Delete": {"Objects": [{"Key": "l"}]}}, True),
    ("create_multipart_upload", {"Key": "m"}, True)]


@pytest.mark.parametrize("call, arguments, said", CALLS)
def test_requesters_must_be_ready_to_pay(s3, paid, other, call, arguments, said):
    with refused(("AccessDenied", "403"), 403):
        getattr(other, call)(Bucket=paid, **arguments)
    found = getattr(other, call)(Bucket=paid, RequestPayer="requester", **arguments)
    assert (found["ResponseMetadata"]["HTTPHeaders"].get(HEADER) == "requester") is said
    assert HEADER not in getattr(s3, call)(Bucket=paid, **arguments)["ResponseMetadata"]["HTTPHeaders"]


def test_uploads_in_parts_are_paid_for(paid, other):
    pays = {"Bucket": paid, "Key": "m", "RequestPayer": "requester"}
    of = {**pays, "UploadId": other.create_multipart_upload(**pays)["UploadId"]}
    part = other.upload_part(PartNumber=1, Body=b"x", **of)
    copied = other.upload_part_copy(PartNumber=2, CopySource={"Bucket": paid, "Key": "k"}, **of)
    listed = other.list_parts(**of)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = other.complete_multipart_upload(MultipartUpload=parts, **of)
    assert [found["RequestCharged"] for found in (part, copied, listed, done)] == ["requester"] * 4
    without = {"Bucket": paid, "Key": "m", "UploadId": other.create_multipart_upload(**pays)["UploadId"]}
    for call in (lambda: other.upload_part(PartNumber=1, Body=b"x", **without), lambda: other.list_parts(**without),
                 lambda: other.abort_multipart_upload(**without)):
        with refused("AccessDenied", 403):
            call()
    assert other.abort_multipart_upload(RequestPayer="requester", **without)["RequestCharged"] == "requester"


def test_a_copy_is_paid_for_at_both_ends(s3, other, paid, name):
    own = f"{name}-own"
    other.create_bucket(Bucket=own)
    source = {"Bucket": paid, "Key": "k"}
    with refused("AccessDenied", 403):
        other.copy_object(Bucket=own, Key="k", CopySource=source)
    assert other.copy_object(Bucket=own, Key="k", CopySource=source, RequestPayer="requester")["RequestCharged"] == "requester"
    with refused("AccessDenied", 403):
        other.copy_object(Bucket=paid, Key="c", CopySource={"Bucket": own, "Key": "k"})
    copied = other.copy_object(Bucket=paid, Key="c", CopySource={"Bucket": own, "Key": "k"}, RequestPayer="requester")
    assert copied["RequestCharged"] == "requester"


def test_the_owner_s_users_and_nobody(server, s3, paid, iam):
    user = server.client("s3", key=make_user(iam, unique("user"), allow("s3:*")))
    assert HEADER not in user.get_object(Bucket=paid, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert status(f"{server.endpoint}/{paid}/k") == 403
    assert status(f"{server.endpoint}/{paid}/k?x-amz-request-payer=requester") == 403
    s3.put_bucket_request_payment(Bucket=paid, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert status(f"{server.endpoint}/{paid}/k") == 200


def test_a_signed_url_says_it_too(server, paid):
    """"For signed URLs, include x-amz-request-payer=requester in the request"."""
    def url(query):
        request = AWSRequest("GET", f"{server.endpoint}/{paid}/k?{query}")
        S3SigV4QueryAuth(Credentials(*OTHER), "s3", REGION).add_auth(request)
        return request.url

    assert status(url("")) == 403
    signed = url("x-amz-request-payer=requester")
    assert status(signed) == 200
    assert status(signed.replace("=requester", "=Requester")) == 403


def test_it_is_set_and_kept(own):
    s3, bucket = own.client("s3"), unique()
    s3.create_bucket(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    for wrong in ("nobody", ""):
        with refused("MalformedXML", 400):
            s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": wrong})
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket, ExpectedBucketOwner=ACCOUNT)["Payer"] == "Requester"
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    own.restart_after_kill()
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    with refused("AccessDenied", 403):
        own.client("s3", key=OTHER).list_objects_v2(Bucket=bucket)
    # A bucket of the same name, later, is not its heir.
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


def test_logs_do_not_go_there(s3, bucket, name):
    """User guide, "Requester Pays buckets": not as the target of access logs."""
    logged = f"{name}-logged"
    s3.create_bucket(Bucket=logged)
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    with refused("InvalidTargetBucketForLogging", 400):
        s3.put_bucket_logging(Bucket=logged, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": ""}})


def test_a_website_shows_nothing(server, s3, paid):
    """User guide, "Hosting a static website using Amazon S3", "Requester Pays" of website endpoints: 403."""
    s3.put_bucket_website(Bucket=paid, WebsiteConfiguration={"IndexDocument": {"Suffix": "k"}})
    address = server.endpoint.split("://")[1]
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/k", headers={"Host": f"{paid}.s3-website.us-east-1.localhost"})
    answer = connection.getresponse()
    assert answer.status == 403 and b"AccessDenied" in answer.read()
    connection.close()
