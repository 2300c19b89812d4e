"""Lambda: function URLs."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import REGION, allow, make_user, refused, unique
from test_lambda import create, make_role

ECHO = """
import base64, json
def handler(event, context):
    path = event["rawPath"]
    if path == "/raise":
        raise ValueError("no")
    if path == "/plain":
        return {"hello": "world"}
    if path == "/teapot":
        return {"statusCode": 418, "headers": {"X-Own": "yes", "Content-Type": "text/plain"}, "body": "short",
                "cookies": ["a=1; Secure", "b=2"]}
    if path == "/binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(bytes([0, 255])).decode()}
    return event
"""


def call(url, host, path="/", method="GET", body=None, headers=None):
    """Asks by the host of the URL, at the server's own address."""
    request = urllib.request.Request(url + path, data=body, method=method, headers={"Host": host, **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Site:
    def __init__(self, server, functions, name):
        self.endpoint, self.functions, self.name = server.endpoint, functions, name

    def make(self, auth="NONE", **more):
        made = self.functions.create_function_url_config(FunctionName=self.name, AuthType=auth, **more)
        self.host = urllib.parse.urlsplit(made["FunctionUrl"]).netloc
        self.id = self.host.split(".")[0]
        return made

    def allow(self, auth="NONE", principal="*"):
        self.functions.add_permission(FunctionName=self.name, StatementId="url", Principal=principal,
                                      Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType=auth)
        self.functions.add_permission(FunctionName=self.name, StatementId="invoke", Principal=principal,
                                      Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)

    def call(self, path="/", **more):
        return call(self.endpoint, self.host, path, **more)


@pytest.fixture
def site(server, iam, name):
    functions = server.client("lambda")
    create(functions, name, make_role(iam, name), ECHO)
    return Site(server, functions, name)


def test_configuration(site):
    functions = site.functions
    with refused("ResourceNotFoundException", 404):
        functions.get_function_url_config(FunctionName=site.name)
    made = site.make(Cors={"AllowOrigins": ["https://a.example"], "MaxAge": 5})
    assert made["FunctionUrl"].split("//")[1].startswith(f"{site.id}.lambda-url.{REGION}.localhost:")
    with refused("ResourceConflictException", 409):
        site.make()
    got = functions.get_function_url_config(FunctionName=site.name)
    assert (got["AuthType"], got["InvokeMode"], got["Cors"]["MaxAge"]) == ("NONE", "BUFFERED", 5)
    changed = functions.update_function_url_config(FunctionName=site.name, AuthType="AWS_IAM",
                                                   InvokeMode="RESPONSE_STREAM")
    assert (changed["AuthType"], changed["InvokeMode"]) == ("AWS_IAM", "RESPONSE_STREAM")
    assert len(functions.list_function_url_configs(FunctionName=site.name)["FunctionUrlConfigs"]) == 1
    functions.delete_function_url_config(FunctionName=site.name)
    assert functions.list_function_url_configs(FunctionName=site.name)["FunctionUrlConfigs"] == []
    assert site.call()[0] == 404


def test_everybody_may_call_once_the_policy_says_so(site):
    site.make()
    status, _, body = site.call()
    assert (status, json.loads(body)) == (403, {"Message": "Forbidden"})
    site.allow()
    status, headers, body = site.call("/a%20b?x=1&x=2&y=z", method="POST", body=b'{"k":1}', headers={
        "Content-Type": "application/json", "Cookie": "c=1; d=2", "X-Mine": "v"})
    event = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert event["version"] == "2.0" and event["rawPath"] == "/a b" and event["rawQueryString"] == "x=1&x=2&y=z"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "z"}
    assert event["cookies"] == ["c=1", "d=2"] and event["headers"]["x-mine"] == "v"
    assert event["body"] == '{"k":1}' and event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["http"]["method"] == "POST" and context["accountId"] == "anonymous"
    assert context["domainPrefix"] == site.id and context["apiId"] == site.id
    binary = json.loads(site.call("/", method="PUT", body=b"\x00\xff")[2])
    assert binary["isBase64Encoded"] is True and binary["body"] == "AP8="


def test_answers(site):
    site.make()
    site.allow()
    assert site.call("/plain")[2] == b'{"hello": "world"}'
    status, headers, body = site.call("/teapot")
    assert (status, headers["X-Own"], body) == (418, "yes", b"short")
    assert headers.get_all("Set-Cookie") == ["a=1; Secure", "b=2"]
    assert site.call("/binary")[2] == b"\x00\xff"
    assert site.call("/raise")[0] == 502
    by_path = call(site.endpoint, site.endpoint.split("//")[1], f"/_lambda-url/{site.id}/teapot")
    assert by_path[0] == 418
    site.functions.put_function_concurrency(FunctionName=site.name, ReservedConcurrentExecutions=0)
    assert site.call("/plain")[0] == 429


def test_signatures(server, iam, site):
    made = site.make("AWS_IAM")
    assert site.call()[0] == 403
    arn = made["FunctionArn"]
    key = make_user(iam, unique(), allow(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], arn))
    stranger = make_user(iam, unique())

    def signed(key, tamper=""):
        request = AWSRequest("GET", f"http://{site.host}/plain")
        SigV4Auth(Credentials(*key), "lambda", REGION).add_auth(request)
        return site.call("/plain" + tamper, headers=dict(request.headers))

    assert signed(key)[0] == 200
    assert signed(stranger)[0] == 403
    assert signed(key, "?x=1")[0] == 403
    assert signed((key[0], "wrong"))[0] == 403


def test_cors(site):
    site.make(Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"],
                    "AllowHeaders": ["x-mine"], "ExposeHeaders": ["x-own"], "MaxAge": 60, "AllowCredentials": True})
    site.allow()
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = site.call(method="OPTIONS", headers=asked)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert headers["Access-Control-Allow-Methods"] == "GET,POST" and headers["Access-Control-Max-Age"] == "60"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    _, headers, _ = site.call("/plain", headers={"Origin": "https://a.example"})
    assert headers["Access-Control-Expose-Headers"] == "x-own"
    _, headers, _ = site.call("/plain", headers={"Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in headers


STREAM = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath === "/head") {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-own": "yes" } });
  } else {
    stream.setContentType("text/plain");
  }
  for (let n = 0; n < 3; n++) stream.write(`piece ${n};`);
  stream.end();
});
"""


def test_streams(server, iam, name):
    from test_lambda import package
    functions = server.client("lambda")
    create(functions, name, make_role(iam, name), Runtime="nodejs20.x", Timeout=20,
           Code={"ZipFile": package(STREAM, "index.js")})
    site = Site(server, functions, name)
    site.make(InvokeMode="RESPONSE_STREAM")
    site.allow()
    status, headers, body = site.call("/")
    assert (status, headers["Content-Type"], body) == (200, "text/plain", b"piece 0;piece 1;piece 2;")
    status, headers, body = site.call("/head")
    assert (status, headers["X-Own"], body) == (201, "yes", b"piece 0;piece 1;piece 2;")
    answer = functions.invoke_with_response_stream(FunctionName=name, Payload=b"{}")
    chunks = b"".join(e["PayloadChunk"]["Payload"] for e in answer["EventStream"] if "PayloadChunk" in e)
    assert chunks == b"piece 0;piece 1;piece 2;"
