"""API Gateway, REST APIs: who may call, what is validated, and integrations that are no proxies."""

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import ACCOUNT, REGION, Server, allow, document, eventually, make_user, refused, trust, unique
from test_apigateway_plane import Api, allow_calls, call, echo, invocations  # noqa: F401
from test_lambda import create, make_role


def signed(server, path, key, service="execute-api", **more):
    """A request signed for a service."""
    request = AWSRequest("GET", server.endpoint + path, headers={"Host": urlsplit(server.endpoint).netloc})
    SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
    return call(server, path, headers=dict(request.headers), **more)


def test_iam_decides_who_calls(server, echo, iam, name):
    api = Api(server)
    api.function("/pets", "GET", echo, authorizationType="AWS_IAM")
    api.function("/toys", "GET", echo, authorizationType="AWS_IAM")
    api.deploy()
    path = f"/restapis/{api.id}/dev/_user_request_"
    answer = api.call("/pets")
    assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})
    key = make_user(iam, name, allow("execute-api:Invoke", api.arn("dev/GET/pets")))
    answer = signed(server, path + "/pets", key)
    assert answer.status == 200, answer.body
    identity = answer.json["requestContext"]["identity"]
    assert identity["accessKey"] == key[0] and identity["accountId"] == ACCOUNT
    assert identity["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}" and identity["user"].startswith("AIDA")
    answer = signed(server, path + "/toys", key)
    assert answer.status == 403 and answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert answer.json["message"].startswith(
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: execute-api:Invoke on resource: "
        f"arn:aws:execute-api:{REGION}:********0000:{api.id}/dev/GET/toys")
    answer = signed(server, path + "/pets", (key[0], "wrong"))
    assert answer.status == 403 and answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    answer = signed(server, path + "/pets", key, service="s3")
    assert (answer.status, answer.json["message"]) == (
        403, "Credential should be scoped to correct service: 'execute-api'.")


def test_a_role_calls_a_function(server, name, iam):
    arn = create(server.client("lambda"), name, make_role(iam, name), "def handler(e, c):\n return {'body': 'x'}")["FunctionArn"]
    role = f"{name}-caller"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(Service="apigateway.amazonaws.com"))
    api = Api(server)
    at = api.method("/", "GET")
    api.client.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=invocations(arn),
                               credentials=f"arn:aws:iam::{ACCOUNT}:role/{role}")
    api.deploy()
    assert api.call("/").status == 500
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document(allow("lambda:InvokeFunction", arn)))
    assert api.call("/").body == b"x"


AUTHORIZER = """
import json
calls = 0
def handler(event, context):
    global calls
    calls += 1
    said = event.get("authorizationToken") or event["headers"].get("X-Who")
    if said == "raise":
        raise Exception("Unauthorized")
    if said == "fail":
        raise Exception("no")
    if said == "nothing":
        return {}
    effect = "Deny" if said == "deny" else "Allow"
    resource = event["methodArn"] if said != "other" else "arn:aws:execute-api:*:*:none/*"
    return {"principalId": said, "usageIdentifierKey": said,
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource.split("/")[0] + "/*"}]},
            "context": {"calls": calls, "type": event["type"], "flag": True}}
"""


def authorizer(server, api, iam, **settings):
    name = unique("authorizer")
    arn = create(server.client("lambda"), name, make_role(iam, name), AUTHORIZER)["FunctionArn"]
    made = api.client.create_authorizer(restApiId=api.id, name="a", authorizerUri=invocations(arn), **settings)
    allow_calls(server, name, f"{api.id}/authorizers/{made['id']}")
    return made["id"]


def test_a_token_authorizer(own):
    iam = own.client("iam")
    name = unique("echo")
    arn = create(own.client("lambda"), name, make_role(iam, name), "import json\ndef handler(e, c):\n return {'body': json.dumps(e)}")["FunctionArn"]
    allow_calls(own, name)
    api = Api(own)
    id = authorizer(own, api, iam, type="TOKEN", identitySource="method.request.header.Auth",
                    identityValidationExpression="[a-z]+", authorizerResultTtlInSeconds=60)
    api.function("/{proxy+}", "ANY", arn, authorizationType="CUSTOM", authorizerId=id)
    api.deploy()

    def said(token, path="/x"):
        return api.call(path, headers={"Auth": token} if token is not None else {})

    for token in (None, "", "UPPER", "raise"):
        answer = said(token)
        assert (answer.status, answer.json) == (401, {"message": "Unauthorized"}), token
        assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"
    answer = said("deny")
    assert (answer.status, answer.json["message"]) == (
        403, "User is not authorized to access this resource with an explicit deny")
    assert said("other").json["message"] == "User is not authorized to access this resource"
    for token in ("fail", "nothing"):
        answer = said(token)
        assert (answer.status, answer.json) == (500, {"message": None})
    first = said("alice").json["requestContext"]["authorizer"]
    assert (first["principalId"], first["type"], first["flag"]) == ("alice", "TOKEN", "true")
    # Kept for its time, for other paths too.
    assert said("alice", "/y").json["requestContext"]["authorizer"]["calls"] == first["calls"]
    own.advance(61)
    later = said("alice").json["requestContext"]["authorizer"]
    assert int(later["calls"]) > int(first["calls"])
    api.client.flush_stage_authorizers_cache(restApiId=api.id, stageName="dev")
    assert int(said("alice").json["requestContext"]["authorizer"]["calls"]) > int(later["calls"])


def test_a_request_authorizer(server, echo, iam):
    api = Api(server)
    id = authorizer(server, api, iam, type="REQUEST", authorizerResultTtlInSeconds=0,
                    identitySource="method.request.header.X-Who, method.request.querystring.q")
    api.function("/x", "GET", echo, authorizationType="CUSTOM", authorizerId=id)
    api.deploy()
    assert api.call("/x", headers={"X-Who": "bob"}).status == 401
    answer = api.call("/x?q=1", headers={"X-Who": "bob"})
    assert answer.json["requestContext"]["authorizer"]["type"] == "REQUEST"
    assert answer.json["requestContext"]["authorizer"]["principalId"] == "bob"


def keyed(server, echo, **plan):
    """An API that wants a key, and a key for it."""
    api = Api(server)
    api.function("/x", "GET", echo, apiKeyRequired=True)
    api.deploy()
    key = api.client.create_api_key(name=unique("key"), enabled=True)
    made = api.client.create_usage_plan(name=unique("plan"), apiStages=[{"apiId": api.id, "stage": "dev"}], **plan)
    api.client.create_usage_plan_key(usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return api, key, made["id"]


def test_api_keys(server, echo):
    api, key, plan = keyed(server, echo)
    other = api.client.create_api_key(name=unique("key"), enabled=True)["value"]
    for headers in ({}, {"x-api-key": "x"}, {"x-api-key": other}):
        answer = api.call("/x", headers=headers)
        assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
    identity = api.call("/x", headers={"x-api-key": key["value"]}).json["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == (key["value"], key["id"])
    api.client.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    assert api.call("/x", headers={"x-api-key": key["value"]}).status == 403


def test_throttles_and_quotas(own):
    iam, name = own.client("iam"), unique("echo")
    arn = create(own.client("lambda"), name, make_role(iam, name), "def handler(e, c):\n return {'body': 'x'}")["FunctionArn"]
    allow_calls(own, name)
    api, key, plan = keyed(own, arn, quota={"limit": 3, "period": "DAY"})
    headers = {"x-api-key": key["value"]}
    assert [api.call("/x", headers=headers).status for _ in range(4)] == [200, 200, 200, 429]
    answer = api.call("/x", headers=headers)
    assert answer.json == {"message": "Limit Exceeded"} and answer.headers["x-amzn-errortype"] == "LimitExceededException"
    own.restart_after_kill()
    assert api.call("/x", headers=headers).status == 429
    own.advance(86_400)
    assert api.call("/x", headers=headers).status == 200
    client = own.client("apigateway")
    client.update_usage_plan(usagePlanId=plan, patchOperations=[
        {"op": "remove", "path": "/quota"}, {"op": "replace", "path": "/throttle/burstLimit", "value": "2"},
        {"op": "replace", "path": "/throttle/rateLimit", "value": "0.01"}])
    assert [api.call("/x", headers=headers).status for _ in range(3)] == [200, 200, 429]
    assert api.call("/x", headers=headers).json == {"message": "Too Many Requests"}
    own.advance(100)
    assert api.call("/x", headers=headers).status == 200


def test_usage(own):
    iam, name = own.client("iam"), unique("echo")
    arn = create(own.client("lambda"), name, make_role(iam, name), "def handler(e, c):\n return {'body': 'x'}")["FunctionArn"]
    allow_calls(own, name)
    api, key, plan = keyed(own, arn, quota={"limit": 3, "period": "MONTH"})
    client, headers = own.client("apigateway"), {"x-api-key": key["value"]}
    own.advance(-own.now().timestamp() % 86_400 + 43_200)
    today = own.now().date()
    usage = lambda first, last, **more: client.get_usage(
        usagePlanId=plan, startDate=str(today + timedelta(first)), endDate=str(today + timedelta(last)), **more)
    assert usage(0, 0)["items"] == {}
    assert [api.call("/x", headers=headers).status for _ in range(4)] == [200, 200, 200, 429]
    shown = usage(-1, 0)
    assert shown["items"] == {key["id"]: [[0, 3], [3, 0]]} and shown["usagePlanId"] == plan
    assert usage(0, 0, keyId=key["id"])["items"] == {key["id"]: [[3, 0]]} and usage(0, 0, keyId="none")["items"] == {}
    # An extension is of this period alone.
    left = [{"op": "replace", "path": "/remaining", "value": "5"}]
    assert client.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=left)["items"] == {key["id"]: [[3, 5]]}
    assert [api.call("/x", headers=headers).status for _ in range(6)] == [200] * 5 + [429]
    own.restart_after_kill()
    assert usage(0, 0)["items"] == {key["id"]: [[8, 0]]}
    own.advance(32 * 86_400)
    assert api.call("/x", headers=headers).status == 200
    assert usage(0, 32)["items"][key["id"]][-1] == [1, 2]
    for error, text, arguments in (
            ("BadRequestException", "Invalid date", {"startDate": "yesterday"}), ("BadRequestException", "before", {"startDate": "2030-01-01"}),
            ("BadRequestException", "at most 90 days", {"startDate": "2020-01-01"}), ("NotFoundException", "Usage Plan", {"usagePlanId": "none"})):
        with refused(error, None, text):
            client.get_usage(**{"usagePlanId": plan, "startDate": "2025-12-31", "endDate": "2026-01-01", **arguments})
    with refused("NotFoundException", 404, "Usage Plan Key"):
        client.update_usage(usagePlanId=plan, keyId="none", patchOperations=left)
    with refused("BadRequestException", 400, "Must be one of: [/remaining]"):
        client.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=[{**left[0], "path": "/used"}])


def test_a_stage_throttles_its_methods(own):
    api = Api(own)
    api.mock("/a", "GET")
    api.mock("/b", "GET")
    api.deploy()
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/~1a/GET/throttling/burstLimit", "value": "1"},
        {"op": "replace", "path": "/~1a/GET/throttling/rateLimit", "value": "0.01"}])
    assert [api.call("/a").status for _ in range(2)] == [200, 429]
    assert [api.call("/b").status for _ in range(2)] == [200, 200]


def test_throttles_are_exact(own):
    api = Api(own)
    api.mock("/", "GET")
    api.deploy()
    # So slow that the time which the test takes is nothing: only the clock's moves let requests pass.
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "20"},
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "0.0001"}])
    for seconds, passing in ((0, 20), (10_000, 1), (50_000, 5), (5_000, 0), (5_000, 1), (1_000_000, 20)):
        own.advance(seconds)
        assert [api.call("/").status for _ in range(passing + 1)] == [200] * passing + [429]


def test_settings_of_a_method_of_any_verb(own):
    api = Api(own)
    api.mock("/a", "ANY")
    api.deploy()
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/~1a/ANY/throttling/burstLimit", "value": "1"},
        {"op": "replace", "path": "/~1a/ANY/throttling/rateLimit", "value": "0.01"}])
    assert [api.call("/a", verb).status for verb in ("GET", "POST")] == [200, 429]


def test_an_account_throttles_all_its_apis(tmp_path):
    server = Server(tmp_path / "data", "--api-requests-per-second", "2")
    try:
        apis = [Api(server), Api(server)]
        for api in apis:
            api.mock("/", "GET")
            api.deploy()
        throttle = apis[0].client.get_account()["throttleSettings"]
        assert throttle == {"burstLimit": 1, "rateLimit": 2.0}
        # Of requests one after another some pass, as time does; of those at once, one.
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda n: apis[n % 2].call("/").status, range(64)))
        assert set(statuses) == {200, 429}
        server.advance(10)
        assert apis[1].call("/").status == 200
    finally:
        server.kill()


@pytest.fixture
def logged(own):
    """An account whose role may write logs."""
    iam = own.client("iam")
    iam.create_role(RoleName="logs", AssumeRolePolicyDocument=trust(Service="apigateway.amazonaws.com"))
    iam.put_role_policy(RoleName="logs", PolicyName="p", PolicyDocument=document(
        allow(["logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"])))
    own.client("apigateway").update_account(patchOperations=[
        {"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/logs"}])
    return own


def set_logging(api, level, trace="false"):
    shown = api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": level},
        {"op": "replace", "path": "/*/*/logging/dataTrace", "value": trace}])["methodSettings"]
    # Where nothing is set, nothing is shown.
    shown = shown.get("*/*", {"loggingLevel": "OFF", "dataTraceEnabled": False})
    assert (shown["loggingLevel"], shown["dataTraceEnabled"]) == (level, trace == "true")


def executed(server, api, answer):
    """The lines of a request, without its id, once they have come: all of them are put at once."""
    return eventually(lambda: executed_so_far(server, api, answer), "the request's lines")


def executed_so_far(server, api, answer):
    logs = server.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{api.id}/dev")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    begin = f"({answer.headers['x-amzn-requestid']}) "
    return [event["message"][len(begin):] for event in events if event["message"].startswith(begin)]


def messages(server, group, count):
    """The messages of a log group, once there are so many."""
    def found():
        events = server.client("logs").filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in events] if len(events) == count else None

    return eventually(found, f"{count} lines")


def test_execution_logs(logged):
    api = Api(logged)
    api.mock("/a/{id}", "GET", "four")
    api.deploy()
    set_logging(api, "INFO")
    answer = api.call("/a/7?x=1")
    stage = f"{api.id}/dev"
    short = [
        f"Extended Request Id: {answer.headers['x-amz-apigw-id']}",
        f"Verifying Usage Plan for request: {answer.headers['x-amzn-requestid']}. API Key:  API Stage: {stage}",
        "API Key  authorized because method 'GET /a/{id}' does not require API Key. Request will not contribute to throttle "
        "or quota limits",
        f"Usage Plan check succeeded for API Key  and API Stage {stage}",
        f"Starting execution for request: {answer.headers['x-amzn-requestid']}",
        "HTTP Method: GET, Resource Path: /a/7", "Successfully completed execution", "Method completed with status: 200"]
    assert executed(logged, api, answer) == short
    set_logging(api, "INFO", "true")
    lines = executed(logged, api, api.call("/a/7?x=1", headers={"X-Long": "l" * 2000}))
    assert {"Method request path: {id=7}", "Method request query string: {x=1}",
            "Method response body after transformations: four"} < set(lines)
    headers = next(line for line in lines if line.startswith("Method request headers: {"))
    assert "Host=" in headers and headers.endswith(" [TRUNCATED]")
    quiet = []
    for level in ("ERROR", "OFF"):
        set_logging(api, level)
        quiet.append(api.call("/a/7"))
    # Lines of a stream are put in their order: with those of a later request, an earlier one's would be there.
    set_logging(api, "INFO")
    assert executed(logged, api, api.call("/a/7"))
    assert [executed_so_far(logged, api, answer) for answer in quiet] == [[], []]


def test_access_logs_tell_of_integrations(logged):
    name = unique("f")
    role = make_role(logged.client("iam"), name)
    source = "def handler(e, c): return {'statusCode': 418} if e['path'] == '/a' else 'malformed'"
    arn = create(logged.client("lambda"), name, role, source)["FunctionArn"]
    allow_calls(logged, name)
    api = Api(logged)
    api.function("/{proxy+}", "GET", arn)
    api.deploy()
    logged.client("logs").create_log_group(logGroupName="access")
    # Status of the service, of the function, and the error; a latency is a number.
    api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:access"},
        {"op": "replace", "path": "/accessLogSettings/format",
         "value": "$context.integrationStatus $context.integration.status $context.integrationErrorMessage|$context.integrationLatency"}])
    assert [api.call(path).status for path in ("/a", "/b")] == [418, 502]
    lines = [message.split("|") for message in messages(logged, "access", 2)]
    assert [line[0] for line in lines] == ["200 418 -", "200 200 Malformed Lambda proxy response"]
    assert all(line[1].isdigit() for line in lines)


def test_what_failed_is_logged(logged):
    name = unique("f")
    role = make_role(logged.client("iam"), name)
    source = "def handler(e, c):\n if e['path'] == '/raise': raise ValueError('no such thing')\n return 'malformed'"
    arn = create(logged.client("lambda"), name, role, source)["FunctionArn"]
    api = Api(logged)
    api.function("/{proxy+}", "GET", arn)
    api.deploy()
    set_logging(api, "ERROR")
    assert executed(logged, api, api.call("/x")) == [
        "Execution failed due to configuration error: Invalid permissions on Lambda function",
        "Method completed with status: 500"]
    allow_calls(logged, name)
    assert executed(logged, api, api.call("/x")) == [
        "Execution failed due to configuration error: Malformed Lambda proxy response", "Method completed with status: 502"]
    assert executed(logged, api, api.call("/raise"))[0] == (
        "Lambda execution failed with status 200 due to customer function error: no such thing")
    set_logging(api, "INFO")
    lines = executed(logged, api, api.call("/x"))
    assert any(line.startswith("Sending request to arn:aws:apigateway:") for line in lines)
    assert any(line.startswith("Received response. Status: 200, Integration latency: ") for line in lines)
    assert "Gateway response type: INTEGRATION_FAILURE with status code: 502" in lines


def test_logs_want_a_role(server):
    api = Api(server)
    api.mock("/", "GET")
    api.deploy()
    for path, value in (("/*/*/logging/loglevel", "ERROR"),
                        ("/accessLogSettings/destinationArn", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x")):
        with refused("BadRequestException", 400, "CloudWatch Logs role ARN must be set in account settings to enable logging"):
            api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
                {"op": "replace", "path": path, "value": value}])


def test_requests_are_validated(server):
    api = Api(server)
    client = api.client
    client.create_model(restApiId=api.id, name="Job", contentType="application/json", schema=json.dumps(
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["seconds"],
         "properties": {"seconds": {"type": "integer", "minimum": 1}}}))
    validator = client.create_request_validator(restApiId=api.id, name="all", validateRequestBody=True,
                                                validateRequestParameters=True)["id"]
    api.mock("/jobs", "POST", requestValidatorId=validator, requestModels={"application/json": "Job"},
             requestParameters={"method.request.querystring.q": True, "method.request.header.h": True,
                                "method.request.header.o": False})
    client.put_gateway_response(restApiId=api.id, responseType="BAD_REQUEST_BODY", responseTemplates={
        "application/json": '{"message": $context.error.messageString, "why": "$context.error.validationErrorString"}'})
    api.deploy()
    answer = api.call("/jobs", "POST", body='{"seconds": 1}')
    assert (answer.status, answer.json) == (400, {"message": "Missing required request parameters: [h, q]"})
    answer = api.call("/jobs?q=1", "POST", body='{"seconds": 0}', headers={"H": "1"})
    assert answer.status == 400 and answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert answer.json["message"] == "Invalid request body" and "minimum" in answer.json["why"]
    for body in ('{"seconds": "1"}', "{}", "[", ""):
        assert api.call("/jobs?q=1", "POST", body=body, headers={"H": "1"}).status == 400
    assert api.call("/jobs?q=1", "POST", body='{"seconds": 2}', headers={"H": "1"}).status == 200


def test_mocks_answer_as_they_are_told(server):
    api = Api(server)
    at = api.method("/", "OPTIONS")
    client = api.client
    client.put_integration(**at, type="MOCK", passthroughBehavior="NEVER",
                           requestTemplates={"application/json": '{"statusCode": #if($input.params("s") == "")200#{else}$input.params("s")#end}'})
    cors = {"method.response.header.Access-Control-Allow-Origin": "'*'", "method.response.header.X-Stage": "stageVariables.v"}
    for status, pattern in (("200", ""), ("404", "4\\d\\d")):
        client.put_method_response(**at, statusCode=status, responseParameters=dict.fromkeys(cors, False))
        client.put_integration_response(**at, statusCode=status, selectionPattern=pattern, responseParameters=cors,
                                        responseTemplates={"application/json": '{"stage": "$context.stage"}'})
    api.deploy(variables={"v": "blue"})
    answer = api.call("/", "OPTIONS")
    assert (answer.status, answer.json) == (200, {"stage": "dev"})
    assert answer.headers["access-control-allow-origin"] == "*" and answer.headers["x-stage"] == "blue"
    assert api.call("/?s=418", "OPTIONS").status == 404
    assert api.call("/?s=300", "OPTIONS").status == 200
    answer = api.call("/", "OPTIONS", headers={"Content-Type": "text/xml"})
    assert (answer.status, answer.json) == (415, {"message": "Unsupported Media Type"})


def test_functions_with_mapping_templates(server, name, iam):
    source = "def handler(e, c):\n if e.get('fail'): raise Exception(e['fail'])\n return {'got': e}"
    arn = create(server.client("lambda"), name, make_role(iam, name), source)["FunctionArn"]
    allow_calls(server, name)
    api = Api(server)
    at = api.method("/{id}", "POST")
    client = api.client
    client.put_integration(**at, type="AWS", integrationHttpMethod="POST", uri=invocations(arn), requestTemplates={
        "application/json": '{"id": "$input.params("id")", "fail": "$input.path("$.fail")", "all": $input.json("$")}'})
    for status, pattern, template in (
            ("200", None, '{"answer": $input.json("$.got.id")}'), ("400", "Bad.*", '{"why": "$input.path("$.errorMessage")"}')):
        client.put_method_response(**at, statusCode=status)
        client.put_integration_response(**at, statusCode=status, responseTemplates={"application/json": template},
                                        **({"selectionPattern": pattern} if pattern else {}))
    api.deploy()
    answer = api.call("/7", "POST", body='{"a": 1}')
    assert (answer.status, answer.json) == (200, {"answer": "7"})
    answer = api.call("/7", "POST", body='{"fail": "Bad thing"}')
    assert (answer.status, answer.json) == (400, {"why": "Bad thing"})


class Endpoint(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        text = json.dumps({"path": self.path, "body": body, "own": self.headers.get("X-Own")}).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Said", "yes")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_http_endpoints(server, endpoint):
    api = Api(server)
    client = api.client
    at = api.method("/proxy/{proxy+}", "POST", requestParameters={"method.request.path.proxy": True})
    client.put_integration(**at, type="HTTP_PROXY", integrationHttpMethod="POST", uri=endpoint + "/in/{proxy}",
                           requestParameters={"integration.request.path.proxy": "method.request.path.proxy",
                                              "integration.request.header.X-Own": "'set'"})
    at = api.method("/custom", "POST")
    client.put_integration(**at, type="HTTP", integrationHttpMethod="POST", uri=endpoint + "/${stageVariables.where}",
                           requestParameters={"integration.request.querystring.q": "method.request.querystring.in"},
                           requestTemplates={"application/json": '{"made": $input.json("$.a")}'})
    for status, pattern in (("200", "2.."), ("400", "404")):
        client.put_method_response(**at, statusCode=status, responseParameters={"method.response.header.said": False})
        client.put_integration_response(
            **at, statusCode=status, selectionPattern=pattern,
            responseParameters={"method.response.header.said": "integration.response.header.X-Said"})
    at = api.method("/nobody", "POST")
    client.put_integration(**at, type="HTTP_PROXY", integrationHttpMethod="POST", uri="http://127.0.0.1:1/")
    api.deploy(variables={"where": "there"})
    answer = api.call("/proxy/a/b?c=d", "POST", body="text")
    assert (answer.status, answer.headers["x-said"]) == (200, "yes")
    assert answer.json == {"path": "/in/a/b?c=d", "body": "text", "own": "set"}
    assert api.call("/proxy/missing", "POST").status == 404
    answer = api.call("/custom?in=1", "POST", body='{"a": [1]}')
    assert (answer.status, answer.headers["said"]) == (200, "yes")
    assert answer.json == {"path": "/there?q=1", "body": '{"made": [1]}', "own": None}
    client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/variables/where", "value": "missing"}])
    assert api.call("/custom", "POST", body="{}").status == 400
    answer = api.call("/nobody", "POST")
    assert (answer.status, answer.json) == (504, {"message": "Network error communicating with endpoint"})


def test_an_integration_that_takes_too_long(server, name, iam):
    arn = create(server.client("lambda"), name, make_role(iam, name), "import time\ndef handler(e, c):\n time.sleep(20)",
                 Timeout=60)["FunctionArn"]
    allow_calls(server, name)
    api = Api(server)
    at = api.function("/", "GET", arn)
    api.client.update_integration(**at, patchOperations=[{"op": "replace", "path": "/timeoutInMillis", "value": "50"}])
    api.deploy()
    answer = api.call("/")
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})


def test_gateway_responses_are_what_refusals_look_like(server):
    api = Api(server)
    api.mock("/", "GET")
    api.client.put_gateway_response(
        restApiId=api.id, responseType="MISSING_AUTHENTICATION_TOKEN", statusCode="404",
        responseTemplates={"application/json": '{"m": $context.error.messageString, "t": "$context.error.responseType", "v": "$stageVariables.v"}'},
        responseParameters={"gatewayresponse.header.X-Lit": "'a'", "gatewayresponse.header.X-Q": "method.request.querystring.q"})
    api.deploy(variables={"v": "1"})
    answer = api.call("/none?q=z")
    assert answer.status == 404 and answer.headers["x-lit"] == "a" and answer.headers["x-q"] == "z"
    assert answer.json == {"m": "Missing Authentication Token", "t": "MISSING_AUTHENTICATION_TOKEN", "v": "1"}


def test_large_answers_are_compressed(server):
    api = Api(server, minimumCompressionSize=100)
    api.mock("/small", "GET", "x")
    api.mock("/large", "GET", "x" * 500)
    api.deploy()
    answer = api.call("/large", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(answer.body) == b"x" * 500
    assert api.call("/large").body == b"x" * 500
    assert "content-encoding" not in api.call("/small", headers={"Accept-Encoding": "gzip"}).headers


def test_the_endpoint_may_be_disabled(server):
    api = Api(server, disableExecuteApiEndpoint=True)
    api.mock("/", "GET")
    api.deploy()
    assert call(server, "/dev/", host=f"{api.id}.execute-api.{REGION}.localhost").json == {"message": "Forbidden"}


def test_resource_policies(server, echo, iam, name):
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    denied = {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*/GET/no"}
    api = Api(server, policy=document(everybody, denied))
    for path in ("/yes", "/no"):
        api.mock(path, "GET")
    api.mock("/iam", "GET", authorizationType="AWS_IAM")
    api.deploy()
    assert api.call("/yes").status == 200
    answer = api.call("/no")
    assert answer.status == 403 and answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert f"resource: arn:aws:execute-api:{REGION}:********0000:{api.id}/dev/GET/no" in answer.json["message"]
    # The policy is enough for a user without any of their own.
    key = make_user(iam, name)
    assert signed(server, f"/restapis/{api.id}/dev/_user_request_/iam", key).status == 200
    elsewhere = {**everybody, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    api.client.update_rest_api(restApiId=api.id, patchOperations=[
        {"op": "replace", "path": "/policy", "value": document(elsewhere)}])
    assert api.call("/yes").status == 200
    api.deploy()
    assert api.call("/yes").status == 403
    api.client.update_rest_api(restApiId=api.id, patchOperations=[{"op": "replace", "path": "/policy", "value": ""}])
    api.deploy()
    assert api.call("/no").status == 200


def test_access_logs(own):
    logs, iam, group = own.client("logs"), own.client("iam"), unique("/apis/log")
    logs.create_log_group(logGroupName=group)
    iam.create_role(RoleName="logs", AssumeRolePolicyDocument=trust(Service="apigateway.amazonaws.com"))
    iam.put_role_policy(RoleName="logs", PolicyName="p", PolicyDocument=document(
        allow(["logs:PutLogEvents", "logs:CreateLogStream"])))
    api = Api(own)
    api.mock("/a", "GET", "four")
    api.deploy()
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    api.client.update_account(patchOperations=[
        {"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/logs"}])
    shown = api.client.update_stage(restApiId=api.id, stageName="dev", patchOperations=[
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
        {"op": "replace", "path": "/accessLogSettings/format",
         "value": "$context.identity.sourceIp $context.identity.user $context.httpMethod $context.resourcePath "
                  "$context.status $context.responseLength $context.requestId $context.error.responseType "
                  "$context.integrationStatus"}])
    assert shown["accessLogSettings"]["destinationArn"] == arn
    ids = [api.call(path).headers["x-amzn-requestid"] for path in ("/a", "/none")]
    assert messages(own, group, 2) == [f"127.0.0.1 - GET /a 200 4 {ids[0]} - -",
                                       f"127.0.0.1 - GET - 403 42 {ids[1]} MISSING_AUTHENTICATION_TOKEN -"]
    # A log that cannot be written keeps nobody from being answered.
    logs.delete_log_group(logGroupName=group)
    assert api.call("/a").status == 200
