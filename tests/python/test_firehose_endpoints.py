"""Delivery streams to HTTP endpoints: what they get by HTTPS, retries, what fails, what a kill leaves, templates.

Sources, in the developer guide: "Understand HTTP endpoint delivery request and response specifications", "Handle data
delivery failures", "Troubleshooting HTTP endpoints".
"""

import base64
import gzip
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support import eventually, refused
from test_firehose_processing import Processing, lambda_processor, lines, processors

# An authority, and a certificate of it for localhost: made for these tests alone.
HERE = Path(__file__).parent
AUTHORITY, CERTIFICATE = HERE / "endpoint-authority.pem", HERE / "endpoint.pem"


class Endpoint:
    """A server by HTTPS that notes what it is sent, and answers with the statuses it is told, or as it should."""

    def __init__(self):
        self.got, self.statuses = [], []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                request = json.loads(body)
                # Noted before it is answered: what was answered has been noted for certain.
                endpoint.got.append((headers, request))
                status = endpoint.statuses.pop(0) if endpoint.statuses else 200
                answer = json.dumps({"requestId": request["requestId"], "timestamp": request["timestamp"], "errorMessage": "Unauthorized"}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/records?tenant=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def records(self):
        """What all requests held, in the order in which they came."""
        return [base64.b64decode(record["data"]).decode() for _, request in list(self.got) for record in request["records"]]


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


@pytest.fixture
def trusting(monkeypatch):
    """Servers from here on trust the endpoint's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))


class Streams(Processing):
    def configuration(self, endpoint, **more):
        given = more.pop("EndpointConfiguration", {})
        return {"EndpointConfiguration": {"Url": endpoint.url, "Name": "e", "AccessKey": "secret", **given}, "RoleARN": self.role,
                "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1}, "S3Configuration": self.destination(
                    Prefix="raw/", ErrorOutputPrefix="failed/!{firehose:error-output-type}/"), **more}

    def to(self, endpoint, name="to-endpoint", **more):
        self.firehose.create_delivery_stream(DeliveryStreamName=name, HttpEndpointDestinationConfiguration=self.configuration(endpoint, **more))
        return name

    def update(self, name, version, **said):
        self.firehose.update_destination(DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version,
                                         DestinationId="destinationId-000000000001", HttpEndpointDestinationUpdate=said)


@pytest.fixture
def streams(trusting, own):
    return Streams(own)


def test_an_endpoint_gets_batches(streams, endpoint):
    name = streams.to(endpoint, RequestConfiguration={"ContentEncoding": "GZIP", "CommonAttributes": [
        {"AttributeName": "place", "AttributeValue": "Zürich"}]})
    for n in range(3):
        streams.put(name, f"record {n}".encode())
    streams.server.advance(61)
    headers, request = eventually(lambda: endpoint.got and endpoint.got[0], "a request")
    assert endpoint.records() == ["record 0", "record 1", "record 2"]
    assert headers["content-type"] == "application/json" and headers["content-encoding"] == "gzip"
    assert headers["x-amz-firehose-protocol-version"] == "1.0"
    assert headers["x-amz-firehose-request-id"] == request["requestId"]
    assert headers["x-amz-firehose-source-arn"] == streams.describe(name)["DeliveryStreamARN"]
    assert headers["x-amz-firehose-access-key"] == "secret"
    assert json.loads(headers["x-amz-firehose-common-attributes"]) == {"commonAttributes": {"place": "Zürich"}}
    assert abs(request["timestamp"] / 1000 - streams.server.now().timestamp()) < 3600
    assert streams.keys() == []


def test_what_an_endpoint_never_takes_is_put(streams, endpoint):
    streams.logs.create_log_group(logGroupName="/firehose")
    streams.logs.create_log_stream(logGroupName="/firehose", logStreamName="errors")
    name = streams.to(endpoint, RetryOptions={"DurationInSeconds": 30}, S3BackupMode="AllData", CloudWatchLoggingOptions={
        "Enabled": True, "LogGroupName": "/firehose", "LogStreamName": "errors"})
    endpoint.statuses = [401] * 100
    streams.put(name, b"lost")

    def both():
        streams.server.advance(20)
        return len(streams.keys()) == 2

    eventually(both, "what failed, and what came")
    found = {key.rsplit("/", 1)[0]: body.decode() for key, body in streams.delivered(2).items()}
    failed, = lines(found["failed/http-endpoint-failed"])
    assert failed.keys() == {"attemptsMade", "arrivalTimestamp", "errorCode", "errorMessage", "attemptEndingTimestamp",
                             "rawData", "subsequenceNumber", "dataId"}
    assert (failed["errorCode"], base64.b64decode(failed["rawData"])) == ("HttpEndpoint.DestinationException", b"lost")
    assert failed["errorMessage"].startswith("Received the following response from the endpoint destination. {")
    assert failed["attemptsMade"] == len(endpoint.got) > 1
    assert len({request["requestId"] for _, request in endpoint.got}) == 1
    assert [body for prefix, body in found.items() if prefix.startswith("raw/")] == ["lost"]
    logged = streams.logs.get_log_events(logGroupName="/firehose", logStreamName="errors")["events"]
    told = json.loads(logged[0]["message"])
    assert (told["errorCode"], told["destination"]) == ("HttpEndpoint.DestinationException", endpoint.url)
    assert told["message"].startswith("The following response was received from the endpoint destination. 401: {")


def test_an_endpoint_that_cannot_be_reached_or_trusted(own, endpoint):
    """A certificate of an authority that the machine doesn't know counts as no connection."""
    streams = Streams(own)
    name = streams.to(endpoint, RetryOptions={"DurationInSeconds": 0})
    streams.put(name, b"x")
    streams.server.advance(61)
    (key, body), = streams.delivered().items()
    assert key.startswith("failed/http-endpoint-failed/") and endpoint.got == []
    assert lines(body.decode())[0]["errorCode"] == "HttpEndpoint.ConnectionFailed"


def test_a_function_transforms_what_an_endpoint_gets(streams, endpoint):
    arn = streams.function()
    name = streams.to(endpoint, **processors(lambda_processor(arn)))
    streams.put(name, b'{"n": 1}')
    streams.put(name, b'{"n": 2, "result": "ProcessingFailed"}')
    streams.server.advance(61)
    (key, body), = streams.delivered().items()
    assert key.startswith("failed/processing-failed/") and len(lines(body.decode())) == 1
    assert endpoint.records() == [json.dumps({"n": 1, "seen": name})]


def test_kills_lose_nothing_that_was_accepted(streams, endpoint):
    name = streams.to(endpoint, RetryOptions={"DurationInSeconds": 7200})
    sent = []
    for n in range(60):
        streams.put(name, str(n).encode())
        sent.append(str(n))
        if n % 20 == 19:
            endpoint.statuses = [500] * 3
            streams.server.advance(61)
            eventually(lambda: endpoint.got, "a request")
            streams.server.restart_after_kill()

    def all_there():
        streams.server.advance(61)
        return set(endpoint.records()) == set(sent)

    eventually(all_there, "every record")
    by_id = {request["requestId"]: request["records"] for _, request in endpoint.got}
    assert all(by_id[request["requestId"]] == request["records"] for _, request in endpoint.got), "an id is a batch's"
    assert streams.keys() == []


def test_descriptions_and_updates(streams, endpoint):
    configuration = {"EndpointConfiguration": {"Url": "https://endpoint.example/"}, "S3Configuration": {
        "RoleARN": streams.role, "BucketARN": f"arn:aws:s3:::{streams.bucket}"}}
    streams.firehose.create_delivery_stream(DeliveryStreamName="bare", HttpEndpointDestinationConfiguration=configuration)
    destination, = streams.describe("bare")["Destinations"]
    assert destination.keys() == {"DestinationId", "HttpEndpointDestinationDescription"}
    assert destination["HttpEndpointDestinationDescription"] == {
        "EndpointConfiguration": {"Url": "https://endpoint.example/"}, "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "CloudWatchLoggingOptions": {"Enabled": False}, "RequestConfiguration": {"ContentEncoding": "NONE", "CommonAttributes": []},
        "ProcessingConfiguration": {"Enabled": False, "Processors": []}, "RetryOptions": {"DurationInSeconds": 300},
        "S3BackupMode": "FailedDataOnly", "S3DestinationDescription": {
            "RoleARN": streams.role, "BucketARN": f"arn:aws:s3:::{streams.bucket}", "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
            "CompressionFormat": "UNCOMPRESSED", "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
            "CloudWatchLoggingOptions": {"Enabled": False}}}
    streams.update("bare", "1", EndpointConfiguration={"Url": endpoint.url, "AccessKey": "k"}, BufferingHints={"IntervalInSeconds": 0, "SizeInMBs": 64})
    streams.put("bare", b"at once")
    eventually(lambda: endpoint.records() == ["at once"], "a request")
    for said in ({"BufferingHints": {"IntervalInSeconds": 901, "SizeInMBs": 1}}, {"BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 65}},
                 {"RetryOptions": {"DurationInSeconds": 7201}}, {"EndpointConfiguration": {"Url": "http://endpoint.example/"}},
                 {"S3BackupMode": "Enabled"}, {"RequestConfiguration": {"ContentEncoding": "BROTLI"}}):
        with refused(("ValidationException", "InvalidArgumentException"), 400):
            streams.update("bare", "2", **said)
    with refused("InvalidArgumentException", 400, "SecretsManagerConfiguration"):
        streams.update("bare", "2", SecretsManagerConfiguration={"Enabled": False})


TEMPLATE = """
Resources:
  Archive: {Type: "AWS::S3::Bucket"}
  Delivery:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: firehose.amazonaws.com}, Action: "sts:AssumeRole"}]}
  Stream:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamType: DirectPut
      HttpEndpointDestinationConfiguration:
        EndpointConfiguration: {Url: URL, Name: e, AccessKey: from the template}
        BufferingHints: {IntervalInSeconds: 60, SizeInMBs: 1}
        RequestConfiguration: {ContentEncoding: GZIP, CommonAttributes: [{AttributeName: a, AttributeValue: b}]}
        RetryOptions: {DurationInSeconds: 60}
        S3BackupMode: AllData
        RoleARN: !GetAtt Delivery.Arn
        S3Configuration: {BucketARN: !GetAtt Archive.Arn, RoleARN: !GetAtt Delivery.Arn, Prefix: "p/"}
Outputs:
  Stream: {Value: !Ref Stream}
"""


def test_a_template_with_an_endpoint(trusting, own, endpoint):
    cloudformation, firehose = own.client("cloudformation"), own.client("firehose")

    def deploy(change, body):
        change(StackName="e", TemplateBody=body.replace("URL", endpoint.url), Capabilities=["CAPABILITY_IAM"])
        stack = eventually(lambda: not (found := cloudformation.describe_stacks(StackName="e")["Stacks"][0])["StackStatus"].endswith("PROGRESS")
                           and found, "the stack", seconds=120)
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), cloudformation.describe_stack_events(StackName="e")
        name = stack["Outputs"][0]["OutputValue"]
        return name, firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]["Destinations"][0]

    name, told = deploy(cloudformation.create_stack, TEMPLATE)
    told = told["HttpEndpointDestinationDescription"]
    assert (told["S3BackupMode"], told["RetryOptions"], told["S3DestinationDescription"]["Prefix"]) == ("AllData", {"DurationInSeconds": 60}, "p/")
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    own.advance(61)
    headers, _ = eventually(lambda: endpoint.got and endpoint.got[0], "a request")
    assert headers["x-amz-firehose-access-key"] == "from the template"
    gone = [line for line in TEMPLATE.splitlines() if not any(word in line for word in ("RetryOptions", "S3BackupMode", "RequestConf"))]
    same, told = deploy(cloudformation.update_stack, "\n".join(gone).replace(', Prefix: "p/"', "").replace(", AccessKey: from the template", ""))
    told = told["HttpEndpointDestinationDescription"]
    assert (same, told["S3BackupMode"], told["RetryOptions"]) == (name, "FailedDataOnly", {"DurationInSeconds": 300})
    assert told["RequestConfiguration"] == {"ContentEncoding": "NONE", "CommonAttributes": []}
    assert told["S3DestinationDescription"].get("Prefix", "") == ""
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"y"})
    own.advance(61)
    headers, _ = eventually(lambda: len(endpoint.got) == 2 and endpoint.got[1], "another request")
    assert "x-amz-firehose-access-key" not in headers and "content-encoding" not in headers
