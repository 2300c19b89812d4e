"""Server access logs of buckets.

User guide: "Logging requests with server access logging", "Amazon S3 server access log format".
"""

import re
import urllib.request

import pytest

from support import ACCOUNT, REGION, document, eventually, refused, unique
from test_s3_cors import ask

LINE = re.compile(r'\[[^]]*\]|"[^"]*"|\S+')
FIELDS = ("owner bucket time remote requester request_id operation key uri status error sent size total turned referer "
          "agent version host_id signature cipher auth host tls access_point acl source_region").split()


def allow_delivery(s3, target, *sources):
    s3.put_bucket_policy(Bucket=target, Policy=document({
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/logs/*",
        "Condition": {"ArnLike": {"aws:SourceArn": [f"arn:aws:s3:::{source}" for source in sources]},
                      "StringEquals": {"aws:SourceAccount": ACCOUNT}}}))


@pytest.fixture
def target(s3, bucket):
    """A bucket for logs of `bucket`."""
    name = unique("logs")
    s3.create_bucket(Bucket=name)
    allow_delivery(s3, name, bucket)
    return name


def log(s3, bucket, target, **more):
    enabled = {"TargetBucket": target, "TargetPrefix": "logs/", **more}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def objects(s3, target):
    return {found["Key"]: s3.get_object(Bucket=target, Key=found["Key"])["Body"].read().decode()
            for found in s3.list_objects_v2(Bucket=target).get("Contents", [])}


def lines(s3, target):
    """The log's lines, field by field."""
    text = "".join(objects(s3, target).values())
    found = [LINE.findall(line) for line in text.splitlines()]
    assert all(len(fields) == len(FIELDS) for fields in found), found
    return [dict(zip(FIELDS, fields)) for fields in found]


def logged(s3, target, count):
    return eventually(lambda: (lambda found: found if len(found) >= count else None)(lines(s3, target)))


def test_a_configuration_comes_back_as_it_was_put(s3, bucket, target):
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    for more in ({}, {"TargetObjectKeyFormat": {"SimplePrefix": {}}},
                 {"TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}):
        log(s3, bucket, target, **more)
        found = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
        assert found == {"TargetBucket": target, "TargetPrefix": "logs/", **more}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_logs_go_to_the_account_s_buckets_of_the_region(server, s3, bucket):
    with refused("InvalidTargetBucketForLogging", 400) as caught:
        log(s3, bucket, "no-such-bucket")
    assert caught.value.response["Error"]["TargetBucket"] == "no-such-bucket"
    other = unique("other")
    server.client("s3", key=("222222222222", "test")).create_bucket(Bucket=other)
    with refused("InvalidTargetBucketForLogging", 400, "is not owned by you"):
        log(s3, bucket, other)
    far = unique("far")
    server.client("s3", region="eu-west-1").create_bucket(
        Bucket=far, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with refused("CrossLocationLoggingProhibited", 403):
        log(s3, bucket, far)
    with refused("MalformedXML", 400):
        log(s3, bucket, bucket, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "Now"}})
    with refused("NotImplemented", 501, "TargetGrants"):
        log(s3, bucket, bucket, TargetGrants=[{"Permission": "READ", "Grantee": {"Type": "CanonicalUser", "ID": "x"}}])


def test_requests_are_logged(server, s3, bucket, target):
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    log(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="a b", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="a b", Range="bytes=0-1")["Body"].read()
    s3.head_object(Bucket=bucket, Key="a b")
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="missing")
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"})
    request = urllib.request.Request(signed, headers={"Referer": "http://page.example/", "User-Agent": 'x "y"'})
    assert urllib.request.urlopen(request, timeout=60).read() == b"12345"
    ask("GET", f"{server.endpoint}/{bucket}/a%20b")
    ask("OPTIONS", f"{server.endpoint}/{bucket}/a%20b", Origin="http://a.example")
    s3.list_objects_v2(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="a b")
    found = {(line["operation"], line["key"], line["status"], line["auth"]): line for line in logged(s3, target, 9)}
    owner = s3.list_buckets()["Owner"]["ID"]
    assert sorted(found) == sorted([
        ("REST.PUT.OBJECT", "a%20b", "200", "AuthHeader"), ("REST.GET.OBJECT", "a%20b", "206", "AuthHeader"),
        ("REST.HEAD.OBJECT", "a%20b", "200", "AuthHeader"), ("REST.GET.OBJECT", "missing", "404", "AuthHeader"),
        ("REST.GET.OBJECT", "a%20b", "200", "QueryString"), ("REST.GET.OBJECT", "a%20b", "403", "-"),
        ("REST.OPTIONS.PREFLIGHT", "a%20b", "403", "-"), ("REST.GET.BUCKET", "-", "200", "AuthHeader"),
        ("REST.DELETE.OBJECT", "a%20b", "204", "AuthHeader")])
    assert {(line["owner"], line["bucket"], line["remote"]) for line in found.values()} == {(owner, bucket, "127.0.0.1")}
    part = found["REST.GET.OBJECT", "a%20b", "206", "AuthHeader"]
    assert (part["requester"], part["sent"], part["size"], part["error"]) == (owner, "2", "5", "-")
    assert part["uri"] == f'"GET /{bucket}/a%20b HTTP/1.1"' and part["signature"] == "SigV4"
    assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]", part["time"])
    assert found["REST.PUT.OBJECT", "a%20b", "200", "AuthHeader"]["size"] == "5"
    assert found["REST.GET.OBJECT", "missing", "404", "AuthHeader"]["error"] == "NoSuchKey"
    page = found["REST.GET.OBJECT", "a%20b", "200", "QueryString"]
    assert (page["referer"], page["agent"]) == ('"http://page.example/"', '"x %22y%22"')
    anybody = found["REST.GET.OBJECT", "a%20b", "403", "-"]
    assert (anybody["requester"], anybody["error"]) == ("-", "AccessDenied")
    assert all(key.startswith("logs/20") for key in objects(s3, target))


def test_keys_may_be_by_day(s3, bucket, target):
    log(s3, bucket, target, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    s3.head_bucket(Bucket=bucket)
    logged(s3, target, 1)
    day = rf"logs/{ACCOUNT}/{REGION}/{bucket}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-00-00-00-[0-9A-F]{{16}}"
    assert all(re.fullmatch(day, key) for key in objects(s3, target))


def test_nothing_is_logged_where_the_policy_does_not_let_it_in(s3, bucket, target):
    second = unique("second")
    s3.create_bucket(Bucket=second)
    log(s3, second, target)
    s3.head_bucket(Bucket=second)
    log(s3, bucket, target)
    s3.head_bucket(Bucket=bucket)
    assert {line["bucket"] for line in logged(s3, target, 1)} == {bucket}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    before = len(lines(s3, target))
    s3.head_bucket(Bucket=bucket)
    allow_delivery(s3, target, bucket, second)
    s3.head_bucket(Bucket=second)
    found = eventually(lambda: [line for line in lines(s3, target) if line["bucket"] == second])
    assert found and len(lines(s3, target)) - len(found) <= before + 1


def test_lines_are_written_before_the_server_stops(own):
    s3 = own.client("s3")
    for name in ("source", "target"):
        s3.create_bucket(Bucket=name)
    allow_delivery(s3, "target", "source")
    log(s3, "source", "target")
    for n in range(20):
        s3.put_object(Bucket="source", Key=f"k{n}", Body=b"x")
    assert own.stop() == 0
    own.start()
    keys = {line["key"] for line in lines(own.client("s3"), "target")}
    assert keys >= {f"k{n}" for n in range(20)}


def test_websites_are_logged(server, s3, bucket, target):
    from test_s3_websites import ask as visit
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}))
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"hello")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    log(s3, bucket, target)
    assert visit(server, bucket).status == 200
    assert visit(server, bucket, "/missing").status == 403
    found = [line for line in logged(s3, target, 2) if line["operation"] == "WEBSITE.GET.OBJECT"]
    assert [(line["status"], line["sent"], line["error"]) for line in found][0] == ("200", "5", "-")
    assert found[1]["error"] == "AccessDenied"
