"""S3's errors, row by row: checksums, parts, owners, conditions of ranges, overrides, pre-signed URLs, uploads in parts.

Each table names what it follows: pages of the API reference and the user guide, and where those give no text, the answers
that localstack's tests have recorded from AWS (localstack/localstack, tests/aws/services/s3/*.snapshot.json).
"""

import base64
import hashlib
import html
import re
import urllib.parse
import zlib
from datetime import datetime, timedelta, timezone

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import ACCOUNT, REGION, allow, document, fetch, refused

STRANGER = "999999999999"
MIB = 1024 * 1024
BODY = b"123456789"


def said(answer):
    """Status, code and message of an error."""
    status, _, body = answer
    text = body.decode()
    found = [re.search(f"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message")]
    assert all(found), text
    return status, *[html.unescape(one[1]) for one in found]


def send(server, method, path, body=b"", headers=None, payload=None):
    """A signed request with headers of one's own; the body is not signed unless `payload` says how."""
    request = AWSRequest(method, f"{server.endpoint}/{path}", data=body, headers=headers or {})
    signer = S3SigV4Auth(Credentials(*server.key), "s3", REGION)
    signer.payload = lambda _: payload or "UNSIGNED-PAYLOAD"
    signer.add_auth(request)
    return fetch(request.url, method, body, dict(request.headers))


# ---- checksums ----------------------------------------------------------------------------------------


def crc(width, polynomial, data):
    """A reflected CRC that begins and ends with all bits set."""
    whole = (1 << width) - 1
    value = whole
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    return (value ^ whole).to_bytes(width // 8, "big")


# User guide, "Checking object integrity in Amazon S3": the algorithms, and that the values are base64. The CRCs are
# those of the catalogue of parametrised algorithms: CRC-32/ISCSI and CRC-64/NVME, reflected.
SUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crc(32, 0x82F63B78, data),
    "crc64nvme": lambda data: crc(64, 0x9A6C9329AC4BC9B5, data),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest()}


def sum_of(algorithm, data):
    return base64.b64encode(SUMS[algorithm](data)).decode()


def put_with(server, path, algorithm, value, trailing):
    """A PUT of a body whose checksum is in a header, or behind it."""
    header = f"x-amz-checksum-{algorithm}"
    if not trailing:
        return send(server, "PUT", path, BODY, {header: value})
    chunks = b"%x\r\n%s\r\n0\r\n%s:%s\r\n\r\n" % (len(BODY), BODY, header.encode(), value.encode())
    return send(server, "PUT", path, chunks, {
        "x-amz-trailer": header, "content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY))},
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER")


@pytest.mark.parametrize("trailing", [False, True], ids=["header", "trailer"])
@pytest.mark.parametrize("algorithm", SUMS)
@pytest.mark.parametrize("operation", ["put", "part"])
def test_checksums_are_checked(server, s3, bucket, algorithm, trailing, operation):
    """Messages as recorded: "The CRC32 you specified did not match the calculated checksum." for another value (400
    BadDigest), "Value for x-amz-checksum-crc32 header is invalid." (400 InvalidRequest) for what is none."""
    path, name = f"{bucket}/k", algorithm.upper()
    if operation == "part":
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=name)["UploadId"]
        path += f"?partNumber=1&uploadId={upload}"
    good = sum_of(algorithm, BODY)
    status, headers, body = put_with(server, path, algorithm, good, trailing)
    assert (status, headers[f"x-amz-checksum-{algorithm}"]) == (200, good), body
    assert said(put_with(server, path, algorithm, sum_of(algorithm, b"other"), trailing)) == (
        400, "BadDigest", f"The {name} you specified did not match the calculated checksum.")
    invalid = (400, "InvalidRequest", f"Value for x-amz-checksum-{algorithm} header is invalid.")
    for wrong in ("AAAA", "no base64!", good + "AAAA"):
        found = said(put_with(server, path, algorithm, wrong, trailing))
        assert found == invalid or trailing and found == (400, "InvalidRequest", invalid[2].replace("header", "trailing header"))
    if operation == "put":
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


UNFIT = [
    ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest",
     "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."),
    ({"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": sum_of("crc32", BODY)}, "InvalidRequest",
     "Value for x-amz-sdk-checksum-algorithm header is invalid."),
    ({"x-amz-checksum-sha1": sum_of("sha1", BODY), "x-amz-checksum-crc32": sum_of("crc32", BODY)}, "InvalidRequest",
     "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."),
    ({"content-md5": "bm8gZGlnZXN0"}, "InvalidDigest", "The Content-MD5 you specified was invalid."),
    ({"content-md5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}, "BadDigest",
     "The Content-MD5 you specified did not match what we received.")]


@pytest.mark.parametrize("headers, code, message", UNFIT)
def test_checksums_that_do_not_fit(server, bucket, headers, code, message):
    assert said(send(server, "PUT", f"{bucket}/k", BODY, headers)) == (400, code, message)
    assert fetch(f"{server.endpoint}/{bucket}/k")[0] == 403


def test_a_part_of_another_algorithm(server, s3, bucket):
    """As recorded: "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    found = said(put_with(server, f"{bucket}/k?partNumber=1&uploadId={upload}", "crc32", sum_of("crc32", BODY), False))
    assert found == (400, "InvalidRequest",
                     "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32")


# ---- parts of objects, ranges -------------------------------------------------------------------------


@pytest.fixture
def parts(s3, bucket):
    """An object of two parts, and one in one piece."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="two")["UploadId"]
    target = {"Bucket": bucket, "Key": "two", "UploadId": upload}
    bodies = {1: b"a" * 5 * MIB, 2: b"b"}
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [
        {"PartNumber": n, "ETag": s3.upload_part(**target, PartNumber=n, Body=body)["ETag"]}
        for n, body in bodies.items()]})
    s3.put_object(Bucket=bucket, Key="one", Body=BODY)
    return bucket


# GetObject and HeadObject, `partNumber`: 1 to 10,000, "effectively performs a ranged GET". Recorded: a range beside
# it is InvalidRequest, a part that is not there 416 InvalidPartNumber.
PART_ERRORS = [
    ("two", "partNumber=3", {}, (416, "InvalidPartNumber", "The requested partnumber is not satisfiable")),
    ("one", "partNumber=2", {}, (416, "InvalidPartNumber", "The requested partnumber is not satisfiable")),
    ("two", "partNumber=1", {"range": "bytes=0-1"},
     (400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")),
    ("two", "partNumber=0", {}, (400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")),
    ("two", "partNumber=10001", {}, (400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")),
    ("one", "", {"range": "bytes=9-"}, (416, "InvalidRange", "The requested range is not satisfiable")),
    ("one", "", {"range": "bytes=-0"}, (416, "InvalidRange", "The requested range is not satisfiable"))]


@pytest.mark.parametrize("key, query, headers, expected", PART_ERRORS)
def test_parts_and_ranges_that_are_not_there(server, parts, key, query, headers, expected):
    assert said(send(server, "GET", f"{parts}/{key}?{query}", headers=headers)) == expected
    status, _, body = send(server, "HEAD", f"{parts}/{key}?{query}", headers=headers)
    assert (status, body) == (expected[0], b"")


# Ranges that S3 does not understand it passes over, as RFC 9110, 14.2 has it; of several it takes none.
RANGES = [
    ("two", "partNumber=2", {}, 206, 1, f"bytes {5 * MIB}-{5 * MIB}/{5 * MIB + 1}"),
    ("one", "partNumber=1", {}, 206, 9, "bytes 0-8/9"),
    ("one", "", {"range": "bytes=2-3"}, 206, 2, "bytes 2-3/9"),
    ("one", "", {"range": "bytes=-2"}, 206, 2, "bytes 7-8/9"),
    ("one", "", {"range": "bytes=-100"}, 206, 9, "bytes 0-8/9"),
    ("one", "", {"range": "bytes=7-100"}, 206, 2, "bytes 7-8/9"),
    ("one", "", {"range": "bytes=3-2"}, 200, 9, None),
    ("one", "", {"range": "bytes=0-1,3-4"}, 200, 9, None),
    ("one", "", {"range": "lines=0-1"}, 200, 9, None)]


@pytest.mark.parametrize("key, query, headers, status, length, content_range", RANGES)
def test_parts_and_ranges(server, parts, key, query, headers, status, length, content_range):
    for method in ("GET", "HEAD"):
        found = send(server, method, f"{parts}/{key}?{query}", headers=headers)
        assert (found[0], found[1]["content-length"], found[1]["content-range"]) == (status, str(length), content_range)


def test_if_range(server, s3, parts):
    """RFC 9110, 13.1.5: strong ETags, or the exact date."""
    head = s3.head_object(Bucket=parts, Key="one")
    modified = head["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT")
    earlier = (head["LastModified"] - timedelta(seconds=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for if_range, status in ((head["ETag"], 206), ('"other"', 200), ("W/" + head["ETag"], 200), (modified, 206),
                             (earlier, 200), ("nonsense", 200)):
        found = send(server, "GET", f"{parts}/one", headers={"range": "bytes=0-0", "if-range": if_range})
        assert found[0] == status, if_range


# ---- the owner that is expected -----------------------------------------------------------------------

KEY = {"Key": "k"}
# "If the account ID that you provide does not match the actual owner of the bucket, the request fails with the HTTP
# status code 403 Forbidden (access denied)": `x-amz-expected-bucket-owner` on every operation's page.
OWNED = [
    ("head_bucket", {}), ("get_bucket_location", {}), ("get_bucket_acl", {}), ("get_bucket_versioning", {}),
    ("get_bucket_encryption", {}), ("get_bucket_logging", {}), ("get_bucket_notification_configuration", {}),
    ("get_bucket_ownership_controls", {}), ("get_bucket_policy", {}), ("get_bucket_policy_status", {}),
    ("get_bucket_request_payment", {}), ("get_public_access_block", {}), ("list_objects", {}), ("list_objects_v2", {}),
    ("list_object_versions", {}), ("list_multipart_uploads", {}), ("get_object", KEY), ("head_object", KEY),
    ("get_object_acl", KEY), ("get_object_attributes", {**KEY, "ObjectAttributes": ["ETag"]}), ("get_object_tagging", KEY),
    ("get_object_retention", KEY), ("get_object_legal_hold", KEY), ("put_object", {**KEY, "Body": b"y"}),
    ("put_object_tagging", {**KEY, "Tagging": {"TagSet": []}}), ("delete_object_tagging", KEY), ("delete_object", KEY),
    ("delete_objects", {"Delete": {"Objects": [KEY]}}), ("create_multipart_upload", KEY),
    ("copy_object", {"Key": "copy", "CopySource": "{bucket}/k"}),
    ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
    ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    ("put_bucket_cors", {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
    ("put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}}),
    ("put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
    ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": [
        {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}}),
    ("put_public_access_block", {"PublicAccessBlockConfiguration": {}}),
    ("put_bucket_ownership_controls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
    ("put_bucket_policy", {"Policy": "{policy}"}), ("delete_bucket_policy", {}), ("delete_bucket_cors", {}),
    ("delete_bucket_tagging", {}), ("delete_bucket", {})]


@pytest.mark.parametrize("call, arguments", OWNED, ids=[call for call, _ in OWNED])
def test_the_bucket_must_be_the_owner_s_who_is_expected(s3, bucket, call, arguments):
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    policy = document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": ACCOUNT}))
    fill = {"{bucket}/k": f"{bucket}/k", "{policy}": policy}
    arguments = {name: fill.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    with refused(("AccessDenied", "403"), 403):
        getattr(s3, call)(Bucket=bucket, ExpectedBucketOwner=STRANGER, **arguments)
    # Nothing has been done.
    assert s3.get_object(Bucket=bucket, **KEY)["Body"].read() == BODY
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_the_owner_of_an_upload_and_of_a_source(s3, bucket):
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    target = {"Bucket": bucket, "Key": "m", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]}
    etag = s3.upload_part(**target, PartNumber=1, Body=BODY, ExpectedBucketOwner=ACCOUNT)["ETag"]
    named = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    source = {"CopySource": {"Bucket": bucket, **KEY}}
    for call in (lambda **more: s3.upload_part(**target, PartNumber=1, Body=b"y", **more),
                 lambda **more: s3.upload_part_copy(**target, PartNumber=1, **source, **more),
                 lambda **more: s3.list_parts(**target, **more),
                 lambda **more: s3.complete_multipart_upload(**target, MultipartUpload=named, **more),
                 lambda **more: s3.abort_multipart_upload(**target, **more)):
        with refused("AccessDenied", 403):
            call(ExpectedBucketOwner=STRANGER)
    for call in (lambda: s3.copy_object(Bucket=bucket, Key="c", **source, ExpectedSourceBucketOwner=STRANGER),
                 lambda: s3.upload_part_copy(**target, PartNumber=2, **source, ExpectedSourceBucketOwner=STRANGER)):
        with refused("AccessDenied", 403):
            call()
    assert len(s3.list_parts(**target)["Parts"]) == 1


# ---- other headers for the answer ---------------------------------------------------------------------

# GetObject, "Overriding response header values through the request": not for anonymous requests, InvalidRequest.
OVERRIDES = {
    "response-content-type": ("content-type", "text/x"), "response-content-language": ("content-language", "de"),
    "response-expires": ("expires", "Thu, 01 Dec 2033 16:00:00 GMT"), "response-cache-control": ("cache-control", "no-cache"),
    "response-content-disposition": ("content-disposition", "attachment"),
    "response-content-encoding": ("content-encoding", "x-none")}


@pytest.mark.parametrize("parameter", OVERRIDES)
def test_overrides(server, s3, bucket, parameter):
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    header, value = OVERRIDES[parameter]
    query = f"{parameter}={urllib.parse.quote(value, safe='')}"
    for method in ("GET", "HEAD"):
        status, headers, _ = send(server, method, f"{bucket}/k?{query}")
        assert (status, headers[header]) == (200, value)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*")))
    url = f"{server.endpoint}/{bucket}/k"
    assert fetch(url)[0] == 200
    assert said(fetch(f"{url}?{query}")) == (
        400, "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")


# ---- pre-signed URLs ----------------------------------------------------------------------------------


def query_error(message):
    return 400, "AuthorizationQueryParametersError", message


INCOMPLETE = query_error("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                         "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
TOO_LONG = query_error("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
                       "less than 604800 seconds")
# API reference, "Authenticating Requests: Using Query Parameters"; texts as recorded by localstack (test_s3_api.py,
# `TestS3PresignedUrl`) and by the issues of aws-sdk-js that show them.
SPOILED = [
    *[(rf"&?{name}=[^&]*", "", INCOMPLETE)
      for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")],
    ("X-Amz-Expires=100", "X-Amz-Expires=604801", TOO_LONG),
    ("X-Amz-Expires=100", "X-Amz-Expires=-1", query_error("X-Amz-Expires must be non-negative")),
    ("X-Amz-Expires=100", "X-Amz-Expires=soon", query_error("X-Amz-Expires should be a number")),
    ("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5", query_error('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')),
    ("X-Amz-Expires=100", "X-Amz-Expires=101", (
        403, "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.")),
    ("Credential=test", "Credential=nobody", (
        403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."))]


@pytest.mark.parametrize("pattern, replacement, expected", SPOILED)
def test_urls_that_are_spoiled(s3, bucket, pattern, replacement, expected):
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    good = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, **KEY}, ExpiresIn=100)
    assert fetch(good)[0] == 200
    bad = re.sub(pattern, replacement, good)
    assert bad != good and said(fetch(bad)) == expected


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_url_is_good_for_its_method(s3, bucket, method):
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, **KEY})
    # A POST on an object is no operation, whoever signs it.
    codes = {(403, "SignatureDoesNotMatch")} | ({(405, "MethodNotAllowed")} if method == "POST" else set())
    assert said(fetch(url, method, b"y"))[:2] in codes
    assert s3.get_object(Bucket=bucket, **KEY)["Body"].read() == BODY


@pytest.mark.parametrize("shift, expires, expected", [
    (timedelta(hours=-1), 100, (403, "AccessDenied", "Request has expired")),
    (timedelta(days=-7), 604_700, (403, "AccessDenied", "Request has expired")),
    (timedelta(hours=1), 100, (403, "AccessDenied", "Request is not valid yet"))])
def test_urls_out_of_their_time(s3, bucket, monkeypatch, shift, expires, expected):
    """The time that counts is the one in the URL; signatures go by the machine's clock."""
    s3.put_object(Bucket=bucket, **KEY, Body=BODY)
    then = datetime.now(timezone.utc) + shift
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: then)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, **KEY}, ExpiresIn=expires)
    assert said(fetch(url)) == expected


def test_a_skewed_clock(server, bucket, monkeypatch):
    """List of error codes, `RequestTimeTooSkewed`: 403; for signatures in the header, fifteen minutes."""
    for shift in (timedelta(minutes=-16), timedelta(minutes=16)):
        then = datetime.now(timezone.utc) + shift
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: then)
        assert said(send(server, "GET", bucket)) == (
            403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")


# ---- uploads in parts ---------------------------------------------------------------------------------

NUMBER = "Part number must be an integer between 1 and 10000, inclusive"
INVALID_PART = ("One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag.")
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
SMALL = "Your proposed upload is smaller than the minimum allowed size"
ORDER = "The list of parts was not in ascending order. Parts must be ordered by part number."
GONE = ("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.")


def test_limits_of_part_numbers(s3, bucket):
    """User guide, "Amazon S3 multipart upload limits": 1 to 10,000."""
    target = {"Bucket": bucket, **KEY, "UploadId": s3.create_multipart_upload(Bucket=bucket, **KEY)["UploadId"]}
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    for number in (0, -1, 10_001):
        with refused("InvalidArgument", 400, NUMBER):
            s3.upload_part(**target, PartNumber=number, Body=BODY)
        with refused("InvalidArgument", 400, NUMBER):
            s3.upload_part_copy(**target, PartNumber=number, CopySource={"Bucket": bucket, "Key": "source"})
    for number in (1, 10_000):
        s3.upload_part(**target, PartNumber=number, Body=BODY)
    with refused("NoSuchUpload", 404, GONE):
        s3.upload_part(**{**target, "UploadId": "made-up"}, PartNumber=1, Body=BODY)
    with refused("NoSuchUpload", 404, GONE):
        s3.upload_part(**{**target, "Key": "other"}, PartNumber=1, Body=BODY)


def ones(count):
    return [{"PartNumber": n + 1, "ETag": '"0"'} for n in range(count)]


# CompleteMultipartUpload, "Special errors", and the list of error codes. `{n}` stands for part n's ETag.
COMPLETIONS = [
    ([], (400, "MalformedXML", MALFORMED)),
    (ones(10_001), (400, "MalformedXML", MALFORMED)),
    ([{"PartNumber": 0, "ETag": "{1}"}], (400, "InvalidArgument", NUMBER)),
    ([{"PartNumber": 10_001, "ETag": "{1}"}], (400, "InvalidArgument", NUMBER)),
    ([{"PartNumber": 2, "ETag": "{2}"}, {"PartNumber": 1, "ETag": "{1}"}], (400, "InvalidPartOrder", ORDER)),
    ([{"PartNumber": 1, "ETag": "{1}"}, {"PartNumber": 1, "ETag": "{1}"}], (400, "InvalidPartOrder", ORDER)),
    ([{"PartNumber": 1, "ETag": "{2}"}], (400, "InvalidPart", INVALID_PART)),
    ([{"PartNumber": 3, "ETag": "{1}"}], (400, "InvalidPart", INVALID_PART)),
    ([{"PartNumber": 1, "ETag": "{1}"}, {"PartNumber": 2, "ETag": "{2}"}], (400, "EntityTooSmall", SMALL))]


@pytest.mark.parametrize("parts, expected", COMPLETIONS)
def test_completions_that_are_refused(s3, bucket, parts, expected):
    target = {"Bucket": bucket, **KEY, "UploadId": s3.create_multipart_upload(Bucket=bucket, **KEY)["UploadId"]}
    etags = {f"{{{n}}}": s3.upload_part(**target, PartNumber=n, Body=bytes([n]))["ETag"] for n in (1, 2)}
    named = [{**part, "ETag": etags.get(part["ETag"], part["ETag"])} for part in parts]
    status, code, message = expected
    with refused(code, status, message):
        s3.complete_multipart_upload(**target, MultipartUpload={"Parts": named})
    # The upload goes on.
    good = {"Parts": [{"PartNumber": 2, "ETag": etags["{2}"]}]}
    s3.complete_multipart_upload(**target, MultipartUpload=good)
    assert s3.get_object(Bucket=bucket, **KEY)["Body"].read() == b"\2"
