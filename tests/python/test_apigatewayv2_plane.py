"""API Gateway v2, HTTP APIs: what deployed stages answer, by plain HTTP."""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import ACCOUNT, REGION, attributes, document, eventually, make_user, queue_arn, receive, trust, unique
from test_apigateway_plane import allow_calls, call, invocations
from test_lambda import create, make_role, package

ECHO = """
import json, time
def handler(event, context):
    path = event.get("rawPath", event.get("path"))
    if path.endswith("/raise"):
        raise ValueError("no")
    if path.endswith("/say"):
        return json.loads(event["body"])
    return {"statusCode": 200, "headers": {"X-One": "1", "Access-Control-Allow-Origin": "mine"},
            "cookies": ["a=1", "b=2"], "multiValueHeaders": {"x-many": ["a", "b"]}, "body": json.dumps(event)}
"""
NODE = """
exports.handler = async (event) => event.rawPath === "/text" ? "plain" : { who: "node", key: event.routeKey };
"""


def function(server, source, **more):
    name = unique("fn")
    role = make_role(server.client("iam"), name)
    arn = create(server.client("lambda"), name, role, source, **more)["FunctionArn"]
    allow_calls(server, name)
    return arn


@pytest.fixture(scope="module")
def echo(server):
    """A function that answers with its event; any API of the account may call it."""
    return function(server, ECHO)


class Http:
    """An HTTP API to be filled and called; its stage gets every change."""

    def __init__(self, server, stage="$default", variables=None, **settings):
        self.server, self.stage = server, stage
        self.client = server.client("apigatewayv2")
        self.id = self.client.create_api(Name=unique("http"), ProtocolType="HTTP", **settings)["ApiId"]
        self.client.create_stage(ApiId=self.id, StageName=stage, AutoDeploy=True, StageVariables=variables or {})
        self.host = f"{self.id}.execute-api.{REGION}.localhost"

    def integration(self, uri, **more):
        kind = "AWS_PROXY" if uri.startswith("arn:") else "HTTP_PROXY"
        more = {"PayloadFormatVersion": "2.0" if kind == "AWS_PROXY" else "1.0", "IntegrationMethod": "ANY", **more}
        return self.client.create_integration(ApiId=self.id, IntegrationType=kind, IntegrationUri=uri, **more)["IntegrationId"]

    def route(self, key, target, **more):
        if not re.fullmatch(r"[a-z0-9]{7}", target):
            target = self.integration(target)
        return self.client.create_route(ApiId=self.id, RouteKey=key, Target=f"integrations/{target}", **more)["RouteId"]

    def call(self, path, *args, **kwargs):
        return call(self.server, path, *args, host=self.host, **kwargs)


@pytest.fixture(scope="module")
def api(server, echo):
    """An API whose every path is the echo function, in both formats."""
    api = Http(server, variables={"color": "blue"})
    api.route("$default", echo)
    api.route("ANY /two/{id}/{proxy+}", echo)
    api.route("ANY /one/{proxy+}", api.integration(echo, PayloadFormatVersion="1.0"))
    return api


def test_format_2(server, api):
    answer = api.call("/two/a%20b/c/d?x=1&x=2&y=%2B+z", "POST", body='{"k":"v"}', headers={
        "Content-Type": "application/json", "User-Agent": "tests", "X-Own": "o", "Cookie": "c=1; d=2"})
    assert answer.status == 200 and answer.headers["x-one"] == "1"
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[\w+/]{15}=", answer.headers["apigw-requestid"])
    event = answer.json
    assert (event["version"], event["routeKey"]) == ("2.0", "ANY /two/{id}/{proxy+}")
    assert (event["rawPath"], event["rawQueryString"]) == ("/two/a b/c/d", "x=1&x=2&y=%2B+z")
    assert event["cookies"] == ["c=1", "d=2"] and "cookie" not in event["headers"]
    assert event["headers"]["x-own"] == "o" and event["headers"]["content-type"] == "application/json"
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1" and event["headers"]["x-forwarded-proto"] == "http"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "+ z"}
    assert event["pathParameters"] == {"id": "a b", "proxy": "c/d"}
    assert event["stageVariables"] == {"color": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"k":"v"}', False)
    context = event["requestContext"]
    assert context["http"] == {"method": "POST", "path": "/two/a b/c/d", "protocol": "HTTP/1.1",
                               "sourceIp": "127.0.0.1", "userAgent": "tests"}
    assert (context["accountId"], context["apiId"], context["stage"]) == (ACCOUNT, api.id, "$default")
    assert (context["domainName"], context["domainPrefix"]) == (api.host, api.id)
    assert context["requestId"] == answer.headers["apigw-requestid"] and context["routeKey"] == event["routeKey"]
    assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert abs(context["timeEpoch"] / 1000 - server.now().timestamp()) < 60
    assert "authorizer" not in context
    # What is not there is not in the event.
    bare = api.call("/").json
    assert bare["routeKey"] == "$default" and bare["rawPath"] == "/"
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & set(bare)
    assert (bare["rawQueryString"], bare["isBase64Encoded"]) == ("", False)


def test_format_1(api):
    answer = api.call("/one/c%20d?x=1&x=2", "POST", body='{"k":"v"}',
                      headers={"Content-Type": "application/json", "X-Own": "o"})
    assert answer.status == 200 and answer.headers.get_all("x-many") == ["a", "b"]
    event = answer.json
    assert (event["version"], event["resource"], event["path"], event["httpMethod"]) == (
        "1.0", "/one/{proxy+}", "/one/c d", "POST")
    assert event["headers"]["X-Own"] == "o" and event["multiValueHeaders"]["X-Own"] == ["o"]
    assert event["queryStringParameters"] == {"x": "2"} and event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["pathParameters"] == {"proxy": "c d"} and event["stageVariables"] == {"color": "blue"}
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["resourcePath"]) == (api.id, "$default", "/one/{proxy+}")
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["path"] == "/one/c d"
    assert api.call("/one/x").json["body"] is None


def test_bodies_that_are_no_text_are_in_base64(api):
    for kind in ("image/png", "application/x-www-form-urlencoded"):
        event = api.call("/", "POST", body=b"a=1\xff", headers={"Content-Type": kind}).json
        assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == b"a=1\xff"


def test_what_functions_answer(api, server):
    def say(said, prefix="/two/a"):
        return api.call(prefix + "/say", "POST", body=json.dumps(said), headers={"Content-Type": "application/json"})

    plain = say("Hello")
    assert (plain.status, plain.body, plain.headers["content-type"]) == (200, b"Hello", "application/json")
    inferred = say({"a": 1})
    assert (inferred.status, inferred.json, inferred.headers["content-type"]) == (200, {"a": 1}, "application/json")
    assert say([1]).json == [1]
    said = say({"statusCode": "201", "headers": {"X-A": 1}, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True})
    assert (said.status, said.headers["x-a"], said.body) == (201, "1", b"\xff")
    for wrong, prefix in (({"statusCode": 99}, "/two/a"), ({"a": 1}, "/one"), ("Hello", "/one"), (None, "/one")):
        answer = say(wrong, prefix)
        assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"}), wrong
    assert (api.call("/raise").status, api.call("/raise").json) == (500, {"message": "Internal Server Error"})


def test_a_node_function(server):
    arn = function(server, NODE, Runtime="nodejs20.x", Code={"ZipFile": package(NODE, "index.js")})
    # The first call may fetch what the runtime needs: it has no 30 seconds to end in.
    server.client("lambda").invoke(FunctionName=arn, Payload="{}")
    api = Http(server)
    api.route("GET /{any+}", arn)
    assert api.call("/x").json == {"who": "node", "key": "GET /{any+}"}
    assert api.call("/text").body == b"plain"


def test_addresses(server, echo):
    api = Http(server, stage="dev")
    api.route("GET /a", echo)
    for answer in (api.call("/dev/a"), call(server, f"/restapis/{api.id}/dev/_user_request_/a")):
        assert (answer.json["rawPath"], answer.json["requestContext"]["stage"]) == ("/dev/a", "dev")
    missing = {"message": "Not Found"}
    for path, verb in (("/a", "GET"), ("/dev/b", "GET"), ("/dev/a", "POST"), ("/dev/a/", "GET")):
        answer = api.call(path, verb)
        assert (answer.status, answer.json) == (404, missing), path
    api.client.create_stage(ApiId=api.id, StageName="$default", AutoDeploy=True)
    assert api.call("/a").json["rawPath"] == "/a"
    assert call(server, f"/restapis/{api.id}/$default/_user_request_/a").json["rawPath"] == "/a"
    assert call(server, f"/restapis/{api.id}/%24default/_user_request_/a").json["rawPath"] == "/a"
    api.client.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert (api.call("/a").status, api.call("/a").json) == (404, missing)
    api.client.delete_api(ApiId=api.id)
    assert api.call("/a").status == 403  # as for any id that no API has


def test_a_stage_serves_what_was_deployed(server, echo):
    api = Http(server)
    api.route("GET /a", echo)
    api.client.create_stage(ApiId=api.id, StageName="slow")
    assert api.call("/slow/a").status == 404
    api.client.create_deployment(ApiId=api.id, StageName="slow")
    api.route("GET /b", echo)
    assert api.call("/slow/a").status == 200 and api.call("/b").status == 200
    assert api.call("/slow/b").status == 404


def test_the_closest_route_answers(server, echo):
    api = Http(server)
    keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]
    target = api.integration(echo)
    for key in keys:
        api.route(key, target)
    for verb, path, key in (("GET", "/pets/dog/1", keys[0]), ("GET", "/pets/dog/2", keys[1]), ("GET", "/pets/cat/1", keys[2]),
                            ("POST", "/test/5", keys[3]), ("GET", "/", keys[4])):
        assert api.call(path, verb).json["routeKey"] == key


def test_cors(server, echo):
    cors = {"AllowOrigins": ["https://a.example", "http://*"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a", "x-b"],
            "ExposeHeaders": ["x-c"], "MaxAge": 7, "AllowCredentials": True}
    api = Http(server, CorsConfiguration=cors)
    api.route("GET /a", echo)
    asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    answer = api.call("/anything", "OPTIONS", headers=asks)
    assert (answer.status, answer.body) == (204, b"")
    shown = {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}
    assert shown == {"access-control-allow-origin": "https://a.example", "access-control-allow-methods": "GET,POST",
                     "access-control-allow-headers": "x-a,x-b", "access-control-expose-headers": "x-c",
                     "access-control-max-age": "7", "access-control-allow-credentials": "true"}
    got = api.call("/a", headers={"Origin": "http://b.example"})
    assert got.headers["access-control-allow-origin"] == "http://b.example" and got.status == 200
    for other in (api.call("/a", headers={"Origin": "https://evil.example"}), api.call("/a")):
        # What the function says of CORS is not passed on.
        assert other.status == 200 and "access-control-allow-origin" not in other.headers
    assert api.call("/none", headers={"Origin": "https://a.example"}).headers["access-control-allow-origin"] == "https://a.example"
    api.client.delete_cors_configuration(ApiId=api.id)
    assert api.call("/a").headers["access-control-allow-origin"] == "mine"
    assert api.call("/anything", "OPTIONS", headers=asks).status == 404


class Endpoint:
    """An HTTP endpoint on loopback that answers with what it was asked, or with given documents."""

    def __init__(self, documents=None):
        self.documents, self.asked = documents or {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append(self.path)
                said = outer.documents.get(self.path.split("?")[0])
                if said is None:
                    said = {"path": self.path, "verb": self.command, "body": body.decode(),
                            "headers": {k.lower(): v for k, v in self.headers.items()}}
                data = json.dumps(said).encode()
                self.send_response(500 if "fail" in self.path else 200)
                self.send_header("X-From", "endpoint")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()


def test_http_endpoints_and_mappings(server, endpoint):
    api = Http(server, variables={"v": "green"})
    api.route("ANY /plain/{id}/{proxy+}", api.integration(endpoint.address + "/at/{proxy}"))
    answer = api.call("/plain/1/x%20y?q=1&q=2", "POST", body="b", headers={"X-Own": "o"})
    assert answer.status == 200 and answer.headers["x-from"] == "endpoint"
    seen = answer.json
    assert (seen["path"], seen["verb"], seen["body"]) == ("/at/x%20y?q=1&q=2", "POST", "b")
    assert seen["headers"]["x-own"] == "o" and seen["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway"
    assert seen["headers"]["forwarded"] == f"by=127.0.0.1;for=127.0.0.1;host={api.host};proto=http"
    mapped = api.integration(endpoint.address + "/ignored?kept=1", IntegrationMethod="PUT", RequestParameters={
        "overwrite:path": "/to/${request.path.id}/$x", "append:header.x-a": "$request.header.x-own",
        "overwrite:header.x-b": "${stageVariables.v}-${context.httpMethod}", "remove:header.user-agent": "''",
        "overwrite:querystring.n": "$request.body.a[0].b", "remove:querystring.gone": "''", "append:querystring.q": "9",
    }, ResponseParameters={"200": {"overwrite:statuscode": "202", "append:header.x-from": "gateway",
                                   "overwrite:header.x-path": "$response.body.path"}})
    api.route("POST /mapped/{id}", mapped)
    answer = api.call("/mapped/7?gone=1&q=1", "POST", body='{"a":[{"b":5}]}', headers={"X-Own": "o", "X-A": "first", "User-Agent": "u"})
    assert answer.status == 202 and answer.headers.get_all("x-from") == ["endpoint", "gateway"]
    seen = answer.json
    assert seen["verb"] == "PUT" and seen["path"] == "/to/7/$x?n=5&q=1%2C9" == answer.headers["x-path"]
    assert seen["headers"]["x-a"] == "first,o" and seen["headers"]["x-b"] == "green-POST"
    assert "user-agent" not in seen["headers"]
    api.route("GET /nobody", api.integration("http://127.0.0.1:1/"))
    answer = api.call("/nobody")
    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})


def test_an_integration_has_its_time(server):
    ended = Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            ended.wait()

    slow = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    Thread(target=slow.serve_forever, daemon=True).start()
    api = Http(server)
    address = f"http://127.0.0.1:{slow.server_address[1]}/"
    api.route("GET /slow", api.integration(address, TimeoutInMillis=50))
    answer = api.call("/slow")
    ended.set()
    slow.shutdown()
    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})


def test_mappings_of_functions(server, echo):
    api = Http(server)
    target = api.integration(echo, RequestParameters={"overwrite:path": "/other", "append:header.x-a": "1", "overwrite:querystring.q": "a b"},
                             ResponseParameters={"200": {"remove:header.x-one": "''"}})
    api.route("GET /a", target)
    answer = api.call("/a?z=1")
    assert "x-one" not in answer.headers
    event = answer.json
    assert (event["rawPath"], event["headers"]["x-a"]) == ("/other", "1")
    assert event["queryStringParameters"] == {"q": "a b", "z": "1"} and event["rawQueryString"] == "q=a%20b&z=1"


def test_functions_that_may_not_be_called(server):
    name = unique("closed")
    arn = create(server.client("lambda"), name, make_role(server.client("iam"), name), ECHO)["FunctionArn"]
    api = Http(server)
    api.route("GET /a", arn)
    assert (api.call("/a").status, api.call("/a").json) == (500, {"message": "Internal Server Error"})
    # The ARN that the permission is for: the route as it is written.
    allow_calls(server, name, f"{api.id}/$default/GET/a")
    assert api.call("/a").status == 200


def test_throttling(own):
    api = Http(own)
    endpoint = Endpoint()
    target = api.integration(endpoint.address)
    api.route("GET /a", target)
    api.route("GET /b", target)
    # The clock does not stand still: a token comes back every 1,000 seconds.
    api.client.update_stage(ApiId=api.id, StageName="$default", DefaultRouteSettings={"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001},
                            RouteSettings={"GET /b": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.001}})
    assert [api.call("/a").status for _ in range(3)] == [200, 200, 429]
    assert [api.call("/b").status for _ in range(2)] == [200, 429]
    assert api.call("/b").json == {"message": "Too Many Requests"}
    own.advance(1001)
    assert [api.call("/b").status for _ in range(2)] == [200, 429]


def test_large_requests_are_refused(api):
    answer = api.call("/", "POST", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})


def test_iam(server, iam, echo):
    api = Http(server)
    api.route("GET /a", echo, AuthorizationType="AWS_IAM")
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/$default/GET/a"
    may = make_user(iam, unique("may"), {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn})
    may_not = make_user(iam, unique("not"), {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn + "b"})

    def signed(key, service="execute-api"):
        address = f"http://{api.host}/a"
        request = AWSRequest("GET", address, headers={"host": api.host})
        SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
        return api.call("/a", headers={name: value for name, value in request.headers.items() if name.lower() != "host"})

    answer = signed(may)
    assert answer.status == 200, answer.body
    who = answer.json["requestContext"]["authorizer"]["iam"]
    assert who["accessKey"] == may[0] and who["accountId"] == ACCOUNT and ":user/may" in who["userArn"]
    for refused in (api.call("/a"), signed(may_not), signed(may, "lambda"), signed((may[0], "wrong"))):
        assert (refused.status, refused.json) == (403, {"message": "Forbidden"})


AUTHORIZER = """
import json
def handler(event, context):
    token = event["headers"].get("x-token", event["headers"].get("X-Token"))
    if token == "raise":
        raise ValueError("no")
    if token == "401":
        raise Exception("Unauthorized")
    if token == "odd":
        return {"odd": True}
    if event["version"] == "2.0" and token.startswith("simple"):
        return {"isAuthorized": token == "simple-yes", "context": {"n": 1, "deep": {"a": [1]}, "event": json.dumps(event), "id": context.aws_request_id}}
    resource = event.get("routeArn", event.get("methodArn"))
    return {"principalId": "p", "context": {"event": json.dumps(event), "id": context.aws_request_id},
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Deny" if token == "deny" else "Allow", "Resource": resource}]}}
"""


@pytest.fixture(scope="module")
def guard(server):
    return function(server, AUTHORIZER)


def guarded(server, echo, guard, version, simple=False, ttl=0, sources=("$request.header.x-token",)):
    api = Http(server)
    more = {"EnableSimpleResponses": True} if simple else {}
    id = api.client.create_authorizer(
        ApiId=api.id, Name="a", AuthorizerType="REQUEST", IdentitySource=list(sources), AuthorizerUri=invocations(guard),
        AuthorizerPayloadFormatVersion=version, AuthorizerResultTtlInSeconds=ttl, **more)["AuthorizerId"]
    target = api.integration(echo)
    api.route("GET /a", target, AuthorizationType="CUSTOM", AuthorizerId=id)
    api.route("GET /b", target, AuthorizationType="CUSTOM", AuthorizerId=id)
    return api


def test_simple_answers_of_authorizers(server, echo, guard):
    api = guarded(server, echo, guard, "2.0", simple=True)
    answer = api.call("/a?q=1", headers={"X-Token": "simple-yes"})
    assert answer.status == 200, answer.body
    context = answer.json["requestContext"]["authorizer"]["lambda"]
    assert (context["n"], context["deep"]) == (1, {"a": [1]})
    asked = json.loads(context["event"])
    assert (asked["version"], asked["type"], asked["routeKey"]) == ("2.0", "REQUEST", "GET /a")
    assert asked["identitySource"] == ["simple-yes"] and "body" not in asked
    assert asked["routeArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/$default/GET/a"
    assert api.call("/a", headers={"X-Token": "simple-yes"}).json["requestContext"]["authorizer"]["lambda"]["id"] != context["id"]
    for token, status, message in (("simple-no", 403, "Forbidden"), ("raise", 500, "Internal Server Error"),
                                   ("odd", 500, "Internal Server Error"), ("401", 401, "Unauthorized"), (None, 401, "Unauthorized")):
        answer = api.call("/a", headers={"X-Token": token} if token else {})
        assert (answer.status, answer.json) == (status, {"message": message}), token


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_policies_of_authorizers(server, echo, guard, version):
    api = guarded(server, echo, guard, version)
    answer = api.call("/a", headers={"X-Token": "allow"})
    assert answer.status == 200, answer.body
    asked = json.loads(answer.json["requestContext"]["authorizer"]["lambda"]["event"])
    if version == "1.0":
        assert (asked["identitySource"], asked["authorizationToken"]) == ("allow", "allow")
        assert asked["methodArn"].endswith("/$default/GET/a") and (asked["resource"], asked["httpMethod"]) == ("/a", "GET")
    assert api.call("/a", headers={"X-Token": "deny"}).json == {"message": "Forbidden"}


def test_authorizers_answers_are_kept(own):
    echo, guard = function(own, ECHO), function(own, AUTHORIZER)
    api = guarded(own, echo, guard, "2.0", ttl=60)

    def asked(path="/a", token="allow"):
        answer = api.call(path, headers={"X-Token": token})
        return answer.json["requestContext"]["authorizer"]["lambda"]["id"] if answer.status == 200 else answer.status

    first = asked()
    assert asked() == first and asked(token="allow2") != first
    # The policy that is kept is for the first route alone.
    assert asked("/b") == 403
    own.advance(61)
    second = asked()
    assert second != first
    api.client.reset_authorizers_cache(ApiId=api.id, StageName="$default")
    assert asked() != second


def test_access_logs(server, echo):
    api, logs, group = Http(server), server.client("logs"), unique("/http/log")
    logs.create_log_group(logGroupName=group)
    api.route("GET /a/{id}", echo)
    api.client.update_stage(ApiId=api.id, StageName="$default", AccessLogSettings={
        "DestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}",
        "Format": '$context.requestId $context.httpMethod $context.routeKey $context.status $context.error.message $context.identity.sourceIp $context.path $context.stage'})
    good, bad = api.call("/a/1"), api.call("/none")

    def lines():
        return sorted(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])

    eventually(lambda: len(lines()) == 2, "two lines")
    assert lines() == sorted([
        f"{good.headers['apigw-requestid']} GET GET /a/{{id}} 200 - 127.0.0.1 /a/1 $default",
        f"{bad.headers['apigw-requestid']} GET - 404 Not Found 127.0.0.1 /none $default"])
    api.client.delete_access_log_settings(ApiId=api.id, StageName="$default")
    assert "AccessLogSettings" not in api.client.get_stage(ApiId=api.id, StageName="$default")


def test_messages_are_sent_to_a_queue(server, iam, sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="apigateway.amazonaws.com"))
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    api = Http(server)
    target = api.client.create_integration(
        ApiId=api.id, IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage", PayloadFormatVersion="1.0",
        CredentialsArn=role, RequestParameters={
            "QueueUrl": url, "MessageBody": "$request.body.text",
            "MessageAttributes": '{"who": {"DataType": "String", "StringValue": "${request.header.x-who}"}}'})["IntegrationId"]
    api.route("POST /send", target)

    def send():
        return api.call("/send", "POST", body='{"text": "hello"}', headers={"X-Who": "me"})

    assert send().status == 403
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn(sqs, url)}))
    answer = send()
    assert answer.status == 200, answer.body
    [message] = receive(sqs, url, 1, MessageAttributeNames=["All"])
    assert message["Body"] == "hello" and message["MessageAttributes"]["who"]["StringValue"] == "me"
    assert answer.json["SendMessageResponse"]["SendMessageResult"]["MessageId"] == message["MessageId"]
    assert api.call("/send", "POST", body="{}").status == 400
