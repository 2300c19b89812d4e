"""Cross-origin resource sharing of buckets: configurations, preflights, headers on answers, and a browser.

User guide: "Using cross-origin resource sharing (CORS)"; texts of errors are those that Amazon S3 answers.
"""

import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pytest

from support import document, refused
from test_browser import Page

ORIGIN = "https://app.example.com"
NOT_ALLOWED = ("CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
               "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
               "resource's CORS spec.")
DEPENDS_ON = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def ask(method, url, **headers):
    """Status, headers and body of a request that nobody signed."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def told(answer):
    """Status, and what an error says, but for the request's id."""
    status, _, body = answer
    said = {element.tag: element.text for element in ET.fromstring(body)}
    assert said.pop("RequestId") and said.pop("HostId")
    said.pop("Resource", None)
    return status, said


def allowed(answer):
    """Status, and the headers that are about other origins."""
    status, headers, _ = answer
    said = {name.lower(): value for name, value in headers.items()}
    return status, {name: value for name, value in said.items() if name.startswith("access-control-") or name == "vary"}


def configure(s3, bucket, *rules):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


def test_a_configuration_comes_back_as_it_was_put(s3, bucket):
    missing = {"text": "The CORS configuration does not exist"}
    with refused("NoSuchCORSConfiguration", 404, **missing) as caught:
        s3.get_bucket_cors(Bucket=bucket)
    assert caught.value.response["Error"]["BucketName"] == bucket
    s3.delete_bucket_cors(Bucket=bucket)
    rules = [
        {"ID": "first", "AllowedHeaders": ["x-AMZ-*"], "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": [ORIGIN, ""],
         "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 0},
        {"AllowedMethods": ["HEAD", "POST", "DELETE"], "AllowedOrigins": ["*"]},
    ]
    configure(s3, bucket, *rules)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    configure(s3, bucket, rules[1])
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules[1:]
    s3.delete_bucket_cors(Bucket=bucket)
    with refused("NoSuchCORSConfiguration", 404, **missing):
        s3.get_bucket_cors(Bucket=bucket)


@pytest.mark.parametrize("change, code, text", [
    ({"AllowedMethods": ["GET", "PATCH"]}, "InvalidRequest",
     "Found unsupported HTTP method in CORS config. Unsupported method is PATCH"),
    ({"AllowedOrigins": ["https://*.*.com"]}, "InvalidRequest",
     'AllowedOrigin "https://*.*.com" can not have more than one wildcard.'),
    ({"AllowedHeaders": ["x-*-*"]}, "InvalidRequest", 'AllowedHeader "x-*-*" can not have more than one wildcard.'),
    ({"ExposeHeaders": ["x-*"]}, "InvalidRequest",
     'ExposeHeader "x-*" contains wildcard. We currently do not support wildcard for ExposeHeader.'),
    ({"AllowedMethods": []}, "MalformedXML", "The XML you provided was not well-formed"),
    ({"AllowedOrigins": []}, "MalformedXML", "The XML you provided was not well-formed"),
    ({"ID": "i" * 256}, "MalformedXML", "The XML you provided was not well-formed"),
])
def test_bad_rules_are_refused(s3, bucket, change, code, text):
    with refused(code, 400, text):
        configure(s3, bucket, {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], **change})


def test_the_number_and_the_size_of_rules_are_bounded(s3, bucket):
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    with refused("MalformedXML", 400):
        configure(s3, bucket)
    with refused("InvalidRequest", 400, "The number of CORS rules should not exceed allowed limit of 100 rules."):
        configure(s3, bucket, *[rule] * 101)
    with refused("MaxMessageLengthExceeded", 400):
        configure(s3, bucket, {**rule, "AllowedOrigins": ["o" * 70_000]})
    configure(s3, bucket, *[rule] * 100)
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 100


def test_preflights(server, s3, bucket):
    url, method = f"{server.endpoint}/{bucket}/k", {"Access_Control_Request_Method": "PUT"}
    insufficient = (400, {"Code": "BadRequest", "Message": "Insufficient information. Origin request header needed."})
    assert told(ask("OPTIONS", url, **method)) == insufficient
    assert told(ask("OPTIONS", f"{server.endpoint}/no-such-bucket/k")) == insufficient

    def forbidden(message, method, kind):
        return 403, {"Code": "AccessForbidden", "Message": message, "Method": method, "ResourceType": kind}

    not_enabled = "CORSResponse: CORS is not enabled for this bucket."
    assert told(ask("OPTIONS", url, Origin=ORIGIN, **method)) == forbidden(not_enabled, "PUT", "BUCKET")
    assert told(ask("OPTIONS", url, Origin=ORIGIN)) == forbidden(not_enabled, "OPTIONS", "BUCKET")
    nowhere = ask("OPTIONS", f"{server.endpoint}/no-such-bucket/k", Origin=ORIGIN)
    assert told(nowhere) == forbidden("CORSResponse: Bucket not found", "OPTIONS", "BUCKET")

    configure(s3, bucket, {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": [ORIGIN], "MaxAgeSeconds": 3000,
                           "AllowedHeaders": ["x-amz-*"]})
    yes = {"access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true",
           "access-control-allow-methods": "GET, PUT", "access-control-max-age": "3000", "vary": DEPENDS_ON}
    assert allowed(ask("OPTIONS", url, Origin=ORIGIN, **method)) == (200, yes)
    headers = {"Access_Control_Request_Headers": "X-Amz-Date,x-amz-content-sha256"}
    with_headers = {**yes, "access-control-allow-headers": "x-amz-date, x-amz-content-sha256"}
    assert allowed(ask("OPTIONS", url, Origin=ORIGIN, **method, **headers)) == (200, with_headers)
    by_host = url.replace("127.0.0.1", f"{bucket}.s3.localhost").replace(f"/{bucket}/", "/")
    assert allowed(ask("OPTIONS", url, Host=by_host.split("/")[2], Origin=ORIGIN, **method)) == (200, yes)
    for place, kind in ((url, "OBJECT"), (f"{server.endpoint}/{bucket}", "BUCKET")):
        answer = ask("OPTIONS", place, Origin="http://app.example.com", **method)
        assert told(answer) == forbidden(NOT_ALLOWED, "PUT", kind)
    other = {"Access_Control_Request_Method": "DELETE"}
    assert told(ask("OPTIONS", url, Origin=ORIGIN, **other)) == forbidden(NOT_ALLOWED, "DELETE", "OBJECT")
    headers = {"Access_Control_Request_Headers": "x-own"}
    assert told(ask("OPTIONS", url, Origin=ORIGIN, **method, **headers)) == forbidden(NOT_ALLOWED, "PUT", "OBJECT")


def test_answers_tell_other_origins_what_they_may(server, s3, bucket):
    url = f"{server.endpoint}/{bucket}/k"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert allowed(ask("GET", url, Origin=ORIGIN)) == (403, {})
    configure(s3, bucket, {"AllowedMethods": ["GET"], "AllowedOrigins": [ORIGIN], "ExposeHeaders": ["ETag"]},
              {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]})
    yes = {"access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true",
           "access-control-allow-methods": "GET", "access-control-expose-headers": "ETag", "vary": DEPENDS_ON}
    # Refusals too: a script can read why.
    assert allowed(ask("GET", url, Origin=ORIGIN)) == (403, yes)
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    answer = ask("GET", signed, Origin=ORIGIN)
    assert (allowed(answer), answer[2]) == ((200, yes), b"x")
    assert allowed(ask("GET", signed)) == (200, {})
    assert allowed(ask("GET", signed, Origin="https://other.example.com")) == (200, {})
    # The method that a request asks for counts before its own, as with Amazon S3.
    assert allowed(ask("GET", signed, Origin=ORIGIN, Access_Control_Request_Method="PUT")) == (200, {})
    anybody = {"access-control-allow-origin": "*", "access-control-allow-methods": "HEAD", "vary": DEPENDS_ON}
    assert allowed(ask("HEAD", url, Origin="null")) == (403, anybody)


def test_what_is_configured_outlives_a_crash_and_no_bucket(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    configure(s3, "bucket", {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]})
    url, asked = f"{own.endpoint}/bucket/k", {"Origin": ORIGIN, "Access_Control_Request_Method": "GET"}
    assert ask("OPTIONS", url, **asked)[0] == 200
    own.restart_after_kill()
    assert ask("OPTIONS", url, **asked)[0] == 200
    s3.delete_bucket(Bucket="bucket")
    assert told(ask("OPTIONS", url, **asked))[1]["Message"] == "CORSResponse: Bucket not found"
    s3.create_bucket(Bucket="bucket")
    assert told(ask("OPTIONS", url, **asked))[1]["Message"] == "CORSResponse: CORS is not enabled for this bucket."


def test_who_may_configure(server, s3, bucket):
    other = server.client("s3", key=("222222222222", "test"))
    with refused("AccessDenied", 403):
        other.get_bucket_cors(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": ["s3:GetBucketCORS", "s3:PutBucketCORS"],
        "Resource": f"arn:aws:s3:::{bucket}"}))
    configure(other, bucket, {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]})
    assert other.get_bucket_cors(Bucket=bucket)["CORSRules"]
    other.delete_bucket_cors(Bucket=bucket)


def test_a_page_uploads_by_a_signed_address(s3, bucket, tmp_path):
    """The order of things in a browser: preflight, upload, and reading it again."""
    sign = {"ExpiresIn": 600, "Params": {"Bucket": bucket, "Key": "upload", "ContentType": "text/plain"}}
    put = s3.generate_presigned_url("put_object", **sign)
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "upload"})
    gone = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "missing"})
    closed = s3.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "upload"})
    upload = {"method": "PUT", "headers": {"Content-Type": "text/plain"}, "body": "from a page"}
    page = Page([[put, upload], [gone, {}], [closed, {"method": "DELETE"}]])
    configure(s3, bucket, {"AllowedMethods": ["PUT", "GET"], "AllowedOrigins": [page.origin],
                           "AllowedHeaders": ["content-type"]})
    uploaded, missing, kept_from = page.opened(tmp_path)
    assert uploaded["status"] == 200
    assert missing["status"] == 404 and "<Code>NoSuchKey</Code>" in missing["body"]
    assert kept_from == {"error": "TypeError"}
    found = s3.get_object(Bucket=bucket, Key="upload")
    assert (found["Body"].read(), found["ContentType"]) == (b"from a page", "text/plain")
    assert Page([[get, {}]]).opened(tmp_path) == [{"error": "TypeError"}]
