"""SDKs of before `AWS_ENDPOINT_URL`, and TLS by hand, inside functions that are told of no endpoint."""

import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support import BINARY, REGION, ROOT, RUNTIMES, Server, bodies, receive, unique
from test_runtimes import Functions, ready

# Fetched once, for all runs: the newest that know no endpoint but AWS's own.
CACHE = ROOT / "target" / "old-sdks"
NODE_SDK = "aws-sdk@2.1490.0"
PYTHON_SDK = ("boto3==1.26.165", "botocore==1.29.165")
JAVA_SDK = "1.12.788"
POM = f"""<project><modelVersion>4.0.0</modelVersion><groupId>ropeway</groupId><artifactId>old</artifactId>
<version>1</version><dependencies>{{}}</dependencies></project>""".format("".join(
    f"<dependency><groupId>com.amazonaws</groupId><artifactId>aws-java-sdk-{name}</artifactId>"
    f"<version>{JAVA_SDK}</version></dependency>" for name in ("s3", "sqs")))


def fetched(name, fetch):
    """The directory of this name, filled by `fetch` where it is not there."""
    directory = CACHE / name
    if not directory.is_dir():
        making = CACHE / f".making-{name}-{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        fetch(making)
        making.rename(directory)
    return directory


def tool(*command, at):
    done = subprocess.run(list(map(str, command)), cwd=at, capture_output=True, text=True)
    assert done.returncode == 0, done


def node_sdk(at):
    tool("npm", "install", "--silent", "--no-audit", "--no-fund", NODE_SDK, at=at)


def python_sdk(at):
    tool(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", at, *PYTHON_SDK, at=at)


def java_sdk(at):
    (at / "pom.xml").write_text(POM)
    tool("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", at=at)


def packed(root, files, wanted=lambda path: True):
    """An archive of files, and of those below a directory that are wanted: models of other services take long."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root).as_posix()
            if path.is_file() and wanted(relative):
                archive.write(path, relative)
    return out.getvalue()


SERVICES = ("s3", "sqs", "sts")


class World(Functions):
    """A server with a bucket, a queue and a REST API, which functions know by their names alone."""

    def __init__(self, server):
        super().__init__(server)
        self.s3 = server.client("s3")
        self.sqs = server.client("sqs")
        self.bucket, self.queue, self.api = unique("old"), unique("old"), self.make_api(unique("old"))
        self.s3.create_bucket(Bucket=self.bucket)
        self.queue_url = self.sqs.create_queue(QueueName=self.queue)["QueueUrl"]

    def make_api(self, name):
        """An API with a GET that is answered by the server itself."""
        gateway = self.server.client("apigateway")
        api = gateway.create_rest_api(name=name)
        of = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
        gateway.put_method(**of, authorizationType="NONE")
        gateway.put_integration(**of, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_method_response(**of, statusCode="200")
        gateway.put_integration_response(**of, statusCode="200", responseTemplates={"application/json": '{"from": "api"}'})
        gateway.create_deployment(restApiId=api["id"], stageName="dev")
        return f"https://{api['id']}.execute-api.{REGION}.amazonaws.com/dev/"

    def prove(self, runtime, handler, archive):
        """The function puts and gets an object, sends a message, and calls the API."""
        name = unique("fn")
        self.client.create_function(
            FunctionName=name, Runtime=runtime, Handler=handler, Role=self.role, Code={"ZipFile": archive}, Timeout=60,
            MemorySize=512)
        self.client.get_waiter("function_active_v2").wait(FunctionName=name)
        value, failed = self.call(name, {"bucket": self.bucket, "queue": self.queue, "api": self.api, "text": runtime})
        assert not failed, value
        assert value["object"] == runtime and json.loads(value["api"]) == {"from": "api"}
        assert self.s3.get_object(Bucket=self.bucket, Key="a b/ü")["Body"].read().decode() == runtime
        assert bodies(receive(self.sqs, self.queue_url, 1)) == [runtime]
        return value


@pytest.fixture(scope="module", params=["http", "tls"])
def world(request, tmp_path_factory):
    """With and without TLS on the server's own address."""
    flags = ["--tls"] if request.param == "tls" else []
    directory = tmp_path_factory.mktemp(request.param) / "data"
    if flags:
        # The authority of the data directory is the one to trust.
        os.environ["AWS_CA_BUNDLE"] = str(directory / "tls" / "ca.pem")
    server = Server(directory, *flags)
    yield World(server)
    os.environ.pop("AWS_CA_BUNDLE", None)
    server.kill()


def fetch_outside(server, url):
    """Gets a URL of AWS's as a client outside may: at the server's own address, under the name in the URL."""
    parts = urllib.parse.urlsplit(url)
    own = urllib.parse.urlsplit(server.endpoint)
    request = urllib.request.Request(
        f"{server.endpoint}{parts.path}?{parts.query}", headers={"Host": parts.netloc})
    context = None
    if own.scheme == "https":
        context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        return answer.read().decode()


NODE = """
const AWS = require('aws-sdk'), https = require('https');
const get = (url) => new Promise((resolve, reject) => https.get(url, (answer) => {
  let text = '';
  answer.on('data', (piece) => { text += piece; }).on('end', () => resolve(text));
}).on('error', reject));
exports.handler = async ({ bucket, queue, api, text }) => {
  const s3 = new AWS.S3({ signatureVersion: 'v4' }), sqs = new AWS.SQS(), of = { Bucket: bucket, Key: 'a b/ü' };
  await s3.putObject({ ...of, Body: text }).promise();
  const object = (await s3.getObject(of).promise()).Body.toString();
  const { QueueUrl } = await sqs.getQueueUrl({ QueueName: queue }).promise();
  await sqs.sendMessage({ QueueUrl, MessageBody: text }).promise();
  return { object, api: await get(api), url: s3.getSignedUrl('getObject', of), host: s3.endpoint.host, version: AWS.VERSION };
};
"""


def test_javascript_v2(world):
    ready("nodejs20.x")
    root = fetched(NODE_SDK, node_sdk)
    wanted = lambda path: path.startswith("node_modules/") and (
        "/aws-sdk/apis/" not in path or path.rsplit("/", 1)[1].startswith((*SERVICES, "metadata"))
    ) and "/aws-sdk/dist/" not in path and not path.endswith(".d.ts")
    value = world.prove("nodejs20.x", "index.handler", packed(root, {"index.js": NODE}, wanted))
    assert (value["version"], value["host"]) == ("2.1490.0", "s3.amazonaws.com")
    assert urllib.parse.urlsplit(value["url"]).hostname == f"{world.bucket}.s3.amazonaws.com"
    assert fetch_outside(world.server, value["url"]) == "nodejs20.x"


PYTHON = """
import boto3, urllib.request
def handler(event, context):
    s3, sqs = boto3.client('s3'), boto3.client('sqs')
    of = {'Bucket': event['bucket'], 'Key': 'a b/ü'}
    s3.put_object(**of, Body=event['text'].encode())
    found = s3.get_object(**of)['Body'].read().decode()
    url = sqs.get_queue_url(QueueName=event['queue'])['QueueUrl']
    sqs.send_message(QueueUrl=url, MessageBody=event['text'])
    api = urllib.request.urlopen(event['api']).read().decode()
    v4 = boto3.client('s3', config=boto3.session.Config(signature_version='s3v4'))
    return {'object': found, 'api': api, 'host': s3.meta.endpoint_url, 'version': boto3.__version__,
            'listed': s3.list_objects_v2(Bucket=event['bucket'])['KeyCount'],
            'url': v4.generate_presigned_url('get_object', of)}
"""


def test_boto3_before_1_28(world):
    ready("python3.11")
    root = fetched("boto3-1.26.165", python_sdk)
    service = lambda path: path.split("/data/", 1)[1].split("/")[0] if "/data/" in path else ""
    wanted = lambda path: not path.startswith("bin/") and "__pycache__" not in path and (
        "/data/" not in path or "." in service(path) or service(path) in SERVICES)
    world.s3.put_bucket_policy(Bucket=world.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{world.bucket}",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}))
    value = world.prove("python3.11", "app.handler", packed(root, {"app.py": PYTHON}, wanted))
    # The function's call was encrypted up to the sandbox's end, whatever the server itself speaks.
    assert value["listed"] >= 1
    if world.server.endpoint.startswith("http:"):
        with pytest.raises(ClientError, match="AccessDenied"):
            world.s3.list_objects_v2(Bucket=world.bucket)
    world.s3.delete_bucket_policy(Bucket=world.bucket)
    assert (value["version"], value["host"]) == ("1.26.165", "https://s3.amazonaws.com")
    assert urllib.parse.urlsplit(value["url"]).hostname == f"{world.bucket}.s3.amazonaws.com"
    assert fetch_outside(world.server, value["url"]) == "python3.11"


JAVA = """
import com.amazonaws.services.lambda.runtime.*;
import com.amazonaws.services.s3.*;
import com.amazonaws.services.sqs.*;
import java.net.URI;
import java.net.http.*;
import java.util.*;
public class Main implements RequestHandler<Map<String, String>, Object> {
  public Object handleRequest(Map<String, String> event, Context context) {
    AmazonS3 s3 = AmazonS3ClientBuilder.defaultClient();
    AmazonSQS sqs = AmazonSQSClientBuilder.defaultClient();
    String bucket = event.get("bucket"), key = "a b/\\u00fc";
    s3.putObject(bucket, key, event.get("text"));
    sqs.sendMessage(sqs.getQueueUrl(event.get("queue")).getQueueUrl(), event.get("text"));
    try {
      HttpRequest request = HttpRequest.newBuilder(URI.create(event.get("api"))).build();
      String api = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
      Date soon = new Date(System.currentTimeMillis() + 600000);
      return Map.of("object", s3.getObjectAsString(bucket, key), "api", api, "host", s3.getUrl(bucket, key).getHost(),
          "url", s3.generatePresignedUrl(bucket, key, soon).toString());
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }
}
"""


def test_java_v1(world, tmp_path):
    ready("java17")
    root = fetched(f"java-{JAVA_SDK}", java_sdk)
    tool(BINARY, "runtime", "add", "java17", "--runtimes-dir", RUNTIMES, at=tmp_path)
    (client,) = Path(RUNTIMES).glob("client-java-*")
    (tmp_path / "Main.java").write_text(JAVA)
    tool("javac", "--release", "17", "-cp", f"{root}/lib/*:{client}/lib/*", "Main.java", at=tmp_path)
    compiled = (tmp_path / "Main.class").read_bytes()
    archive = packed(root, {"Main.class": compiled}, lambda path: path.startswith("lib/"))
    value = world.prove("java17", "Main::handleRequest", archive)
    assert value["host"] == f"{world.bucket}.s3.amazonaws.com"
    assert fetch_outside(world.server, value["url"]) == "java17"


BY_HAND = """
import os, socket, ssl, subprocess
def handler(event, context):
    host = event['host']
    request = f'GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'.encode()
    with socket.create_connection((host, 443)) as plain:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as stream:
            stream.sendall(request)
            by_hand = b''.join(iter(lambda: stream.recv(65536), b'')).decode()
    with socket.create_connection((host, 80)) as stream:
        stream.sendall(request)
        plain = b''.join(iter(lambda: stream.recv(65536), b'')).decode()
    trusted = ssl.create_default_context()
    return {'tls': by_hand.split()[1], 'plain': plain.split()[1], 'server': 'amz' in by_hand.lower(),
            'certificates': len(trusted.get_ca_certs()), 'endpoint': os.environ['AWS_ENDPOINT_URL']}
"""


def test_port_443_by_hand(world):
    ready("python3.11")
    name = world.make("python3.11", "app.handler", {"app.py": BY_HAND})
    value, failed = world.call(name, {"host": f"{world.bucket}.s3.{REGION}.amazonaws.com"})
    assert not failed, value
    # An unsigned listing of a bucket that nobody may list.
    assert (value["tls"], value["plain"], value["server"]) == ("403", "403", True)
    scheme, port = world.server.endpoint.split("://")[0], world.server.endpoint.rsplit(":", 1)[1]
    assert value["endpoint"] == f"{scheme}://localhost:{port}"


PRESIGN = {
    "python3.11": ("app.handler", {"app.py": """
import boto3
from botocore.config import Config
def handler(event, context):
    of = {'Bucket': event['bucket'], 'Key': 'k'}
    out = []
    for style in ('path', 'virtual'):
        s3 = boto3.client('s3', config=Config(signature_version='s3v4', s3={'addressing_style': style}))
        s3.put_object(**of, Body=event['text'].encode())
        out.append(s3.generate_presigned_url('get_object', of))
    return out
"""}),
    "nodejs20.x": ("index.handler", {"index.js": """
const { S3Client, GetObjectCommand, PutObjectCommand } = require('@aws-sdk/client-s3');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');
exports.handler = async ({ bucket, text }) => {
  const of = { Bucket: bucket, Key: 'k' }, out = [];
  for (const forcePathStyle of [true, false]) {
    const s3 = new S3Client({ forcePathStyle });
    await s3.send(new PutObjectCommand({ ...of, Body: text }));
    out.push(await getSignedUrl(s3, new GetObjectCommand(of)));
  }
  return out;
};
"""}),
}


@pytest.mark.parametrize("runtime", PRESIGN)
def test_urls_made_inside_are_good_outside(world, runtime):
    ready(runtime)
    handler, files = PRESIGN[runtime]
    by_path, by_host = world.call(world.make(runtime, handler, files), {"bucket": world.bucket, "text": runtime})[0]
    port = world.server.endpoint.rsplit(":", 1)[1]
    assert urllib.parse.urlsplit(by_path).netloc == f"localhost:{port}"
    assert urllib.parse.urlsplit(by_host).netloc == f"{world.bucket}.localhost:{port}"
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if "AWS_CA_BUNDLE" in os.environ else None
    assert urllib.request.urlopen(by_path, timeout=30, context=context).read().decode() == runtime
    # Not every machine knows names below localhost; the server does.
    assert fetch_outside(world.server, by_host) == runtime


def test_the_public_url_is_what_functions_are_told(tmp_path):
    ready("python3.11")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(tmp_path / "data", "--public-url", f"http://ropeway.example.com:{port}")
    try:
        world = World(server)
        handler, files = PRESIGN["python3.11"]
        by_path, by_host = world.call(world.make("python3.11", handler, files), {"bucket": world.bucket, "text": "x"})[0]
        assert urllib.parse.urlsplit(by_path).netloc == f"ropeway.example.com:{port}"
        assert urllib.parse.urlsplit(by_host).netloc == f"{world.bucket}.ropeway.example.com:{port}"
        assert fetch_outside(server, by_path) == fetch_outside(server, by_host) == "x"
    finally:
        server.kill()
