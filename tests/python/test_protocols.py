"""What clients see of the wire: signatures, refusals, validation, compression, HTTP/1.1 and HTTP/2."""

import gzip
import http.client
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta, timezone

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support import ACCOUNT, REGION, refused, unique


def signed(server, service, body, headers=None, path="/", key=("test", "test"), method="POST", region=REGION):
    """Headers of a request, signed by botocore."""
    request = AWSRequest(method=method, url=server.endpoint + path, data=body, headers=headers or {})
    botocore.auth.SigV4Auth(Credentials(*key), service, region).add_auth(request)
    return dict(request.prepare().headers)


def exchange(server, body=b"", headers=None, path="/", method="POST"):
    connection = http.client.HTTPConnection(server.endpoint.split("://")[1], timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def call_json(server, target, body, service="sqs", version="1.0", **more):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": target, **more.pop("extra", {})}
    status, got, answer = exchange(server, data, signed(server, service, data, headers, **more))
    return status, got, json.loads(answer) if answer else {}


def call_query(server, service="sqs", path="/", **parameters):
    data = urllib.parse.urlencode(parameters).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    status, got, answer = exchange(server, data, signed(server, service, data, headers, path=path), path=path)
    return status, got, re.sub(rb"\s+", b" ", answer).decode()


# ---- protocols ----------------------------------------------------------------------------------------


def test_json_errors_and_their_query_form(server):
    status, headers, body = call_json(server, "AmazonSQS.GetQueueUrl", {"QueueName": unique()})
    assert status == 400 and headers["Content-Type"] == "application/x-amz-json-1.0"
    assert body["__type"] == "com.amazonaws.sqs#QueueDoesNotExist" and body["message"]
    assert headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-amzn-RequestId"])


def test_sqs_by_query(server, name):
    status, _, body = call_query(server, Action="CreateQueue", Version="2012-11-05", QueueName=name,
                                 **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "1"})
    assert status == 200
    root = ElementTree.fromstring(body)
    space = "{http://queue.amazonaws.com/doc/2012-11-05/}"
    url = root.findtext(f"{space}CreateQueueResult/{space}QueueUrl")
    assert url == f"{server.endpoint}/{ACCOUNT}/{name}"
    assert root.findtext(f"{space}ResponseMetadata/{space}RequestId")
    # The queue may be named by the path, as old clients do.
    status, _, body = call_query(server, path=f"/{ACCOUNT}/{name}", Action="SendMessage", Version="2012-11-05",
                                 MessageBody="by query")
    assert status == 200 and "<MD5OfMessageBody>" in body
    status, headers, body = call_query(server, Action="GetQueueUrl", Version="2012-11-05", QueueName=unique())
    assert status == 400 and headers["Content-Type"].startswith("text/xml")
    assert "<Type>Sender</Type>" in body and "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in body
    assert "<RequestId>" in body


def test_query_by_get(server):
    path = "/?Action=ListTopics&Version=2010-03-31"
    status, _, body = exchange(server, b"", signed(server, "sns", b"", path=path, method="GET"), path, "GET")
    assert status == 200 and b"<ListTopicsResult>" in body


def test_cloudformation_s_and_sts_query_answers(server):
    status, _, body = call_query(server, "sts", Action="GetCallerIdentity", Version="2011-06-15")
    assert status == 200 and 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"' in body
    status, _, body = call_query(server, "iam", Action="GetUser", Version="2010-05-08", UserName="nobody")
    assert status == 404 and "<Code>NoSuchEntity</Code>" in body and 'xmlns="https://iam.amazonaws.com/doc/2010-05-08/"' in body


def test_unknown_operations(server):
    status, _, body = call_json(server, "AmazonSQS.Frobnicate", {})
    assert status == 400 and body["__type"].endswith("UnknownOperationException")
    status, _, body = call_query(server, "sns", Action="Frobnicate", Version="2010-03-31")
    assert status == 400 and "<Code>InvalidAction</Code>" in body and "Frobnicate" in body
    status, _, body = call_query(server, "sns", Version="2010-03-31")
    assert status == 400 and "<Code>MissingAction</Code>" in body


def test_operations_and_services_that_are_not_implemented_are_named(server):
    with pytest.raises(ClientError, match="ListPlatformApplications"):
        server.client("sns").list_platform_applications()
    with pytest.raises(ClientError, match="CreateSAMLProvider"):
        server.client("iam").create_saml_provider(SAMLMetadataDocument="x" * 1000, Name="n")
    with pytest.raises(ClientError, match="GetFederationToken"):
        server.client("sts").get_federation_token(Name="nn")
    with pytest.raises(ClientError, match="(?i)kms|TrentService"):
        server.client("kms").list_keys()
    with pytest.raises(ClientError, match="(?i)sesv2|ses|email"):
        server.client("sesv2").list_contacts(ContactListName="c")


@pytest.mark.parametrize("service, call, arguments, named", [
    ("s3", "put_object", {"Bucket": "some-bucket", "Key": "k", "Body": b"", "ServerSideEncryption": "aws:kms",
                          "SSEKMSKeyId": "alias/k"}, "SSEKMSKeyId|aws-kms-key-id"),
    ("s3", "create_bucket", {"Bucket": "some-bucket", "BucketNamespace": "account-regional"}, "(?i)namespace"),
    ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "ss",
                            "Tags": [{"Key": "a", "Value": "b"}]}, "Tags"),
    ("cloudformation", "create_stack",
     {"StackName": "s", "TemplateBody": "{}", "RollbackConfiguration": {"MonitoringTimeInMinutes": 1}}, "RollbackConfiguration"),
    ("sns", "create_topic", {"Name": "t", "DataProtectionPolicy": "{}"}, "DataProtectionPolicy")])
def test_parameters_that_are_not_honoured_are_refused_by_name(server, service, call, arguments, named):
    with pytest.raises(ClientError, match=named):
        getattr(server.client(service), call)(**arguments)


def test_validation_says_all_at_once(server):
    """AWS's words: "2 validation errors detected: Value … at '…' failed to satisfy constraint: …"."""
    status, _, body = call_json(server, "Firehose_20150804.PutRecordBatch", {
        "DeliveryStreamName": "bad name!", "Records": []}, "firehose", "1.1")
    assert status == 400 and body["__type"].endswith("ValidationException")
    message = body["message"]
    assert message.startswith("2 validation errors detected: ")
    assert "at 'deliveryStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern" in message
    assert "at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1" in message
    status, _, body = call_json(server, "Firehose_20150804.PutRecordBatch", {"DeliveryStreamName": "x"}, "firehose", "1.1")
    assert status == 400 and "'records' failed to satisfy constraint: Member must not be null" in body["message"]


@pytest.mark.parametrize("bad", [b"", b"{", b"[]", b"null", b'{"QueueName": 5}', b'{"QueueName": ["a"]}', b"\xff\xfe",
                                 b'{"QueueName": "a"} x', b"[" * 100_000])
def test_bodies_that_are_no_request(server, bad):
    status, _, body = call_json(server, "AmazonSQS.GetQueueUrl", bad)
    assert 400 <= status < 500 and body["__type"]
    assert server.internal("GET", "health")["status"] == "ok"


def test_unknown_members_are_ignored_as_by_aws(server, name):
    status, _, body = call_json(server, "AmazonSQS.CreateQueue", {"QueueName": name, "Newer": {"than": ["this"]}})
    assert status == 200 and body["QueueUrl"].endswith(name)


def test_rpc_v2_cbor_is_for_services_that_speak_it(server):
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor"}
    path = "/service/AmazonSQS/operation/ListQueues"
    status, _, body = exchange(server, b"\xa0", signed(server, "sqs", b"\xa0", headers, path=path), path)
    assert 400 <= status < 500 and b"UnknownOperation" in body


# ---- signatures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("service, call, wrong, unknown", [
    ("sqs", "list_queues", "InvalidSignatureException", ("UnrecognizedClientException", "InvalidClientTokenId")),
    ("sns", "list_topics", "SignatureDoesNotMatch", ("InvalidClientTokenId",)),
    ("s3", "list_buckets", "SignatureDoesNotMatch", ("InvalidAccessKeyId",)),
    ("iam", "list_users", "SignatureDoesNotMatch", ("InvalidClientTokenId",)),
    ("firehose", "list_delivery_streams", "InvalidSignatureException", ("UnrecognizedClientException",))])
def test_bad_signatures_and_keys(server, service, call, wrong, unknown):
    with refused((wrong, "SignatureDoesNotMatch")):
        getattr(server.client(service, key=("test", "wrong")), call)()
    with refused(unknown):
        getattr(server.client(service, key=("AKIAIOSFODNN7EXAMPLE", "x")), call)()


def test_requests_that_were_changed_on_the_way(server, name):
    good = json.dumps({"QueueName": name}).encode()
    headers = signed(server, "sqs", good, {"Content-Type": "application/x-amz-json-1.0",
                                           "X-Amz-Target": "AmazonSQS.CreateQueue"})
    for body, changed in ((good.replace(b'"t', b'"u'), {}), (good, {"X-Amz-Target": "AmazonSQS.DeleteQueue"}),
                          (good, {"Authorization": headers["Authorization"][:-1] + "!"})):
        status, _, answer = exchange(server, body, {**headers, **changed})
        assert status in (400, 403) and b"Signature" in answer, answer
    assert exchange(server, good, headers)[0] == 200


@pytest.mark.parametrize("authorization", ["", "Basic dGVzdDp0ZXN0", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=test",
                                           "AWS4-HMAC-SHA256 Credential=test/x/y, SignedHeaders=host, Signature=00"])
def test_authorization_that_is_none(server, authorization):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"}
    if authorization:
        headers["Authorization"] = authorization
    status, _, body = exchange(server, b"{}", headers)
    assert status in (400, 403) and json.loads(body)["__type"]


@pytest.mark.parametrize("minutes", [-16, 16])
def test_clocks_that_differ_by_more_than_fifteen_minutes(server, monkeypatch, minutes):
    then = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: then)
    status, _, body = call_json(server, "AmazonSQS.ListQueues", {})
    assert status in (400, 403) and body["__type"].split("#")[-1] in ("InvalidSignatureException", "SignatureDoesNotMatch")
    assert "Signature" in body["message"] and ("expired" in body["message"] or "not yet current" in body["message"])
    path = "/"
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    request = AWSRequest(method="GET", url=server.endpoint + path, headers=headers)
    botocore.auth.S3SigV4Auth(Credentials("test", "test"), "s3", REGION).add_auth(request)
    status, _, body = exchange(server, b"", dict(request.prepare().headers), path, "GET")
    assert status == 403 and b"<Code>RequestTimeTooSkewed</Code>" in body and b"<MaxAllowedSkewMilliseconds>900000<" in body


def test_the_movable_clock_makes_no_signature_old(own):
    own.advance(7 * 86_400)
    assert own.client("sqs").create_queue(QueueName="q")


# ---- HTTP ---------------------------------------------------------------------------------------------


def test_bodies_in_gzip(server, name):
    body = gzip.compress(json.dumps({"QueueName": name}).encode())
    status, _, answer = call_json(server, "AmazonSQS.CreateQueue", body, extra={"Content-Encoding": "gzip"})
    assert status == 200 and answer["QueueUrl"].endswith(name)
    status, _, answer = call_json(server, "AmazonSQS.CreateQueue", b"no gzip", extra={"Content-Encoding": "gzip"})
    assert status == 400
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    status, _, answer = call_json(server, "AmazonSQS.CreateQueue", bomb, extra={"Content-Encoding": "gzip"})
    assert 400 <= status < 500


def raw(server, data):
    """A connection on which `data` was sent."""
    host, port = server.endpoint.split("://")[1].split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(data)
    return connection


def head_of(server, headers, body, path="/", method="POST"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {server.endpoint.split('://')[1]}", f"Content-Length: {len(body)}"]
    lines += [f"{k}: {v if isinstance(v, str) else v.decode()}" for k, v in headers.items()
              if k.lower() not in ("host", "content-length")]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_expect_100_continue(server, name):
    body = json.dumps({"QueueName": name}).encode()
    headers = signed(server, "sqs", body, {"Content-Type": "application/x-amz-json-1.0",
                                           "X-Amz-Target": "AmazonSQS.CreateQueue"})
    with raw(server, head_of(server, {**headers, "Expect": "100-continue"}, body)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert b" 200 OK" in connection.recv(1000)


def test_a_body_in_chunks_of_http(server, name):
    body = json.dumps({"QueueName": name}).encode()
    headers = signed(server, "sqs", body, {"Content-Type": "application/x-amz-json-1.0",
                                           "X-Amz-Target": "AmazonSQS.CreateQueue"})
    head = head_of(server, headers, body).replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    with raw(server, head + chunks) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_refused_upload_is_not_waited_for(server, bucket):
    """The body of a gigabyte is not sent: the refusal comes on the head alone."""
    headers = {"Expect": "100-continue"}
    head = head_of(server, headers, b"", f"/{bucket}/k", "PUT").replace(b"Content-Length: 0", b"Content-Length: 1000000000")
    with raw(server, head) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 403")


def test_a_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection(server.endpoint.split("://")[1], timeout=30)
    sockets = set()
    for _ in range(5):
        body = b"{}"
        connection.request("POST", "/", body, signed(server, "sqs", body, {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"}))
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        sockets.add(connection.sock)
    assert len(sockets) == 1
    connection.close()


def test_requests_in_a_row_without_waiting(server):
    body = b"{}"
    headers = signed(server, "sqs", body, {"Content-Type": "application/x-amz-json-1.0",
                                           "X-Amz-Target": "AmazonSQS.ListQueues"})
    one = head_of(server, headers, body) + body
    got = b""
    with raw(server, one * 3) as connection:
        while got.count(b"HTTP/1.1 200 OK") < 3:
            more = connection.recv(65_536)
            assert more, "the connection ended before every answer was there"
            got += more


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_http_2_with_prior_knowledge(server, name):
    body = json.dumps({"QueueName": name}).encode()
    headers = signed(server, "sqs", body, {"Content-Type": "application/x-amz-json-1.0",
                                           "X-Amz-Target": "AmazonSQS.CreateQueue"})
    given = [word for k, v in headers.items() if k.lower() not in ("host", "content-length")
             for word in ("-H", f"{k}: {v if isinstance(v, str) else v.decode()}")]
    done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}", *given,
                           "--data-binary", body.decode(), server.endpoint], capture_output=True, text=True, check=True)
    answer, versions = done.stdout.rsplit("\n", 1)
    assert versions == "2 200" and json.loads(answer)["QueueUrl"].endswith(name)


@pytest.mark.parametrize("data", [b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                                  b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 2_000_000 + b"\r\n\r\n"])
def test_what_is_no_http(server, data):
    try:
        with raw(server, data) as connection:
            got = connection.recv(1000)
        assert got == b"" or re.match(rb"HTTP/1.[01] 4", got)
    except (ConnectionResetError, BrokenPipeError):
        pass  # it is told so by the end of the connection
    assert server.internal("GET", "health")["status"] == "ok"


# ---- the server's own --------------------------------------------------------------------------------------


def test_health_and_metrics(server):
    health = server.internal("GET", "health")
    assert health["status"] == "ok"
    assert {"sqs", "sns", "s3", "firehose", "cloudformation", "iam", "sts"} <= set(health["services"])
    server.client("sqs").list_queues()
    status, headers, body = exchange(server, b"", {}, "/_ropeway/metrics", "GET")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    count = re.search(rb'ropeway_requests_total\{service="sqs",operation="ListQueues",status="200"\} (\d+)', body)
    assert count and int(count[1]) >= 1


def test_clock_and_reset_are_for_development(strict):
    for path in ("clock", "reset"):
        status, _, _ = exchange(strict, b'{"advance_seconds": 1}', {}, f"/_ropeway/{path}")
        assert status == 403


def test_the_clock_only_goes_forward(own):
    before = own.now()
    after = own.advance(3600)
    assert own.now() - before >= timedelta(hours=1) and after["offset_millis"] == 3_600_000
    for bad in (b'{"advance_seconds": -1}', b"{}", b"x", b'{"advance_seconds": "1"}', b'{"seconds": 1}'):
        assert exchange(own, bad, {}, "/_ropeway/clock")[0] == 400
    own.restart_after_kill()
    assert own.now() - before >= timedelta(hours=1)


def test_reset_empties_the_server(own):
    own.client("sqs").create_queue(QueueName="q")
    own.client("s3").create_bucket(Bucket="files")
    own.client("s3").put_object(Bucket="files", Key="k", Body=b"x" * 100_000)
    own.client("iam").create_user(UserName="u")
    own.advance(1000)
    assert own.internal("POST", "reset")["status"] == "empty"
    assert "QueueUrls" not in own.client("sqs").list_queues()
    assert own.client("s3").list_buckets()["Buckets"] == []
    assert own.client("iam").list_users()["Users"] == []
    assert own.client("sqs").create_queue(QueueName="q")
    own.restart_after_kill()
    assert len(own.client("sqs").list_queues()["QueueUrls"]) == 1


def test_a_clean_stop_answers_long_polls(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="idle")["QueueUrl"]
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    headers = signed(own, "sqs", body, {"Content-Type": "application/x-amz-json-1.0",
                                        "X-Amz-Target": "AmazonSQS.ReceiveMessage"})
    with raw(own, head_of(own, {**headers, "Expect": "100-continue"}, body)) as connection:
        # The server has the request's head: from here on, it is one under way.
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert own.stop() == 0
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    own.start()
    assert sqs.list_queues()["QueueUrls"] == [url]
