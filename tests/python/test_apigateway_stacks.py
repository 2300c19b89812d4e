"""API Gateway from documents and templates: imports, `AWS::ApiGateway` types, and what SAM makes."""

import json

import pytest

from support import ACCOUNT, REGION, eventually, refused, trust, unique
from test_apigateway_plane import Api, allow_calls, call, echo, invocations  # noqa: F401

ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"


def serve(server, id, path, *args, stage="dev", **kwargs):
    return call(server, f"/restapis/{id}/{stage}/_user_request_{path}", *args, **kwargs)


def proxy_to(arn):
    return {"type": "aws_proxy", "httpMethod": "POST", "uri": invocations(arn)}


def mock(body="{}", **more):
    return {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": body}, **more}}}


@pytest.fixture
def gateway(server):
    return server.client("apigateway")


def swagger(echo):
    return {
        "swagger": "2.0", "info": {"title": unique("title"), "version": "7"},
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
        "x-amazon-apigateway-gateway-responses": {"MISSING_AUTHENTICATION_TOKEN": {"statusCode": "404"}},
        "securityDefinitions": {
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "iam": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
            "own": {"type": "apiKey", "in": "header", "name": "Auth", "x-amazon-apigateway-authtype": "custom",
                    "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": invocations(echo)}}},
        "definitions": {
            "Name": {"type": "string", "minLength": 2},
            "Pet": {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/definitions/Name"}}}},
        "paths": {
            "/{proxy+}": {ANY: {INTEGRATION: proxy_to(echo), "responses": {}}},
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
                "post": {"operationId": "makePet", "x-amazon-apigateway-request-validator": "all",
                         "parameters": [{"in": "body", "name": "Pet", "schema": {"$ref": "#/definitions/Pet"}}],
                         "responses": {"200": {"description": "ok", "headers": {"X-A": {"type": "string"}}}},
                         INTEGRATION: mock('{"made": true}', responseParameters={"method.response.header.X-A": "'a'"})},
                "get": {"security": [{"key": []}, {"iam": []}], INTEGRATION: mock(), "responses": {}},
                "delete": {"security": [{"own": []}], INTEGRATION: mock(), "responses": {}}}}}


def test_a_document_makes_an_api(server, gateway, echo):
    document = swagger(echo)
    made = gateway.import_rest_api(body=json.dumps(document), parameters={"endpointConfigurationTypes": "REGIONAL"})
    assert (made["name"], made["version"], made["binaryMediaTypes"]) == (document["info"]["title"], "7", ["image/png"])
    assert made["endpointConfiguration"]["types"] == ["REGIONAL"]
    id = made["id"]
    resources = {one["path"]: one for one in gateway.get_resources(restApiId=id, embed=["methods"])["items"]}
    assert sorted(resources) == ["/", "/pets", "/pets/{id}", "/{proxy+}"]
    methods = resources["/pets/{id}"]["resourceMethods"]
    post = methods["POST"]
    assert (post["operationName"], post["requestModels"]) == ("makePet", {"application/json": "Pet"})
    assert post["requestParameters"] == {"method.request.path.id": True} and post["requestValidatorId"]
    assert (methods["GET"]["authorizationType"], methods["GET"]["apiKeyRequired"]) == ("AWS_IAM", True)
    authorizer = gateway.get_authorizers(restApiId=id)["items"][0]
    assert (authorizer["name"], authorizer["identitySource"]) == ("own", "method.request.header.Auth")
    assert methods["DELETE"]["authorizerId"] == authorizer["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    assert serve(server, id, "/x/y").json["pathParameters"] == {"proxy": "x/y"}
    answer = serve(server, id, "/pets/1", "POST", body='{"name": "Rex"}')
    assert (answer.status, answer.json, answer.headers["x-a"]) == (200, {"made": True}, "a")
    assert serve(server, id, "/pets/1", "POST", body='{"name": "R"}').json == {"message": "Invalid request body"}
    assert serve(server, id, "/").status == 404


def test_a_document_replaces_or_adds(server, gateway, echo):
    id = gateway.import_rest_api(body=json.dumps(swagger(echo)))["id"]
    more = {"openapi": "3.0.1", "info": {"title": "more"}, "paths": {"/more": {"get": {INTEGRATION: mock('{"m": 1}')}}}}
    gateway.put_rest_api(restApiId=id, mode="merge", body=json.dumps(more))
    paths = {one["path"] for one in gateway.get_resources(restApiId=id)["items"]}
    assert paths == {"/", "/pets", "/pets/{id}", "/{proxy+}", "/more"}
    root = gateway.get_rest_api(restApiId=id)["rootResourceId"]
    put = gateway.put_rest_api(restApiId=id, mode="overwrite", body=json.dumps(more))
    assert (put["name"], put["rootResourceId"]) == ("more", root) and "binaryMediaTypes" not in put
    assert {one["path"] for one in gateway.get_resources(restApiId=id)["items"]} == {"/", "/more"}
    gateway.create_deployment(restApiId=id, stageName="dev")
    assert serve(server, id, "/more").json == {"m": 1}


@pytest.mark.parametrize("document, message", [
    ("{", "Unable to parse the document: EOF while parsing"),
    ("swagger: '2.0", "Unable to parse the document"),
    ("swagger: '2.0'", "no title"),
    ({"swagger": "1.0"}, "Only OpenAPI 2.0 and 3.0 are supported"),
    ({"swagger": "2.0", "info": {}}, "no title"),
    ({"swagger": "2.0", "info": {"title": "x"}, "x-amazon-apigateway-cors": {}}, "The extension x-amazon-apigateway-cors is not implemented"),
    ({"swagger": "2.0", "info": {"title": "x"}, "paths": {"/a": {"get": {INTEGRATION: {"type": "aws_proxy", "uri": "x"}}}}},
     "Enumeration value for HttpMethod must be non-empty"),
    ({"swagger": "2.0", "info": {"title": "x"}, "paths": {"/{a}": {}, "/{b}": {}}}, "already has a variable path part"),
    ({"swagger": "2.0", "info": {"title": "x"}, "paths": {"/a": {"get": {"x-amazon-apigateway-request-validator": "none"}}}},
     "There is no request validator none"),
])
def test_documents_that_cannot_be(gateway, document, message):
    body = document if isinstance(document, str) else json.dumps(document)
    with refused("BadRequestException", 400, message):
        gateway.import_rest_api(body=body)


class Stack:
    """A stack of one template."""

    def __init__(self, server, template, **more):
        self.client, self.name = server.client("cloudformation"), unique("stack")
        self.client.create_stack(StackName=self.name, TemplateBody=json.dumps(template), **more)
        self.until("CREATE_COMPLETE")

    def until(self, status):
        def there():
            stack = self.client.describe_stacks(StackName=self.name)["Stacks"][0]
            if stack["StackStatus"].endswith(("FAILED", "ROLLBACK_COMPLETE")) and stack["StackStatus"] != status:
                events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
                raise AssertionError([e.get("ResourceStatusReason") for e in events if "FAILED" in e["ResourceStatus"]])
            return stack if stack["StackStatus"] == status else None
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in eventually(there, status, 60).get("Outputs", [])}

    def update(self, template, **more):
        self.client.update_stack(StackName=self.name, TemplateBody=json.dumps(template), **more)
        self.until("UPDATE_COMPLETE")

    def delete(self):
        id = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=self.name)
        eventually(lambda: self.client.describe_stacks(StackName=id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE")


def ref(name):
    return {"Ref": name}


def typed(kind, depends=None, **properties):
    return {"Type": f"AWS::ApiGateway::{kind}", "Properties": properties, **({"DependsOn": depends} if depends else {})}


def template(echo, rate=5, answer='{"v": 1}'):
    return {"Resources": {
        "Api": typed("RestApi", Name="templated", BinaryMediaTypes=["image/png"], Tags=[{"Key": "a", "Value": "b"}]),
        "Pets": typed("Resource", RestApiId=ref("Api"), ParentId={"Fn::GetAtt": ["Api", "RootResourceId"]}, PathPart="pets"),
        "Validator": typed("RequestValidator", RestApiId=ref("Api"), ValidateRequestBody=True),
        "Model": typed("Model", RestApiId=ref("Api"), ContentType="application/json", Schema={"type": "object", "required": ["a"]}),
        "Authorizer": typed("Authorizer", RestApiId=ref("Api"), Name="own", Type="TOKEN", AuthorizerUri=invocations(echo),
                            IdentitySource="method.request.header.Auth"),
        "Refusal": typed("GatewayResponse", RestApiId=ref("Api"), ResponseType="MISSING_AUTHENTICATION_TOKEN", StatusCode="404"),
        "Get": typed("Method", RestApiId=ref("Api"), ResourceId=ref("Pets"), HttpMethod="GET", AuthorizationType="NONE",
                     ApiKeyRequired=True,
                     Integration={"Type": "MOCK", "RequestTemplates": {"application/json": '{"statusCode": 200}'},
                                  "IntegrationResponses": [{"StatusCode": "200", "ResponseTemplates": {"application/json": answer},
                                                            "ResponseParameters": {"method.response.header.X-A": "'a'"}}]},
                     MethodResponses=[{"StatusCode": "200", "ResponseParameters": {"method.response.header.X-A": True}}]),
        "Post": typed("Method", RestApiId=ref("Api"), ResourceId=ref("Pets"), HttpMethod="POST", AuthorizationType="NONE",
                      RequestValidatorId=ref("Validator"), RequestModels={"application/json": ref("Model")},
                      Integration={"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": invocations(echo)}),
        "Deployment": typed("Deployment", ["Get", "Post"], RestApiId=ref("Api")),
        "Stage": typed("Stage", RestApiId=ref("Api"), DeploymentId=ref("Deployment"), StageName="dev", Variables={"v": "1"},
                       MethodSettings=[{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": rate, "ThrottlingBurstLimit": 100}]),
        "Key": typed("ApiKey", Enabled=True, Value="a-key-of-the-template-" + unique()),
        "Plan": typed("UsagePlan", "Stage", ApiStages=[{"ApiId": ref("Api"), "Stage": "dev"}], Quota={"Limit": 100, "Period": "DAY"}),
        "PlanKey": typed("UsagePlanKey", KeyId=ref("Key"), KeyType="API_KEY", UsagePlanId=ref("Plan")),
        "Account": typed("Account"),
    }, "Outputs": {"Id": {"Value": ref("Api")}, "Key": {"Value": ref("Key")}, "Plan": {"Value": ref("Plan")}}}


def test_a_template_of_every_type(server, gateway, echo):
    text = template(echo)
    stack = Stack(server, text)
    id = stack.outputs["Id"]
    api = gateway.get_rest_api(restApiId=id)
    assert (api["name"], api["binaryMediaTypes"], api["tags"]["a"]) == ("templated", ["image/png"], "b")
    assert api["tags"]["aws:cloudformation:logical-id"] == "Api"
    key = gateway.get_api_key(apiKey=stack.outputs["Key"], includeValue=True)["value"]
    answer = serve(server, id, "/pets", headers={"x-api-key": key})
    assert (answer.status, answer.json, answer.headers["x-a"]) == (200, {"v": 1}, "a")
    assert serve(server, id, "/pets").status == 403
    assert serve(server, id, "/none").status == 404
    assert serve(server, id, "/pets", "POST", body="{}").status == 400
    assert serve(server, id, "/pets", "POST", body='{"a": 1}').status == 200
    settings = gateway.get_stage(restApiId=id, stageName="dev")["methodSettings"]
    assert settings["*/*"]["throttlingRateLimit"] == 5.0
    changed = json.loads(json.dumps(text))
    changed["Resources"]["Api"]["Properties"].update(Name="renamed", BinaryMediaTypes=["image/gif"])
    changed["Resources"]["Stage"]["Properties"].update(Variables={"w": "2"})
    changed["Resources"]["Stage"]["Properties"]["MethodSettings"][0]["ThrottlingRateLimit"] = 7
    changed["Resources"]["Plan"]["Properties"]["Quota"]["Limit"] = 50
    changed["Resources"]["Get"]["Properties"]["ApiKeyRequired"] = False
    changed["Resources"]["Second"] = {**changed["Resources"]["Deployment"]}
    changed["Resources"]["Stage"]["Properties"]["DeploymentId"] = ref("Second")
    del changed["Resources"]["Deployment"]
    stack.update(changed)
    api = gateway.get_rest_api(restApiId=id)
    assert (api["name"], api["binaryMediaTypes"]) == ("renamed", ["image/gif"])
    stage = gateway.get_stage(restApiId=id, stageName="dev")
    assert (stage["variables"], stage["methodSettings"]["*/*"]["throttlingRateLimit"]) == ({"w": "2"}, 7.0)
    assert gateway.get_usage_plan(usagePlanId=stack.outputs["Plan"])["quota"]["limit"] == 50
    assert len(gateway.get_deployments(restApiId=id)["items"]) == 1
    stack.delete()
    with refused("NotFoundException", 404):
        gateway.get_rest_api(restApiId=id)
    with refused("NotFoundException", 404):
        gateway.get_usage_plan(usagePlanId=stack.outputs["Plan"])


def test_what_sam_makes_of_an_api(server, gateway, echo):
    """The resources of `AWS::Serverless::Api` with one function, as the SAM translator writes them."""
    body = {"swagger": "2.0", "info": {"version": "1.0", "title": ref("AWS::StackName")},
            "paths": {"/{proxy+}": {ANY: {INTEGRATION: {
                "httpMethod": "POST", "type": "aws_proxy",
                "uri": {"Fn::Sub": f"arn:aws:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{echo}/invocations"}},
                "responses": {}}}}}
    text = {"Resources": {
        "ServerlessRestApi": typed("RestApi", Body=body),
        "ServerlessRestApiDeployment1": typed("Deployment", RestApiId=ref("ServerlessRestApi"), Description="RestApi deployment id: 1",
                                              StageName="Stage"),
        "ServerlessRestApiProdStage": typed("Stage", DeploymentId=ref("ServerlessRestApiDeployment1"),
                                            RestApiId=ref("ServerlessRestApi"), StageName="Prod"),
        "Permission": {"Type": "AWS::Lambda::Permission", "Properties": {
            "Action": "lambda:InvokeFunction", "FunctionName": echo, "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": ["arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}/*/*",
                                      {"__Stage__": "*", "__ApiId__": ref("ServerlessRestApi")}]}}},
    }, "Outputs": {"Id": {"Value": ref("ServerlessRestApi")}}}
    stack = Stack(server, text)
    id = stack.outputs["Id"]
    assert gateway.get_rest_api(restApiId=id)["name"] == stack.name
    answer = serve(server, id, "/any/path", "POST", stage="Prod", body='{"a": 1}')
    assert answer.status == 200 and answer.json["body"] == '{"a": 1}'
    body["paths"]["/more"] = {"get": {INTEGRATION: mock('{"m": 1}'), "responses": {}}}
    resources = text["Resources"]
    resources["ServerlessRestApiDeployment2"] = resources.pop("ServerlessRestApiDeployment1")
    resources["ServerlessRestApiProdStage"]["Properties"]["DeploymentId"] = ref("ServerlessRestApiDeployment2")
    stack.update(text)
    assert stack.outputs["Id"] == id
    for stage in ("Prod", "Stage"):
        assert serve(server, id, "/more", stage=stage).json == {"m": 1}
    stack.delete()
    assert serve(server, id, "/more", stage="Prod").json == {"message": "Forbidden"}
