"""API Gateway v2, HTTP APIs: what is made, changed, listed and refused."""

import json

import pytest

from support import ACCOUNT, REGION, make_user, refused, unique

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none"
INVOCATIONS = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


@pytest.fixture
def http(server):
    return server.client("apigatewayv2")


@pytest.fixture
def api(http):
    return http.create_api(Name=unique("http"), ProtocolType="HTTP")["ApiId"]


def integration(http, api, **more):
    more = {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0", **more}
    return http.create_integration(ApiId=api, **more)["IntegrationId"]


def route(http, api, key, target, **more):
    return http.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{target}", **more)["RouteId"]


def test_an_api_is_made_changed_and_deleted(http, name):
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"],
            "ExposeHeaders": ["x-b"], "MaxAge": 5, "AllowCredentials": True}
    made = http.create_api(Name=name, ProtocolType="HTTP", Description="d", Version="1", Tags={"a": "b"},
                           CorsConfiguration=cors, DisableExecuteApiEndpoint=True)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (made["Name"], made["ProtocolType"], made["Description"], made["Version"]) == (name, "HTTP", "d", "1")
    assert made["RouteSelectionExpression"] == "$request.method $request.path"
    assert made["ApiKeySelectionExpression"] == "$request.header.x-api-key"
    assert made["CorsConfiguration"] == cors and made["Tags"] == {"a": "b"} and made["DisableExecuteApiEndpoint"] is True
    assert made["ApiEndpoint"].startswith(f"http://{made['ApiId']}.execute-api.{REGION}.localhost:")
    id = made["ApiId"]
    got = http.get_api(ApiId=id)
    for shown in (made, got):
        shown.pop("ResponseMetadata")
    assert made == got
    changed = http.update_api(ApiId=id, Name=name + "x", Description="", DisableExecuteApiEndpoint=False)
    assert changed["Name"] == name + "x" and "Description" not in changed and changed["Version"] == "1"
    http.delete_cors_configuration(ApiId=id)
    assert "CorsConfiguration" not in http.get_api(ApiId=id)
    http.delete_api(ApiId=id)
    for call in (http.get_api, http.delete_api, http.get_routes):
        with refused("NotFoundException", 404, f"Invalid API identifier specified {ACCOUNT}:{id}"):
            call(ApiId=id)


def test_apis_are_listed_in_pages(server):
    http = server.client("apigatewayv2", region="eu-north-1")
    made = {http.create_api(Name=unique("page"), ProtocolType="HTTP")["ApiId"] for _ in range(5)}
    found, token = [], None
    while True:
        page = http.get_apis(MaxResults="2", **({"NextToken": token} if token else {}))
        assert len(page["Items"]) <= 2
        found += [item["ApiId"] for item in page["Items"]]
        token = page.get("NextToken")
        if not token:
            break
    assert sorted(found) == sorted(made)
    assert server.client("apigateway", region="eu-north-1").get_rest_apis()["items"] == []
    with refused("BadRequestException"):
        http.get_apis(MaxResults="no")


def test_websocket_apis_are_refused_by_name(http, name):
    with refused("BadRequestException", 400, "WEBSOCKET is not implemented"):
        http.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    with refused("NotImplemented", 501, "CreateRouteResponse"):
        http.create_route_response(ApiId="a", RouteId="b", RouteResponseKey="$default")


def test_a_quick_creation_makes_route_integration_and_stage(http, name):
    id = http.create_api(Name=name, ProtocolType="HTTP", Target=FUNCTION)["ApiId"]
    [route] = http.get_routes(ApiId=id)["Items"]
    [integration] = http.get_integrations(ApiId=id)["Items"]
    [stage] = http.get_stages(ApiId=id)["Items"]
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert all(one["ApiGatewayManaged"] for one in (route, integration, stage))
    http.update_api(ApiId=id, Target="http://localhost:1/", RouteKey="GET /x")
    assert http.get_routes(ApiId=id)["Items"][0]["RouteKey"] == "GET /x"
    changed = http.get_integrations(ApiId=id)["Items"][0]
    assert (changed["IntegrationType"], changed["IntegrationMethod"], changed["IntegrationUri"]) == (
        "HTTP_PROXY", "ANY", "http://localhost:1/")
    with refused("BadRequestException"):
        http.update_stage(ApiId=id, StageName="$default", Description="d")
    with refused("ConflictException", 409):
        http.delete_integration(ApiId=id, IntegrationId=changed["IntegrationId"])


def test_routes(http, api):
    target = integration(http, api)
    made = http.create_route(ApiId=api, RouteKey="GET /pets/{id}", Target=f"integrations/{target}", OperationName="op")
    assert (made["AuthorizationType"], made["ApiKeyRequired"], made["OperationName"]) == ("NONE", False, "op")
    id = made["RouteId"]
    with refused("ConflictException", 409, "already exists"):
        http.create_route(ApiId=api, RouteKey="GET /pets/{other}")
    for wrong in ("get /a", "GET a", "GET", "FETCH /a", "GET /{a+}/b", "GET /{}", "GET /a{b}"):
        with refused("BadRequestException", 400):
            http.create_route(ApiId=api, RouteKey=wrong)
    with refused("NotFoundException"):
        http.create_route(ApiId=api, RouteKey="GET /x", Target="integrations/none")
    with refused("BadRequestException", text="apiKeyRequired"):
        http.create_route(ApiId=api, RouteKey="GET /x", ApiKeyRequired=True)
    changed = http.update_route(ApiId=api, RouteId=id, RouteKey="ANY /{proxy+}", AuthorizationType="AWS_IAM")
    assert (changed["RouteKey"], changed["AuthorizationType"]) == ("ANY /{proxy+}", "AWS_IAM")
    assert http.get_route(ApiId=api, RouteId=id)["RouteKey"] == "ANY /{proxy+}"
    assert [one["RouteId"] for one in http.get_routes(ApiId=api)["Items"]] == [id]
    http.delete_route(ApiId=api, RouteId=id)
    with refused("NotFoundException", 404):
        http.get_route(ApiId=api, RouteId=id)


def test_integrations(http, api, iam, name):
    made = http.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri="http://localhost/{proxy}",
        RequestParameters={"append:header.a": "$request.header.b", "overwrite:path": "/x"}, TimeoutInMillis=50,
        ResponseParameters={"200": {"overwrite:statuscode": "201"}, "500": {"append:header.c": "d"}})
    assert (made["PayloadFormatVersion"], made["ConnectionType"], made["TimeoutInMillis"]) == ("1.0", "INTERNET", 50)
    id = made["IntegrationId"]
    changed = http.update_integration(ApiId=api, IntegrationId=id, Description="d",
                                      RequestParameters={"append:header.a": "", "remove:header.z": "''"},
                                      ResponseParameters={"500": {}})
    assert changed["RequestParameters"] == {"overwrite:path": "/x", "remove:header.z": "''"}
    assert changed["ResponseParameters"] == {"200": {"overwrite:statuscode": "201"}} and changed["Description"] == "d"
    for wrong in (
            {"IntegrationType": "MOCK"},
            {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET"},
            {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://localhost"},
            {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": "ftp://localhost"},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": "http://localhost"},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "3.0"},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "RequestParameters": {"append:header.host2": "$nope"}},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "RequestParameters": {"append:header.authorization": "x"}},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "ConnectionType": "VPC_LINK"},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "RequestTemplates": {"a": "b"}},
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "TimeoutInMillis": 30001}):
        with refused("BadRequestException", 400):
            http.create_integration(ApiId=api, **wrong)
    for subtype, text in (("EventBridge-PutEvents", "EventBridge-PutEvents is not implemented"), ("SQS-Nope", "SQS-Nope"),
                          ("SQS-SendMessage", "QueueUrl")):
        with refused("BadRequestException", 400, text):
            http.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype=subtype,
                                    PayloadFormatVersion="1.0", CredentialsArn=f"arn:aws:iam::{ACCOUNT}:role/r",
                                    RequestParameters={"MessageBody": "$request.body"})
    used = route(http, api, "GET /", id)
    with refused("ConflictException", 409):
        http.delete_integration(ApiId=api, IntegrationId=id)
    http.delete_route(ApiId=api, RouteId=used)
    http.delete_integration(ApiId=api, IntegrationId=id)
    with refused("NotFoundException", 404):
        http.get_integration(ApiId=api, IntegrationId=id)
    assert http.get_integrations(ApiId=api)["Items"] == []


def test_authorizers(http, api):
    jwt = {"Issuer": "http://localhost/issuer", "Audience": ["a"]}
    source = ["$request.header.Authorization"]
    made = http.create_authorizer(ApiId=api, Name="j", AuthorizerType="JWT", IdentitySource=source, JwtConfiguration=jwt)
    assert made["JwtConfiguration"] == jwt and made["IdentitySource"] == source
    asked = http.create_authorizer(ApiId=api, Name="r", AuthorizerType="REQUEST", IdentitySource=source,
                                   AuthorizerUri=INVOCATIONS, AuthorizerPayloadFormatVersion="2.0",
                                   EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60)
    id, other = made["AuthorizerId"], asked["AuthorizerId"]
    assert http.get_authorizer(ApiId=api, AuthorizerId=other)["AuthorizerResultTtlInSeconds"] == 60
    assert {one["Name"] for one in http.get_authorizers(ApiId=api)["Items"]} == {"j", "r"}
    for wrong in (
            {"AuthorizerType": "JWT"}, {"AuthorizerType": "JWT", "JwtConfiguration": {"Issuer": "no", "Audience": ["a"]}},
            {"AuthorizerType": "JWT", "JwtConfiguration": {"Issuer": "https://x"}},
            {"AuthorizerType": "REQUEST", "AuthorizerUri": "x", "AuthorizerPayloadFormatVersion": "2.0"},
            {"AuthorizerType": "REQUEST", "AuthorizerUri": INVOCATIONS},
            {"AuthorizerType": "REQUEST", "AuthorizerUri": INVOCATIONS, "AuthorizerPayloadFormatVersion": "1.0",
             "EnableSimpleResponses": True}):
        with refused("BadRequestException", 400):
            http.create_authorizer(ApiId=api, Name="w", IdentitySource=source, **wrong)
    with refused("BadRequestException", 400):
        http.create_authorizer(ApiId=api, Name="w", AuthorizerType="JWT", JwtConfiguration=jwt, IdentitySource=["nope"])
    target = integration(http, api)
    for wrong in ({"AuthorizationType": "JWT"}, {"AuthorizationType": "JWT", "AuthorizerId": other},
                  {"AuthorizationType": "CUSTOM", "AuthorizerId": id}, {"AuthorizationScopes": ["s"]}):
        with refused("BadRequestException", 400):
            http.create_route(ApiId=api, RouteKey="GET /", **wrong)
    used = route(http, api, "GET /", target, AuthorizationType="JWT", AuthorizerId=id, AuthorizationScopes=["s"])
    assert http.get_route(ApiId=api, RouteId=used)["AuthorizationScopes"] == ["s"]
    with refused("ConflictException", 409):
        http.delete_authorizer(ApiId=api, AuthorizerId=id)
    assert http.update_authorizer(ApiId=api, AuthorizerId=other, Name="s")["Name"] == "s"
    http.delete_authorizer(ApiId=api, AuthorizerId=other)
    with refused("NotFoundException", 404):
        http.get_authorizer(ApiId=api, AuthorizerId=other)


def test_stages_and_deployments(http, api):
    with refused("BadRequestException", text="no routes exist"):
        http.create_deployment(ApiId=api)
    target = integration(http, api)
    route(http, api, "GET /", target)
    first = http.create_deployment(ApiId=api, Description="one")
    assert (first["DeploymentStatus"], first["AutoDeployed"]) == ("DEPLOYED", False)
    made = http.create_stage(ApiId=api, StageName="dev", DeploymentId=first["DeploymentId"], StageVariables={"a": "1", "b": "2"},
                             DefaultRouteSettings={"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 7},
                             RouteSettings={"GET /": {"ThrottlingBurstLimit": 1}}, Tags={"k": "v"})
    assert made["AutoDeploy"] is False and made["RouteSettings"]["GET /"]["ThrottlingBurstLimit"] == 1
    with refused("ConflictException", 409):
        http.create_stage(ApiId=api, StageName="dev")
    for wrong in ({"StageName": "a/b"}, {"StageName": "x", "RouteSettings": {"GET /none": {}}},
                  {"StageName": "x", "DeploymentId": "none"}, {"StageName": "x", "DefaultRouteSettings": {"DataTraceEnabled": True}},
                  {"StageName": "x", "AccessLogSettings": {"DestinationArn": "arn:aws:s3:::b", "Format": "f"}}):
        with refused(("BadRequestException", "NotFoundException")):
            http.create_stage(ApiId=api, **wrong)
    changed = http.update_stage(ApiId=api, StageName="dev", Description="d", StageVariables={"a": "", "c": "3"})
    assert changed["StageVariables"] == {"b": "2", "c": "3"} and changed["Description"] == "d"
    assert changed["DefaultRouteSettings"]["ThrottlingRateLimit"] == 5.0
    http.delete_route_settings(ApiId=api, StageName="dev", RouteKey="GET /")
    assert http.get_stage(ApiId=api, StageName="dev")["RouteSettings"] == {}
    with refused("BadRequestException", text="Active stages"):
        http.delete_deployment(ApiId=api, DeploymentId=first["DeploymentId"])
    second = http.create_deployment(ApiId=api, StageName="dev")["DeploymentId"]
    assert http.get_stage(ApiId=api, StageName="dev")["DeploymentId"] == second
    http.delete_deployment(ApiId=api, DeploymentId=first["DeploymentId"])
    assert [one["DeploymentId"] for one in http.get_deployments(ApiId=api)["Items"]] == [second]
    assert http.update_deployment(ApiId=api, DeploymentId=second, Description="two")["Description"] == "two"
    assert http.get_deployment(ApiId=api, DeploymentId=second)["Description"] == "two"
    http.delete_stage(ApiId=api, StageName="dev")
    with refused("NotFoundException", 404):
        http.get_stage(ApiId=api, StageName="dev")


def test_a_stage_with_auto_deploy_gets_every_change(http, api):
    http.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    stage = http.get_stage(ApiId=api, StageName="$default")
    assert "DeploymentId" not in stage and "no routes exist" in stage["LastDeploymentStatusMessage"]
    seen = []
    for key in ("GET /a", "GET /b"):
        route(http, api, key, integration(http, api))
        stage = http.get_stage(ApiId=api, StageName="$default")
        assert stage["DeploymentId"] not in seen
        assert stage["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'"
        seen.append(stage["DeploymentId"])
    # Those that no stage serves any more are gone.
    [kept] = http.get_deployments(ApiId=api)["Items"]
    assert (kept["DeploymentId"], kept["AutoDeployed"]) == (seen[-1], True)
    with refused("BadRequestException", text="autoDeploy"):
        http.update_stage(ApiId=api, StageName="$default", DeploymentId=seen[-1])


def test_tags(http, api):
    arn = f"arn:aws:apigateway:{REGION}::/apis/{api}"
    http.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    http.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert http.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"} == http.get_api(ApiId=api)["Tags"]
    http.create_stage(ApiId=api, StageName="dev", Tags={"s": "1"})
    stage = f"{arn}/stages/dev"
    http.tag_resource(ResourceArn=stage, Tags={"t": "2"})
    assert http.get_tags(ResourceArn=stage)["Tags"] == {"s": "1", "t": "2"}
    with refused("NotFoundException"):
        http.get_tags(ResourceArn=arn + "/stages/none")
    with refused("BadRequestException"):
        http.tag_resource(ResourceArn=arn, Tags={"aws:x": "1"})


def document(**more):
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": INVOCATIONS, "payloadFormatVersion": "2.0"}
    return {"openapi": "3.0.1", "info": {"title": "imported", "version": "3", "description": "d"},
            "servers": [{"url": "/base/v1"}],
            "paths": {"/a": {"get": {"operationId": "getA", "x-amazon-apigateway-integration": proxy}},
                      "/$default": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy}}},
            "tags": [{"name": "k", "x-amazon-apigateway-tag-value": "v"}], **more}


def test_documents_are_imported(http):
    made = http.import_api(Body=json.dumps(document()))
    assert (made["Name"], made["Version"], made["Description"], made["Tags"]) == ("imported", "3", "d", {"k": "v"})
    keys = {one["RouteKey"]: one.get("OperationName") for one in http.get_routes(ApiId=made["ApiId"])["Items"]}
    assert keys == {"GET /a": "getA", "$default": None}
    text = """
openapi: 3.0.1
info: {title: again, version: '4'}
servers: [{url: /base/v1}]
paths:
  /b:
    post:
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: POST
        uri: http://localhost/
        payloadFormatVersion: '1.0'
"""
    again = http.reimport_api(ApiId=made["ApiId"], Body=text, Basepath="prepend")
    assert (again["ApiId"], again["Name"], again["Version"]) == (made["ApiId"], "again", "4")
    assert [one["RouteKey"] for one in http.get_routes(ApiId=made["ApiId"])["Items"]] == ["POST /base/v1/b"]
    for wrong in ("{", '{"swagger": "2.0"}', json.dumps(document(**{"x-amazon-apigateway-policy": {}}))):
        with refused("BadRequestException", 400):
            http.import_api(Body=wrong)


@pytest.mark.parametrize("kind", ["JSON", "YAML"])
def test_of_an_export_an_import_makes_the_same(http, kind):
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": INVOCATIONS, "payloadFormatVersion": "2.0",
             "requestParameters": {"append:header.x": "$context.requestId"}, "timeoutInMillis": 1000,
             "responseParameters": {"200": {"overwrite:statuscode": "201"}}}
    whole = document(**{
        "components": {"securitySchemes": {
            "own": {"type": "oauth2", "x-amazon-apigateway-authorizer": {
                "type": "jwt", "identitySource": "$request.header.Authorization",
                "jwtConfiguration": {"issuer": "https://i", "audience": ["a", "b"]}}},
            "asks": {"type": "apiKey", "name": "x", "in": "header", "x-amazon-apigateway-authorizer": {
                "type": "request", "identitySource": "$request.header.a, $context.stage", "authorizerUri": INVOCATIONS,
                "authorizerPayloadFormatVersion": "2.0", "authorizerResultTtlInSeconds": 5, "enableSimpleResponses": True}},
            "signed": {"type": "apiKey", "name": "x", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}}},
        "x-amazon-apigateway-cors": {"allowOrigins": ["https://a"], "maxAge": 5},
        "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}})
    for path, verb, security in [("/jwt/{id}", "get", {"own": ["s"]}), ("/asks", "post", {"asks": []}),
                                 ("/iam/{all+}", "x-amazon-apigateway-any-method", {"signed": []})]:
        whole["paths"][path] = {verb: {"x-amazon-apigateway-integration": proxy, "security": [security]}}

    def exported(id, **more):
        return http.export_api(ApiId=id, Specification="OAS30", OutputType=kind, **more)["body"].read().decode()

    id = http.import_api(Body=json.dumps(whole))["ApiId"]
    first = exported(id)
    again = http.import_api(Body=first)["ApiId"]
    assert exported(again).replace(again, id) == first
    assert http.get_api(ApiId=again)["CorsConfiguration"] == {"AllowOrigins": ["https://a"], "MaxAge": 5}
    keys = [sorted((one["RouteKey"], one["AuthorizationType"], tuple(one.get("AuthorizationScopes", []))) for one in
                   http.get_routes(ApiId=api)["Items"]) for api in (id, again)]
    assert keys[0] == keys[1] and ("GET /jwt/{id}", "JWT", ("s",)) in keys[0]
    # Of a stage, what it serves; and without the extensions.
    http.create_stage(ApiId=id, StageName="dev", DeploymentId=http.create_deployment(ApiId=id)["DeploymentId"])
    http.create_route(ApiId=id, RouteKey="GET /later")
    assert "/later" in exported(id) and "/later" not in exported(id, StageName="dev")
    assert "x-amazon" not in exported(id, IncludeExtensions=False).replace("x-amazon-apigateway-any-method", "")
    for wrong, code in [({"Specification": "OAS20"}, 400), ({"OutputType": "XML"}, 400), ({"ExportVersion": "2.0"}, 400),
                        ({"StageName": "none"}, 404), ({"ApiId": "none"}, 404)]:
        with refused({400: "BadRequestException", 404: "NotFoundException"}[code], code):
            http.export_api(**{"ApiId": id, "Specification": "OAS30", "OutputType": kind, **wrong})


def test_who_may(server, iam, http, api):
    arn = f"arn:aws:apigateway:{REGION}::/apis/{api}"
    key = make_user(iam, unique("u"), {"Effect": "Allow", "Action": "apigateway:GET", "Resource": [arn, arn + "/routes"]})
    user = server.client("apigatewayv2", key=key)
    user.get_api(ApiId=api)
    user.get_routes(ApiId=api)
    for call in (lambda: user.get_apis(), lambda: user.delete_api(ApiId=api), lambda: user.create_route(ApiId=api, RouteKey="GET /")):
        with refused("AccessDeniedException", 403):
            call()


def test_what_was_answered_is_there_after_a_kill(own):
    http = own.client("apigatewayv2")
    id = http.create_api(Name="kept", ProtocolType="HTTP", Target="http://localhost:1/")["ApiId"]
    http.create_route(ApiId=id, RouteKey="GET /kept")
    own.restart_after_kill()
    assert {one["RouteKey"] for one in http.get_routes(ApiId=id)["Items"]} == {"$default", "GET /kept"}
    assert [one["ApiId"] for one in http.get_apis()["Items"]] == [id]
    http.delete_api(ApiId=id)
    own.restart_after_kill()
    assert http.get_apis()["Items"] == []
