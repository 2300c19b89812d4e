"""API Gateway, REST APIs: what deployed stages answer, by plain HTTP."""

import base64
import http.client
import json
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from support import ACCOUNT, REGION, unique
from test_lambda import create, make_role

ECHO = """
import json
def handler(event, context):
    if event["path"].endswith("/raise"):
        raise ValueError("no")
    if event["path"].endswith("/say"):
        return json.loads(event["body"])
    return {"statusCode": 200, "headers": {"X-One": "1"}, "multiValueHeaders": {"X-Many": ["a", "b"]},
            "body": json.dumps(event)}
"""


def call(server, path, method="GET", body=None, headers=None, host=None):
    """One request; status, headers and body."""
    address = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    given = {**({"Host": host} if host else {}), **(headers or {})}
    connection.request(method, path, body=body, headers=given)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return SimpleNamespace(status=answer.status, headers=answer.headers, body=text,
                           json=json.loads(text) if text[:1] in (b"{", b"[") else None)


class Api:
    """A REST API to be filled, deployed and called."""

    def __init__(self, server, stage="dev", **settings):
        self.server, self.stage = server, stage
        self.client = server.client("apigateway")
        made = self.client.create_rest_api(name=unique("api"), **settings)
        self.id, self.resources = made["id"], {"/": made["rootResourceId"]}

    def resource(self, path):
        if path not in self.resources:
            parent, _, part = path.rpartition("/")
            made = self.client.create_resource(restApiId=self.id, parentId=self.resource(parent or "/"), pathPart=part)
            self.resources[path] = made["id"]
        return self.resources[path]

    def method(self, path, verb, **settings):
        at = {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": verb}
        self.client.put_method(**at, **{"authorizationType": "NONE", **settings})
        return at

    def function(self, path, verb, arn, **settings):
        at = self.method(path, verb, **settings)
        self.client.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=invocations(arn))
        return at

    def mock(self, path, verb, body="{}", **settings):
        at = self.method(path, verb, **settings)
        self.client.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        self.client.put_method_response(**at, statusCode="200")
        self.client.put_integration_response(**at, statusCode="200", responseTemplates={"application/json": body})
        return at

    def deploy(self, **settings):
        self.client.create_deployment(restApiId=self.id, stageName=self.stage, **settings)

    def call(self, path, *args, **kwargs):
        return call(self.server, f"/restapis/{self.id}/{self.stage}/_user_request_{path}", *args, **kwargs)

    def arn(self, rest="*"):
        return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.id}/{rest}"


def invocations(arn):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


def allow_calls(server, function, source="*"):
    """Lets API Gateway invoke a function, for APIs of this ARN."""
    server.client("lambda").add_permission(
        FunctionName=function, StatementId=unique("s"), Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{source}")


@pytest.fixture(scope="module")
def echo(server):
    """A function that answers with its event; any API of the account may call it."""
    name = unique("echo")
    role = make_role(server.client("iam"), name)
    arn = create(server.client("lambda"), name, role, ECHO)["FunctionArn"]
    allow_calls(server, name)
    return arn


@pytest.fixture(scope="module")
def proxy(server, echo):
    """An API whose every path is the echo function."""
    api = Api(server)
    api.function("/{proxy+}", "ANY", echo)
    api.deploy(variables={"color": "blue"})
    return api


def test_a_proxy_gets_the_whole_event(server, proxy):
    answer = proxy.call("/a/b%20c/?x=1&x=2&y=%2B+z", "POST", body='{"k":"v"}',
                        headers={"Content-Type": "application/json", "User-Agent": "tests", "X-Own": "o"})
    assert answer.status == 200
    assert answer.headers["x-one"] == "1" and answer.headers.get_all("x-many") == ["a", "b"]
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-amzn-requestid"])
    assert re.fullmatch(r"[\w+/]{15}=", answer.headers["x-amz-apigw-id"])
    event = answer.json
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/{proxy+}", "/a/b%20c/", "POST")
    assert event["pathParameters"] == {"proxy": "a/b%20c"}
    assert event["queryStringParameters"] == {"x": "2", "y": "+ z"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["+ z"]}
    assert event["headers"]["Content-Type"] == "application/json" and event["headers"]["X-Own"] == "o"
    assert event["multiValueHeaders"]["X-Own"] == ["o"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1" and event["headers"]["X-Forwarded-Proto"] == "http"
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert event["stageVariables"] == {"color": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"k":"v"}', False)
    context = event["requestContext"]
    assert context["identity"] == {
        "cognitoIdentityPoolId": None, "accountId": None, "cognitoIdentityId": None, "caller": None,
        "sourceIp": "127.0.0.1", "principalOrgId": None, "accessKey": None, "cognitoAuthenticationType": None,
        "cognitoAuthenticationProvider": None, "userArn": None, "userAgent": "tests", "user": None}
    assert (context["stage"], context["path"], context["resourcePath"]) == ("dev", "/dev/a/b%20c/", "/{proxy+}")
    assert (context["apiId"], context["accountId"], context["protocol"]) == (proxy.id, ACCOUNT, "HTTP/1.1")
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert context["extendedRequestId"] == answer.headers["x-amz-apigw-id"]
    assert context["domainPrefix"] == proxy.id and context["domainName"].startswith(f"{proxy.id}.execute-api.{REGION}.")
    assert context["resourceId"] == proxy.resources["/{proxy+}"] and context["deploymentId"]
    assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert abs(context["requestTimeEpoch"] / 1000 - server.now().timestamp()) < 60


def test_what_is_not_there_is_null(proxy):
    event = proxy.call("/a").json
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "body"):
        assert event[name] is None


@pytest.mark.parametrize("domain", ["localhost", "amazonaws.com"])
def test_stages_are_served_by_host(server, proxy, domain):
    host = f"{proxy.id}.execute-api.{REGION}.{domain}"
    answer = call(server, "/dev/x?y=z", host=f"{host}:4566")
    assert answer.status == 200 and answer.json["path"] == "/x"
    assert answer.json["requestContext"]["domainName"] == host


@pytest.mark.parametrize("said, status, headers, body", [
    ({"statusCode": 204}, 204, {}, b""),
    ({}, 200, {"content-type": "application/json"}, b""),
    ({"headers": {"Content-Type": "text/x", "A": 1}}, 200, {"content-type": "text/x", "a": "1"}, b""),
    ({"statusCode": "201", "body": "x"}, 201, {}, b"x"),
    ({"statusCode": 200, "body": base64.b64encode(b"x").decode(), "isBase64Encoded": True}, 200, {}, b"eA=="),
])
def test_what_a_proxy_may_answer(proxy, said, status, headers, body):
    answer = proxy.call("/say", "POST", body=json.dumps(said))
    assert (answer.status, answer.body) == (status, body)
    for name, value in headers.items():
        assert answer.headers[name] == value


@pytest.mark.parametrize("said", [
    "text", 1, None, ["a"], {"statusCode": "x"}, {"statusCode": 200, "body": {"a": 1}}, {"statusCode": 200, "wrong": 1},
    {"headers": ["a"]}, {"multiValueHeaders": {"a": "b"}}, {"statusCode": 99},
])
def test_what_a_proxy_must_not_answer(proxy, said):
    answer = proxy.call("/say", "POST", body=json.dumps(said))
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})
    assert answer.headers["x-amzn-errortype"] == "InternalServerErrorException"


def test_a_function_that_fails(proxy):
    answer = proxy.call("/raise")
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})


def test_a_function_that_does_not_let_the_api(server, name, iam):
    arn = create(server.client("lambda"), name, make_role(iam, name), ECHO)["FunctionArn"]
    api = Api(server)
    api.function("/", "GET", arn)
    api.function("/other", "GET", arn)
    api.deploy()
    answer = api.call("/")
    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})
    allow_calls(server, name, f"{api.id}/*/GET/")
    assert api.call("/").status == 200
    assert api.call("/other").status == 500


def test_paths_and_verbs_that_are_not_there(server, proxy, echo):
    api = Api(server)
    api.function("/only", "GET", echo)
    api.deploy()
    for path, verb in [("/", "GET"), ("/other", "GET"), ("/only", "POST"), ("/only/more", "GET")]:
        answer = api.call(path, verb)
        assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    # A greedy variable stands for something.
    assert proxy.call("/").status == 403
    for path in [f"/restapis/{api.id}/nope/_user_request_/only", "/restapis/nobody/dev/_user_request_/only"]:
        answer = call(server, path)
        assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
        assert answer.headers["x-amzn-errortype"] == "ForbiddenException"


def test_the_closest_resource_answers(server, echo):
    api = Api(server)
    for path in ["/pets", "/pets/{id}", "/pets/{id}/toys", "/{proxy+}", "/pets/cats"]:
        api.function(path, "ANY", echo)
    api.deploy()
    for path, resource in [("/pets", "/pets"), ("/pets/", "/pets"), ("/pets/cats", "/pets/cats"),
                           ("/pets/dogs", "/pets/{id}"), ("/pets/dogs/toys", "/pets/{id}/toys"),
                           ("/pets/cats/toys", "/pets/{id}/toys"), ("/pets/cats/x", "/{proxy+}"), ("/x", "/{proxy+}")]:
        assert api.call(path).json["resource"] == resource, path


def test_a_deployment_is_a_snapshot(server, echo):
    api = Api(server)
    api.function("/a", "GET", echo)
    api.deploy()
    assert api.call("/b").status == 403
    at = api.function("/b", "GET", echo)
    assert api.call("/b").status == 403
    api.deploy()
    assert api.call("/b").status == 200
    api.client.delete_resource(restApiId=api.id, resourceId=at["resourceId"])
    assert api.call("/b").status == 200
    before = sorted(api.client.get_deployments(restApiId=api.id)["items"], key=lambda one: one["createdDate"])[0]
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/deploymentId", "value": before["id"]}])
    assert api.call("/b").status == 403
    api.client.delete_stage(restApiId=api.id, stageName="dev")
    assert api.call("/a").json == {"message": "Forbidden"}


def test_binary_bodies(server, echo):
    api = Api(server, binaryMediaTypes=["image/png", "application/*"])
    api.function("/{proxy+}", "ANY", echo)
    api.deploy()
    event = api.call("/x", "POST", body=b"\x00\xff", headers={"Content-Type": "image/png"}).json
    assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)
    event = api.call("/x", "POST", body=b"a", headers={"Content-Type": "text/plain"}).json
    assert (event["body"], event["isBase64Encoded"]) == ("a", False)
    said = json.dumps({"body": "AP8=", "isBase64Encoded": True, "headers": {"Content-Type": "image/png"}})
    text = {"Content-Type": "text/plain"}
    assert api.call("/say", "POST", body=said, headers={**text, "Accept": "image/png"}).body == b"\x00\xff"
    assert api.call("/say", "POST", body=said, headers={**text, "Accept": "text/plain, image/png"}).body == b"AP8="


def test_a_body_that_is_too_large(proxy):
    answer = proxy.call("/x", "POST", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json) == (413, {"message": "Request Too Long"})
