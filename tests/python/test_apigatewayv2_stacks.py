"""API Gateway v2 in stacks: `AWS::ApiGatewayV2` types, and what SAM makes of HTTP APIs."""

import json

import pytest

from support import refused, unique
from test_apigateway_plane import call
from test_apigatewayv2_jwt import Issuer
from test_lambda_stacks import Stack, function, role, template

ECHO = "import json\ndef handler(event, context):\n    return {'key': event['routeKey'], 'event': event}\n"


@pytest.fixture
def stack(server):
    return Stack(server)


def typed(kind, **properties):
    return {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": properties}


def ref(name):
    return {"Ref": name}


def serve(server, id, path, *args, stage="$default", **kwargs):
    return call(server, f"/restapis/{id}/{stage}/_user_request_{path}", *args, **kwargs)


def whole():
    return template(
        Role=role(), Fn=function(ECHO),
        Api=typed("Api", Name=unique("stack"), ProtocolType="HTTP", Description="d", Tags={"a": "b"},
                  CorsConfiguration={"AllowOrigins": ["*"]}),
        Integration=typed("Integration", ApiId=ref("Api"), IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0",
                          IntegrationUri={"Fn::GetAtt": ["Fn", "Arn"]}, RequestParameters={"append:header.x-a": 1},
                          ResponseParameters={"200": {"ResponseParameters": [{"Source": "v", "Destination": "append:header.x-b"}]}}),
        Route=typed("Route", ApiId=ref("Api"), RouteKey="GET /a", Target={"Fn::Sub": "integrations/${Integration}"}),
        Guard=typed("Authorizer", ApiId=ref("Api"), Name="guard", AuthorizerType="JWT",
                    IdentitySource=["$request.header.Authorization"],
                    JwtConfiguration={"Issuer": "http://localhost:1/", "Audience": ["a"]}),
        Closed=typed("Route", ApiId=ref("Api"), RouteKey="GET /closed", Target={"Fn::Sub": "integrations/${Integration}"},
                     AuthorizationType="JWT", AuthorizerId=ref("Guard"), AuthorizationScopes=["s"]),
        Deployment={**typed("Deployment", ApiId=ref("Api"), Description="one"), "DependsOn": ["Route", "Closed"]},
        Fixed=typed("Stage", ApiId=ref("Api"), StageName="fixed", DeploymentId=ref("Deployment")),
        Stage=typed("Stage", ApiId=ref("Api"), StageName="$default", AutoDeploy=True, StageVariables={"v": "1", "w": "2"},
                    RouteSettings={"GET /a": {"ThrottlingBurstLimit": 100}}, DefaultRouteSettings={"ThrottlingRateLimit": 50}),
        Permission={"Type": "AWS::Lambda::Permission", "Properties": {
            "Action": "lambda:InvokeFunction", "FunctionName": ref("Fn"), "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*/a"}}})


def test_a_template_of_every_type(server, stack):
    body = whole()
    body["Resources"]["Stage"]["DependsOn"] = ["Route"]
    body["Outputs"] = {"Endpoint": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}, "Id": {"Value": ref("Api")}}
    outputs = stack.create(body)
    id, http = outputs["Id"], server.client("apigatewayv2")
    assert outputs["Endpoint"].startswith(f"http://{id}.execute-api.")
    assert http.get_api(ApiId=id)["Tags"]["a"] == "b"
    answer = serve(server, id, "/a")
    assert answer.status == 200, answer.body
    assert answer.json["event"]["headers"]["x-a"] == "1" and answer.headers["x-b"] == "v"
    assert serve(server, id, "/closed").status == 401
    assert serve(server, id, "/a", stage="fixed").status == 200
    resources = body["Resources"]
    resources["Route"]["Properties"]["RouteKey"] = "GET /{b}"
    resources["Closed"]["Properties"] = {name: value for name, value in resources["Closed"]["Properties"].items()
                                         if not name.startswith("Auth")}
    del resources["Guard"], resources["Api"]["Properties"]["CorsConfiguration"], resources["Api"]["Properties"]["Description"]
    resources["Stage"]["Properties"] |= {"StageVariables": {"w": "3"}, "RouteSettings": {}}
    del resources["Integration"]["Properties"]["ResponseParameters"]
    resources["Permission"]["Properties"]["SourceArn"] = {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"}
    stack.update(body)
    api = http.get_api(ApiId=id)
    assert "CorsConfiguration" not in api and "Description" not in api
    answer = serve(server, id, "/any")
    assert answer.json["key"] == "GET /{b}" and answer.json["event"]["stageVariables"] == {"w": "3"} and "x-b" not in answer.headers
    assert serve(server, id, "/closed").status == 200
    assert http.get_stage(ApiId=id, StageName="$default")["RouteSettings"] == {}
    assert http.get_authorizers(ApiId=id)["Items"] == []
    stack.delete()
    with refused("NotFoundException"):
        http.get_api(ApiId=id)


def test_what_is_not_there_is_refused_by_name(stack):
    body = template(Link=typed("VpcLink", Name="n", SubnetIds=["s"]))
    with refused("ValidationError", text="AWS::ApiGatewayV2::VpcLink"):
        stack.create(body)
    body = template(Api=typed("Api", Name="n", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"))
    stack.cloudformation.create_stack(StackName=stack.name, TemplateBody=json.dumps(body))
    stack._wait("ROLLBACK_COMPLETE")
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    assert any("WEBSOCKET is not implemented" in event.get("ResourceStatusReason", "") for event in events)


SAM = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Globals": {"HttpApi": {"CorsConfiguration": {"AllowOrigins": ["https://a.example"]}}},
    "Resources": {
        "Fn": {"Type": "AWS::Serverless::Function", "Properties": {
            "InlineCode": ECHO, "Handler": "index.handler", "Runtime": "python3.11",
            "Events": {"Any": {"Type": "HttpApi"},
                       "Get": {"Type": "HttpApi", "Properties": {"Path": "/items/{id}", "Method": "get"}},
                       "Own": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Own"}, "Path": "/own", "Method": "post"}},
                       "Free": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Own"}, "Path": "/free", "Method": "get",
                                                                  "Auth": {"Authorizer": "NONE"}}}}}},
        "Own": {"Type": "AWS::Serverless::HttpApi", "Properties": {
            "StageName": "live", "StageVariables": {"color": "blue"},
            "Auth": {"DefaultAuthorizer": "Jwt", "Authorizers": {"Jwt": {
                "IdentitySource": "$request.header.Authorization",
                "JwtConfiguration": {"issuer": {"Ref": "Issuer"}, "audience": ["app"]}}}}}}},
    "Parameters": {"Issuer": {"Type": "String"}},
    "Outputs": {"Implicit": {"Value": {"Ref": "ServerlessHttpApi"}}, "Own": {"Value": {"Ref": "Own"}},
                "Url": {"Value": {"Fn::Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/"}}},
}


def test_a_document_comes_from_s3(server, stack, s3, bucket):
    document = {"openapi": "3.0.1", "info": {"title": "stored", "version": "1"}, "paths": {"/a": {"get": {
        "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://localhost/"}}}}}
    s3.put_object(Bucket=bucket, Key="api.json", Body=json.dumps(document))
    body = template(Api=typed("Api", BodyS3Location={"Bucket": bucket, "Key": "api.json"}))
    body["Outputs"] = {"Id": {"Value": ref("Api")}}
    id, http = stack.create(body)["Id"], server.client("apigatewayv2")
    assert http.get_api(ApiId=id)["Name"] == "stored"
    assert [one["RouteKey"] for one in http.get_routes(ApiId=id)["Items"]] == ["GET /a"]
    stack.delete()


def test_a_sam_template_is_deployed_and_called(server, stack):
    issuer = Issuer()
    stack.cloudformation.create_stack(
        StackName=stack.name, TemplateBody=json.dumps(SAM), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": "Issuer", "ParameterValue": issuer.issuer}])
    outputs = stack._wait("CREATE_COMPLETE")
    implicit, own = outputs["Implicit"], outputs["Own"]
    answer = serve(server, implicit, "/items/7", headers={"Origin": "https://a.example"})
    assert answer.status == 200, answer.body
    assert answer.json["key"] == "GET /items/{id}" and answer.json["event"]["pathParameters"] == {"id": "7"}
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert serve(server, implicit, "/else", "PUT").json["key"] == "$default"
    assert serve(server, own, "/own", "POST", stage="live").status == 401
    assert serve(server, own, "/free", stage="live").json["event"]["stageVariables"] == {"color": "blue"}
    token = issuer.token(int(server.now().timestamp()))
    answer = serve(server, own, "/own", "POST", stage="live", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200, (answer.body, answer.headers)
    assert answer.json["event"]["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "me"
    stack.delete()
    assert serve(server, own, "/free", stage="live").status == 403
    issuer.server.shutdown()
