"""Browser-based uploads: forms with a policy that boto3 signs, and forms of nobody.

S3 API reference: "POST Object", "Browser-Based Uploads Using POST (AWS Signature Version 4)"; texts of errors are those
that Amazon S3 answers.
"""

import base64
import http.client
import json
import urllib.parse
import uuid
import xml.etree.ElementTree as ET

import pytest

from support import ACCOUNT, document, make_user, trust, unique
from test_browser import Page

MEBIBYTE = 1024 * 1024
TAGS = "<Tagging><TagSet><Tag><Key>a b</Key><Value>1=2</Value></Tag></TagSet></Tagging>"


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def error(self):
        return {element.tag: element.text for element in ET.fromstring(self.body)}


def form(fields, content=b"content", filename="a.txt", file="file", boundary=None, after=()):
    """A form's type and its bytes."""
    boundary = boundary or uuid.uuid4().hex
    part = '--{}\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    out = [part.format(boundary, name, "").encode() + value.encode() + b"\r\n" for name, value in fields]
    if file:
        out.append(part.format(boundary, file, f'; filename="{filename}"\r\nContent-Type: text/html').encode() + content + b"\r\n")
    out += [part.format(boundary, name, "").encode() + value.encode() + b"\r\n" for name, value in after]
    return f"multipart/form-data; boundary={boundary}", b"".join(out) + f"--{boundary}--\r\n".encode()


def send(server, bucket, kind, body, chunked=False, host=None):
    address = server.endpoint.split("://")[1]
    connection = http.client.HTTPConnection(address, timeout=60)
    path = "/" if host else f"/{bucket}"
    headers = {"Content-Type": kind, **({"Host": host} if host else {})}
    connection.request("POST", path, iter([body[:100], body[100:]]) if chunked else body, headers, encode_chunked=chunked)
    return Answer(connection.getresponse())


def signed(s3, bucket, key, fields=None, conditions=None, seconds=600):
    """The fields that boto3 signs, as pairs; conditions for the given fields come by themselves."""
    fields = fields or {}
    conditions = [{name: value} for name, value in fields.items()] if conditions is None else conditions
    made = s3.generate_presigned_post(bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds)
    return list(made["fields"].items())


def post(server, s3, bucket, key, fields=None, conditions=None, seconds=600, **rest):
    return send(server, bucket, *form(signed(s3, bucket, key, fields, conditions, seconds), **rest))


def test_a_form_uploads(server, s3, bucket):
    answer = post(server, s3, bucket, "k")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Location"] == f"{server.endpoint}/{bucket}/k"
    found = s3.get_object(Bucket=bucket, Key="k")
    assert found["Body"].read() == b"content" and found["ETag"] == answer.headers["ETag"]
    assert found["ContentType"] == "binary/octet-stream"
    empty = post(server, s3, bucket, "empty", content=b"")
    assert empty.status == 204 and s3.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0
    by_host = send(server, bucket, *form(signed(s3, bucket, "h/é")), host=f"{bucket}.s3.localhost:4566")
    assert by_host.headers["Location"] == f"http://{bucket}.s3.localhost:4566/h/%C3%A9"


def test_large_files_stream(server, s3, bucket):
    content = bytes(range(256)) * (20 * 4096) + b"\r\n--boundary"
    fields = signed(s3, bucket, "large")
    assert send(server, bucket, *form(fields, content, boundary="boundaries")).status == 204
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == content
    assert send(server, bucket, *form(fields, content[:MEBIBYTE]), chunked=True).status == 204
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == MEBIBYTE


def test_fields_are_the_object_s_headers(server, s3, bucket):
    fields = {"Content-Type": "text/plain", "Cache-Control": "no-cache", "Content-Disposition": "inline",
              "Content-Encoding": "identity", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT", "x-amz-meta-A": "b",
              "tagging": TAGS, "x-amz-server-side-encryption": "AES256", "x-amz-checksum-sha256":
              "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=", "acl": "bucket-owner-full-control"}
    answer = post(server, s3, bucket, "k", fields)
    assert answer.status == 204, answer.body
    assert answer.headers["x-amz-server-side-encryption"] == "AES256"
    found = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (found["ContentType"], found["CacheControl"], found["ContentDisposition"]) == ("text/plain", "no-cache", "inline")
    assert found["ContentEncoding"] == "identity" and found["ChecksumSHA256"] == fields["x-amz-checksum-sha256"]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a b", "Value": "1=2"}]
    wrong = post(server, s3, bucket, "k", {"x-amz-checksum-sha256": "A" * 43 + "="})
    assert (wrong.status, wrong.error["Code"]) == (400, "BadDigest")
    malformed = post(server, s3, bucket, "k", {"tagging": "<Tagging>"})
    assert (malformed.status, malformed.error["Code"]) == (400, "MalformedXML")


def test_the_file_s_name_is_a_variable(server, s3, bucket):
    fields = {"x-amz-meta-name": "<${filename}>"}
    answer = post(server, s3, bucket, "u/${filename}", fields, [["starts-with", "$x-amz-meta-name", "<"]],
                  filename="C:\\dir\\b c.txt")
    assert answer.status == 204, answer.body
    assert s3.head_object(Bucket=bucket, Key="u/b c.txt")["Metadata"] == {"name": "<b c.txt>"}


def test_success_actions(server, s3, bucket):
    assert post(server, s3, bucket, "k", {"success_action_status": "200"}).status == 200
    assert post(server, s3, bucket, "k", {"success_action_status": "302"}).status == 204
    created = post(server, s3, bucket, "a/k", {"success_action_status": "201"})
    location = f"{server.endpoint}/{bucket}/a/k"
    assert created.status == 201 and created.headers["Content-Type"] == "application/xml"
    assert created.error == {"Location": location, "Bucket": bucket, "Key": "a/k", "ETag": created.headers["ETag"]}
    for name in ("success_action_redirect", "redirect"):
        moved = post(server, s3, bucket, "a/k", {name: "http://page.example/done?x=1", "success_action_status": "201"})
        assert moved.status == 303
        address, _, query = moved.headers["Location"].partition("?")
        assert address == "http://page.example/done"
        assert urllib.parse.parse_qsl(query) == [("x", "1"), ("bucket", bucket), ("key", "a/k"), ("etag", created.headers["ETag"])]
    assert post(server, s3, bucket, "k", {"success_action_redirect": "nowhere"}).status == 204


def test_policies_are_kept(server, s3, bucket):
    def denied(answer):
        assert (answer.status, answer.error["Code"]) == (403, "AccessDenied"), answer.body
        return answer.error["Message"].removeprefix("Invalid according to Policy: ")

    def failed(*condition):
        return f"Policy Condition failed: {json.dumps(list(condition))}"

    kind = {"Content-Type": "text/plain"}
    assert denied(post(server, s3, bucket, "k", kind, [])) == "Extra input fields: content-type"
    images = [["starts-with", "$Content-Type", "image/"]]
    assert denied(post(server, s3, bucket, "k", kind, images)) == failed("starts-with", "$Content-Type", "image/")
    assert denied(post(server, s3, bucket, "k", {}, [{"acl": "private"}])) == failed("eq", "$acl", "private")
    assert denied(post(server, s3, bucket, "k", {}, [["eq", "$key", "l"]])) == failed("eq", "$key", "l")
    assert denied(post(server, s3, bucket, "k", seconds=-1)) == "Policy expired."
    other = unique("other")
    s3.create_bucket(Bucket=other)
    elsewhere = send(server, other, *form(signed(s3, bucket, "k")))
    assert denied(elsewhere) == failed("eq", "$bucket", bucket)
    changed = [(name, "l" if name == "key" else value) for name, value in signed(s3, bucket, "k")]
    assert denied(send(server, bucket, *form(changed))) == failed("eq", "$key", "k")
    assert post(server, s3, bucket, "k", {"x-ignore-this": "1"}, []).status == 204


def test_files_have_a_length_in_the_policy_s_range(server, s3, bucket):
    def sized(size, least, most):
        return post(server, s3, bucket, "k", {}, [["content-length-range", least, most]], content=b"x" * size)

    assert sized(10, 10, 10).status == 204
    small = sized(9, 10, 20)
    assert (small.status, small.error["Code"]) == (400, "EntityTooSmall")
    assert (small.error["ProposedSize"], small.error["MinSizeAllowed"]) == ("9", "10")
    for size in (21, 3 * MEBIBYTE):
        large = sized(size, 10, 20)
        assert (large.status, large.error["Code"]) == (400, "EntityTooLarge")
        assert (large.error["ProposedSize"], large.error["MaxSizeAllowed"]) == (str(size), "20")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 10


def without(fields, name):
    return [(field, value) for field, value in fields if field.lower() != name]


def test_what_is_no_form_is_refused(server, s3, bucket):
    def error(answer):
        return answer.status, answer.error["Code"], answer.error["Message"]

    fields = signed(s3, bucket, "k")
    missing = "Bucket POST must contain a field named '{}'.  If it is specified, please check the order of the fields."
    answer = send(server, bucket, *form(without(fields, "key")))
    assert error(answer) == (400, "InvalidArgument", missing.format("key"))
    assert (answer.error["ArgumentName"], answer.error.get("ArgumentValue")) == ("key", None)
    for name, shown in (("x-amz-signature", "X-Amz-Signature"), ("x-amz-date", "X-Amz-Date"), ("policy", "policy")):
        assert error(send(server, bucket, *form(without(fields, name)))) == (400, "InvalidArgument", missing.format(shown))
    late = [("key", "k")], {"after": fields}
    assert send(server, bucket, *form(late[0], **late[1])).status == 403, "fields behind the file are not looked at"
    answer = send(server, bucket, *form(fields, file=None))
    assert error(answer) == (400, "InvalidArgument", "POST requires exactly one file upload per request.")
    kind, body = form(fields)
    malformed = (400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
    assert error(send(server, bucket, kind, body[:-20])) == malformed
    assert error(send(server, bucket, kind, b"")) == malformed
    assert error(send(server, bucket, "multipart/form-data; boundary=other", body)) == malformed
    answer = send(server, bucket, "application/json", b"{}")
    assert (answer.status, answer.error["Code"]) == (412, "PreconditionFailed")
    assert answer.error["Condition"] == "Bucket POST must be of the enclosure-type multipart/form-data"
    long = [("x-amz-meta-a", "v" * 21_000), *fields]
    answer = send(server, bucket, *form(long))
    assert error(answer) == (400, "MaxPostPreDataLengthExceeded",
                             "Your POST request fields preceding the upload file were too large.")


def test_signatures_are_checked(server, s3, bucket):
    def error(fields):
        answer = send(server, bucket, *form(fields))
        return answer.status, answer.error["Code"]

    fields = signed(s3, bucket, "k")
    policy = {"expiration": "2999-01-01T00:00:00Z", "conditions": []}
    forged = base64.b64encode(json.dumps(policy).encode()).decode()
    assert error([*without(fields, "policy"), ("policy", forged)]) == (403, "SignatureDoesNotMatch")
    credential = dict(fields)["x-amz-credential"]
    unknown = credential.replace("test", "AKIDUNKNOWN", 1)
    assert error([*without(fields, "x-amz-credential"), ("x-amz-credential", unknown)]) == (403, "InvalidAccessKeyId")
    assert error([*without(fields, "x-amz-credential"), ("x-amz-credential", "AKID")]) == (400, "InvalidArgument")
    assert error([*without(fields, "x-amz-algorithm"), ("x-amz-algorithm", "AWS4-X")]) == (400, "InvalidRequest")
    old = [("key", "k"), ("AWSAccessKeyId", "test"), ("policy", forged), ("signature", "x")]
    assert error(old) == (400, "InvalidRequest")
    assert error([("key", "k"), ("policy", forged)]) == (403, "AccessDenied")


def test_who_signs_must_be_allowed_to_write(server, s3, iam, bucket):
    name = unique("uploader")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = server.client("s3", key=(key["AccessKeyId"], key["SecretAccessKey"]))
    assert post(server, theirs, bucket, "u/k").error["Code"] == "AccessDenied"
    iam.put_user_policy(UserName=name, PolicyName="put", PolicyDocument=document(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/u/*"}))
    assert post(server, theirs, bucket, "u/k").status == 204
    assert post(server, theirs, bucket, "other").error["Code"] == "AccessDenied"


def test_sessions_sign_with_their_token(server, s3, iam, bucket):
    name = unique("uploader")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=ACCOUNT))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="put", PolicyDocument=document(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}))
    key = make_user(iam, name, {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})
    session = server.client("sts", key=key).assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    theirs = server.client("s3", key=(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]))
    fields = signed(theirs, bucket, "k")
    assert "x-amz-security-token" in dict(fields)
    assert send(server, bucket, *form(fields)).status == 204
    forged = [(name, "x" if name == "x-amz-security-token" else value) for name, value in fields]
    assert send(server, bucket, *form(forged)).error["Code"] == "InvalidToken"


def test_anybody_may_post_where_the_policy_says_so(server, s3, bucket):
    answer = send(server, bucket, *form([("key", "k")]))
    assert (answer.status, answer.error["Code"]) == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}))
    assert send(server, bucket, *form([("key", "open/k"), ("Content-Type", "text/plain")])).status == 204
    assert s3.head_object(Bucket=bucket, Key="open/k")["ContentType"] == "text/plain"
    assert send(server, bucket, *form([("key", "closed")])).status == 403
    nowhere = send(server, "no-such-bucket", *form([("key", "k")]))
    assert (nowhere.status, nowhere.error["Code"]) == (404, "NoSuchBucket")


def test_a_page_posts_a_form(server, s3, bucket, tmp_path):
    made = s3.generate_presigned_post(bucket, "page/${filename}", Fields={"success_action_status": "201"},
                                      Conditions=[{"success_action_status": "201"}], ExpiresIn=600)
    kind, body = form(list(made["fields"].items()), b"from a page", "p.txt")
    page = Page([[made["url"], {"method": "POST", "headers": {"Content-Type": kind}, "body": body.decode()}]])
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["POST"], "AllowedOrigins": [page.origin]}]})
    answer, = page.opened(tmp_path)
    assert answer["status"] == 201 and f"<Key>page/p.txt</Key>" in answer["body"]
    assert s3.get_object(Bucket=bucket, Key="page/p.txt")["Body"].read() == b"from a page"
