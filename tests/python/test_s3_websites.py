"""Websites of buckets: configurations, and what is served by their addresses.

User guide: "Hosting a static website using Amazon S3"; texts of errors are those that Amazon S3 answers.
"""

import http.client
import json
import re

import pytest

from support import REGION, document, refused, unique


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def said(self):
        """What an error's page says, but for ids."""
        assert self.headers["Content-Type"] == "text/html; charset=utf-8"
        items = re.findall(r"<li>(\w+): (.*)</li>", self.body.decode())
        return [(name, value) for name, value in items if name not in ("RequestId", "HostId")]


def ask(server, bucket, path="/", method="GET", host=None, **headers):
    host = host or f"{bucket}.s3-website.{REGION}.localhost:4566"
    connection = http.client.HTTPConnection(server.endpoint.split("://")[1], timeout=60)
    connection.request(method, path, headers={"Host": host, **{n.replace("_", "-"): v for n, v in headers.items()}})
    return Answer(connection.getresponse())


@pytest.fixture
def site(s3, bucket):
    """A bucket that everybody may read, but for what is secret."""
    s3.delete_public_access_block(Bucket=bucket)
    everybody = {"Effect": "Allow", "Principal": "*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(
        {**everybody, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"},
        {**everybody, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        {**everybody, "Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/secret/*"}))
    for key in ("index.html", "folder/index.html", "page.html", "secret/page.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/html", Metadata={"a": "b"})
    configure(s3, bucket)
    return bucket


def configure(s3, bucket, index="index.html", **more):
    index = {"IndexDocument": {"Suffix": index}} if index else {}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={**index, **more})


def test_a_configuration_comes_back_as_it_was_put(s3, bucket):
    missing = "The specified bucket does not have a website configuration"
    with refused("NoSuchWebsiteConfiguration", 404, missing) as caught:
        s3.get_bucket_website(Bucket=bucket)
    assert caught.value.response["Error"]["BucketName"] == bucket
    s3.delete_bucket_website(Bucket=bucket)
    whole = {
        "IndexDocument": {"Suffix": "i.html"}, "ErrorDocument": {"Key": "e/e.html"},
        "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "a/", "HttpErrorCodeReturnedEquals": "404"},
             "Redirect": {"HostName": "h", "Protocol": "https", "HttpRedirectCode": "302", "ReplaceKeyPrefixWith": ""}},
            {"Redirect": {"ReplaceKeyWith": "k"}}]}
    all_elsewhere = {"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "https"}}
    for configuration in (whole, all_elsewhere):
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
        found = s3.get_bucket_website(Bucket=bucket)
        found.pop("ResponseMetadata")
        assert found == configuration
    s3.delete_bucket_website(Bucket=bucket)
    with refused("NoSuchWebsiteConfiguration", 404, missing):
        s3.get_bucket_website(Bucket=bucket)


INDEX = {"IndexDocument": {"Suffix": "i"}}


def routing(**rule):
    return {**INDEX, "RoutingRules": [rule]}


@pytest.mark.parametrize("configuration, code, text", [
    ({}, "InvalidArgument", "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"),
    ({"IndexDocument": {"Suffix": "a/i"}}, "InvalidArgument", "The IndexDocument Suffix is not well formed"),
    ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument", "The IndexDocument Suffix is not well formed"),
    ({**INDEX, "RedirectAllRequestsTo": {"HostName": "h"}}, "InvalidArgument",
     "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."),
    ({"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "ftp"}}, "InvalidRequest", "Invalid protocol"),
    (routing(Redirect={"Protocol": "ftp"}), "InvalidRequest", "Invalid protocol"),
    (routing(Redirect={"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}), "InvalidRequest",
     "You can only define ReplaceKeyPrefix or ReplaceKey but not both."),
    (routing(Redirect={"HostName": "h"}, Condition={}), "InvalidRequest", "Condition cannot be empty."),
    (routing(Redirect={"HttpRedirectCode": "300"}), "InvalidRequest", "Valid codes are 3XX except 300."),
    (routing(Redirect={"HostName": "h"}, Condition={"HttpErrorCodeReturnedEquals": "200"}), "InvalidRequest",
     "Valid codes are 4XX or 5XX."),
    ({**INDEX, "RoutingRules": []}, "MalformedXML", ""),
    (routing(Redirect={}), "MalformedXML", ""),
    ({**INDEX, "RoutingRules": [{"Redirect": {"HostName": "h"}}] * 51}, "InvalidRequest", "limited to 50"),
])
def test_bad_configurations_are_refused(s3, bucket, configuration, code, text):
    with refused(code, 400, text):
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)


def test_index_documents(server, s3, site):
    for path, key in (("/", "index.html"), ("/folder/", "folder/index.html"), ("/page.html?x=1", "page.html")):
        answer = ask(server, site, path)
        assert (answer.status, answer.body.decode()) == (200, key)
        assert answer.headers["Content-Type"] == "text/html" and answer.headers["x-amz-meta-a"] == "b"
    moved = ask(server, site, "/folder")
    assert (moved.status, moved.headers["Location"], moved.body) == (302, "/folder/", b"")
    dashed = ask(server, site, host=f"{site}.s3-website-{REGION}.amazonaws.com")
    assert (dashed.status, dashed.body) == (200, b"index.html")
    head = ask(server, site, method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "10")
    tag = ask(server, site).headers["ETag"]
    assert ask(server, site, If_None_Match=tag).status == 304
    part = ask(server, site, Range="bytes=0-4")
    assert (part.status, part.body) == (206, b"index")
    assert ask(server, site, If_Match='"x"').status == 412


def test_pages_for_errors(server, s3, site):
    answer = ask(server, site, "/missing")
    assert answer.status == 404 and b"<h1>404 Not Found</h1>" in answer.body
    gone = [("Code", "NoSuchKey"), ("Message", "The specified key does not exist.")]
    assert answer.said == [*gone, ("Key", "missing")]
    assert answer.headers["x-amz-error-code"] == "NoSuchKey"
    escaped = ask(server, site, "/%3Cscript%3E")
    assert ("Key", "&lt;script&gt;") in escaped.said
    denied = ask(server, site, "/secret/page.html")
    assert denied.status == 403 and denied.said[0] == ("Code", "AccessDenied")
    configure(s3, site, ErrorDocument={"Key": "oops.html"})
    answer = ask(server, site, "/missing")
    assert answer.status == 404 and b"<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>" in answer.body
    assert answer.said == [*gone, ("Key", "missing"), *gone, ("Key", "oops.html")]
    s3.put_object(Bucket=site, Key="oops.html", Body=b"oops", ContentType="text/html")
    for path, status in (("/missing", 404), ("/secret/page.html", 403)):
        answer = ask(server, site, path)
        assert (answer.status, answer.body, answer.headers["Content-Type"]) == (status, b"oops", "text/html")
    refused_method = ask(server, site, method="DELETE")
    assert refused_method.status == 405 and refused_method.said[0] == ("Code", "MethodNotAllowed")
    nowhere = ask(server, "no-such-bucket")
    assert nowhere.status == 404 and nowhere.said[0] == ("Code", "NoSuchBucket")
    elsewhere = ask(server, site, host=f"{site}.s3-website.eu-west-3.localhost")
    assert elsewhere.status == 400 and elsewhere.said[0] == ("Code", "IncorrectEndpoint")
    s3.delete_bucket_website(Bucket=site)
    assert ask(server, site).said[0] == ("Code", "NoSuchWebsiteConfiguration")


def test_only_what_everybody_may_read_is_shown(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"x")
    configure(s3, bucket)
    answer = ask(server, bucket)
    assert (answer.status, answer.said[0]) == (403, ("Code", "AccessDenied"))
    # Nobody without ListBucket learns that a key is not there.
    assert ask(server, bucket, "/missing").status == 403


def test_all_requests_go_elsewhere(server, s3, bucket):
    configure(s3, bucket, index=None, RedirectAllRequestsTo={"HostName": "www.example.com", "Protocol": "https"})
    answer = ask(server, bucket, "/a%20b/?x=1")
    assert (answer.status, answer.headers["Location"]) == (301, "https://www.example.com/a%20b/?x=1")
    configure(s3, bucket, index=None, RedirectAllRequestsTo={"HostName": "www.example.com"})
    assert ask(server, bucket).headers["Location"] == "http://www.example.com/"


def test_routing_rules(server, s3, site):
    host = f"{site}.s3-website.{REGION}.localhost:4566"
    configure(s3, site, RoutingRules=[
        {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
        {"Condition": {"KeyPrefixEquals": "gone/", "HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"ReplaceKeyWith": "page.html", "HttpRedirectCode": "302"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"HostName": "other.example.com", "Protocol": "https", "ReplaceKeyPrefixWith": "report/"}},
    ])
    for path, status, location in (
        ("/docs/a.html", 301, f"http://{host}/documents/a.html"),
        ("/gone/b.html", 302, f"http://{host}/page.html"),
        ("/c.html", 301, "https://other.example.com/report/c.html"),
    ):
        answer = ask(server, site, path)
        assert (answer.status, answer.headers["Location"]) == (status, location), path
    assert ask(server, site, "/page.html").status == 200
    assert ask(server, site, "/secret/page.html").status == 403
    configure(s3, site, RoutingRules=[{"Redirect": {"HostName": "all.example.com"}}])
    assert ask(server, site, "/page.html").headers["Location"] == "http://all.example.com/page.html"


def test_objects_say_where_they_have_moved(server, s3, site):
    for location in ("/page.html", "https://example.com/x", "http://example.com/"):
        s3.put_object(Bucket=site, Key="old.html", Body=b"", WebsiteRedirectLocation=location)
        answer = ask(server, site, "/old.html")
        assert (answer.status, answer.headers["Location"]) == (301, location)
        assert s3.get_object(Bucket=site, Key="old.html")["WebsiteRedirectLocation"] == location
        assert s3.head_object(Bucket=site, Key="old.html")["WebsiteRedirectLocation"] == location
    # By S3's own address it is an object as any other; a copy has it only if it is said again.
    s3.copy_object(Bucket=site, Key="copy.html", CopySource=f"{site}/old.html")
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=site, Key="copy.html")
    s3.copy_object(Bucket=site, Key="copy.html", CopySource=f"{site}/old.html", WebsiteRedirectLocation="/page.html")
    assert ask(server, site, "/copy.html").headers["Location"] == "/page.html"
    upload = s3.create_multipart_upload(Bucket=site, Key="parts.html", WebsiteRedirectLocation="/page.html")["UploadId"]
    part = s3.upload_part(Bucket=site, Key="parts.html", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket=site, Key="parts.html", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    assert ask(server, site, "/parts.html").headers["Location"] == "/page.html"
    text = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
    for location in ("page.html", "ftp://example.com"):
        with refused("InvalidRedirectLocation", 400, text):
            s3.put_object(Bucket=site, Key="k", WebsiteRedirectLocation=location)
    with refused("InvalidRedirectLocation", 400):
        s3.put_object(Bucket=site, Key="k", WebsiteRedirectLocation="/" + "x" * 2048)


def test_pages_of_other_origins(server, s3, site):
    s3.put_bucket_cors(Bucket=site, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    for path, status in (("/", 200), ("/missing", 404)):
        answer = ask(server, site, path, Origin="http://a.example")
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
    preflight = ask(server, site, method="OPTIONS", Origin="http://a.example", Access_Control_Request_Method="GET")
    assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (200, "GET")
    assert ask(server, site, method="OPTIONS", Origin="http://a.example", Access_Control_Request_Method="PUT").status == 403


def test_websites_are_in_their_bucket_s_region(server):
    region, name = "eu-west-1", unique("site")
    s3 = server.client("s3", region=region)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=document({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}))
    s3.put_object(Bucket=name, Key="index.html", Body=b"x")
    configure(s3, name)
    assert ask(server, name, host=f"{name}.s3-website.{region}.localhost").body == b"x"


def test_stacks_make_websites(server, s3):
    name = unique("stack")
    cfn = server.client("cloudformation")
    properties = {
        "BucketName": name, "PublicAccessBlockConfiguration": {"BlockPublicPolicy": False},
        "WebsiteConfiguration": {"IndexDocument": "i.html", "ErrorDocument": "e.html", "RoutingRules": [
            {"RoutingRuleCondition": {"KeyPrefixEquals": "a/"}, "RedirectRule": {"ReplaceKeyPrefixWith": "b/"}}]},
        "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposedHeaders": ["ETag"],
                                             "Id": "one", "MaxAge": 5}]},
        "LoggingConfiguration": {"LogFilePrefix": "logs/"}}

    def template(properties):
        bucket = {"Type": "AWS::S3::Bucket", "Properties": properties}
        outputs = {key: {"Value": {"Fn::GetAtt": ["Bucket", key]}} for key in ("WebsiteURL", "DomainName")}
        return json.dumps({"Resources": {"Bucket": bucket}, "Outputs": outputs})

    cfn.create_stack(StackName=name, TemplateBody=template(properties))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    stack, = cfn.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"WebsiteURL": f"http://{name}.s3-website-{REGION}.amazonaws.com", "DomainName": f"{name}.s3.amazonaws.com"}
    website = s3.get_bucket_website(Bucket=name)
    assert (website["IndexDocument"], website["ErrorDocument"]) == ({"Suffix": "i.html"}, {"Key": "e.html"})
    assert website["RoutingRules"] == [{"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": "b/"}}]
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == [
        {"ID": "one", "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 5}]
    enabled = s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]
    assert enabled == {"TargetBucket": name, "TargetPrefix": "logs/"}
    cfn.update_stack(StackName=name, TemplateBody=template({"BucketName": name}))
    cfn.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=name)
    with refused("NoSuchWebsiteConfiguration"):
        s3.get_bucket_website(Bucket=name)
    with refused("NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=name)
