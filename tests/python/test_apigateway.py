"""API Gateway, REST APIs: what is edited, deployed and staged. What is served: `test_apigateway_plane.py`."""

import pytest

from support import ACCOUNT, REGION, refused, unique


@pytest.fixture
def gateway(server):
    return server.client("apigateway")


@pytest.fixture
def api(gateway, name):
    return gateway.create_rest_api(name=name)


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def add(path, value=""):
    return {"op": "add", "path": path, "value": value}


def remove(path):
    return {"op": "remove", "path": path}


def plain(answer):
    return {k: v for k, v in answer.items() if k != "ResponseMetadata"}


def test_rest_apis_are_made_changed_and_removed(gateway, name):
    made = plain(gateway.create_rest_api(name=name, description="d", tags={"a": "b"}, version="1"))
    id = made["id"]
    assert made.pop("createdDate") and made.pop("rootResourceId")
    assert made == {
        "id": id, "name": name, "description": "d", "version": "1", "apiKeySource": "HEADER", "tags": {"a": "b"},
        "disableExecuteApiEndpoint": False, "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
    }
    assert gateway.get_rest_api(restApiId=id)["name"] == name
    changed = gateway.update_rest_api(restApiId=id, patchOperations=[
        replace("/name", "other"), add("/binaryMediaTypes/image~1png"), replace("/minimumCompressionSize", "10"),
        replace("/apiKeySource", "AUTHORIZER"), remove("/description"),
        replace("/endpointConfiguration/types/EDGE", "REGIONAL"), replace("/disableExecuteApiEndpoint", "true")])
    assert (changed["name"], changed["binaryMediaTypes"], changed["minimumCompressionSize"]) == (
        "other", ["image/png"], 10)
    assert changed["apiKeySource"] == "AUTHORIZER" and "description" not in changed
    assert changed["endpointConfiguration"]["types"] == ["REGIONAL"] and changed["disableExecuteApiEndpoint"]
    gateway.delete_rest_api(restApiId=id)
    with refused("NotFoundException", 404, f"Invalid API identifier specified {ACCOUNT}:{id}"):
        gateway.get_rest_api(restApiId=id)


@pytest.mark.parametrize("wrong, message", [
    ({"description": ""}, "Description cannot be an empty string"),
    ({"minimumCompressionSize": -1}, "Invalid minimum compression size, must be between 0 and 10485760"),
    ({"endpointConfiguration": {"types": []}}, "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED."),
    ({"endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}}, "Cannot create an api with multiple Endpoint Types."),
    ({"endpointConfiguration": {"types": ["PRIVATE"]}}, "PRIVATE is not implemented"),
    ({"tags": {"aws:x": "y"}}, "aws:"),
    ({"securityPolicy": "TLS_1_2"}, "Ropeway does not implement the parameter securityPolicy"),
])
def test_rest_apis_that_cannot_be(gateway, wrong, message):
    with refused("BadRequestException", 400, message):
        gateway.create_rest_api(name="x", **wrong)


# Recorded answers: localstack/localstack, tests/aws/services/apigateway/test_apigateway_api.snapshot.json.
@pytest.mark.parametrize("patch, message", [
    (add("/binaryMediaTypes", "x"), "Invalid patch path /binaryMediaTypes"),
    (add("/minimumCompressionSize", "1"), "Invalid patch operation specified. Must be one of: [replace]"),
    (replace("/minimumCompressionSize", "x"), "Invalid minimum compression size, must be between 0 and 10485760"),
    (replace("/nothing", "x"), "Invalid patch path /nothing"),
])
def test_patches_of_an_api_that_cannot_be(gateway, api, patch, message):
    with refused("BadRequestException", 400, message):
        gateway.update_rest_api(restApiId=api["id"], patchOperations=[patch])


def test_apis_are_listed_in_pages(own):
    gateway = own.client("apigateway")
    ids = {gateway.create_rest_api(name=f"api {n}")["id"] for n in range(5)}
    seen, position = [], {}
    while True:
        page = gateway.get_rest_apis(limit=2, **position)
        assert len(page["items"]) <= 2
        seen += [api["id"] for api in page["items"]]
        if "position" not in page:
            break
        position = {"position": page["position"]}
    assert sorted(seen) == sorted(ids)
    with refused("BadRequestException"):
        gateway.get_rest_apis(position="?")
    with refused("BadRequestException"):
        gateway.get_rest_apis(limit=501)


def test_a_clone_has_what_its_origin_has(gateway, api):
    id = api["id"]
    gateway.create_resource(restApiId=id, parentId=api["rootResourceId"], pathPart="pets")
    clone = gateway.create_rest_api(name="clone", cloneFrom=id)
    paths = {resource["path"] for resource in gateway.get_resources(restApiId=clone["id"])["items"]}
    assert paths == {"/", "/pets"}


def test_resources_make_a_tree(gateway, api):
    id, root = api["id"], api["rootResourceId"]
    pets = plain(gateway.create_resource(restApiId=id, parentId=root, pathPart="pets"))
    assert pets == {"id": pets["id"], "parentId": root, "pathPart": "pets", "path": "/pets"}
    sub = gateway.create_resource(restApiId=id, parentId=pets["id"], pathPart="{id}")
    assert sub["path"] == "/pets/{id}"
    moved = gateway.update_resource(restApiId=id, resourceId=pets["id"], patchOperations=[replace("/pathPart", "dogs")])
    assert moved["path"] == "/dogs"
    assert gateway.get_resource(restApiId=id, resourceId=sub["id"])["path"] == "/dogs/{id}"
    with refused("BadRequestException", 400, "Resources cannot be cyclical."):
        gateway.update_resource(restApiId=id, resourceId=pets["id"], patchOperations=[replace("/parentId", sub["id"])])
    with refused("BadRequestException", 400,
                 "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/parentId, /pathPart]"):
        gateway.update_resource(restApiId=id, resourceId=pets["id"], patchOperations=[replace("/invalid", "x")])
    with refused("BadRequestException", 400,
                 "Invalid patch path  '/pathPart' specified for op 'remove'. Please choose supported operations"):
        gateway.update_resource(restApiId=id, resourceId=pets["id"], patchOperations=[remove("/pathPart")])
    gateway.delete_resource(restApiId=id, resourceId=pets["id"])
    with refused("NotFoundException", 404, "Invalid Resource identifier specified"):
        gateway.get_resource(restApiId=id, resourceId=sub["id"])
    assert [resource["path"] for resource in gateway.get_resources(restApiId=id)["items"]] == ["/"]


def test_resources_that_cannot_be(gateway, api):
    id, root = api["id"], api["rootResourceId"]
    proxy = gateway.create_resource(restApiId=id, parentId=root, pathPart="{proxy+}")["id"]
    gateway.create_resource(restApiId=id, parentId=root, pathPart="pets")
    with refused("ConflictException", 409, "Another resource with the same parent already has this name: pets"):
        gateway.create_resource(restApiId=id, parentId=root, pathPart="pets")
    with refused("BadRequestException", 400, "Cannot create a child of a resource with a greedy path variable: {proxy+}"):
        gateway.create_resource(restApiId=id, parentId=proxy, pathPart="x")
    with refused("BadRequestException", 400, "A sibling ({proxy+}) of this resource already has a variable path part"):
        gateway.create_resource(restApiId=id, parentId=root, pathPart="{other}")
    for part in ["a/b", "", "{a", "a b", "{}"]:
        with refused("BadRequestException", 400, "Resource's path part only allow"):
            gateway.create_resource(restApiId=id, parentId=root, pathPart=part)
    with refused("NotFoundException", 404, "Invalid Resource identifier specified"):
        gateway.create_resource(restApiId=id, parentId="nobody", pathPart="x")


def test_methods(gateway, api):
    at = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "ANY"}
    parameters = {"method.request.header.h": True, "method.request.querystring.q": False}
    made = plain(gateway.put_method(**at, authorizationType="NONE", requestParameters=parameters, operationName="Op"))
    assert made == {"httpMethod": "ANY", "authorizationType": "NONE", "apiKeyRequired": False, "operationName": "Op",
                    "requestParameters": parameters}
    assert plain(gateway.get_method(**at)) == made
    with refused("ConflictException", 409, "Method already exists for this resource"):
        gateway.put_method(**at, authorizationType="NONE")
    changed = gateway.update_method(**at, patchOperations=[
        replace("/apiKeyRequired", "true"), replace("/authorizationType", "AWS_IAM"),
        add("/requestModels/application~1json", "Empty"), remove("/requestParameters/method.request.header.h")])
    assert (changed["apiKeyRequired"], changed["authorizationType"]) == (True, "AWS_IAM")
    assert changed["requestModels"] == {"application/json": "Empty"}
    assert changed["requestParameters"] == {"method.request.querystring.q": False}
    for patch, message in [
        (add("/apiKeyRequired", "true"), "Invalid patch operation specified. Must be one of: [replace]"),
        (replace("/httpMethod", "GET"), "Invalid patch path /httpMethod"),
        (replace("/authorizationType", "CUSTOM"), "Invalid authorizer ID specified. Setting the authorization type"),
        (replace("/requestValidatorId", "x"), "Invalid Request Validator identifier specified"),
    ]:
        with refused("BadRequestException", 400, message):
            gateway.update_method(**at, patchOperations=[patch])
    assert list(gateway.get_resource(restApiId=api["id"], resourceId=api["rootResourceId"])["resourceMethods"]) == ["ANY"]
    gateway.delete_method(**at)
    with refused("NotFoundException", 404, "Invalid Method identifier specified"):
        gateway.get_method(**at)


@pytest.mark.parametrize("verb, more, message", [
    ("WRONG", {}, "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"),
    ("GET", {"authorizationType": "CUSTOM"}, "Invalid authorizer ID specified."),
    ("GET", {"authorizationType": "COGNITO_USER_POOLS"}, "COGNITO_USER_POOLS is not implemented"),
    ("GET", {"requestValidatorId": "x"}, "Invalid Request Validator identifier specified"),
    ("GET", {"requestModels": {"application/json": "petModel"}}, "Invalid model identifier specified: petModel"),
    ("GET", {"requestParameters": {"method.request.header.a": True, "method.request.querystring.a": True}},
     "Parameter names must be unique across querystring, header and path"),
])
def test_methods_that_cannot_be(gateway, api, verb, more, message):
    with refused("BadRequestException", 400, message):
        gateway.put_method(**{"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": verb,
                              "authorizationType": "NONE", **more})


@pytest.fixture
def mock(gateway, api):
    """Where a method with a mock integration is."""
    at = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    return at


def test_integrations_and_responses(gateway, mock):
    made = plain(gateway.get_integration(**mock))
    assert made == {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "passthroughBehavior": "WHEN_NO_MATCH", "timeoutInMillis": 29000,
                    "cacheNamespace": mock["resourceId"], "cacheKeyParameters": []}
    with refused("NotFoundException", 404, "Invalid Response status code specified"):
        gateway.put_integration_response(**mock, statusCode="200")
    gateway.put_method_response(**mock, statusCode="200", responseParameters={"method.response.header.a": False})
    with refused("ConflictException", 409, "Response already exists for this resource"):
        gateway.put_method_response(**mock, statusCode="200")
    with refused("BadRequestException", 400, "Invalid mapping expression parameter specified: method.response.header.b"):
        gateway.put_integration_response(**mock, statusCode="200",
                                         responseParameters={"method.response.header.b": "'x'"})
    response = gateway.put_integration_response(
        **mock, statusCode="200", selectionPattern="", responseParameters={"method.response.header.a": "'x'"},
        responseTemplates={"application/json": "{}"})
    assert (response["selectionPattern"], response["responseTemplates"]) == ("", {"application/json": "{}"})
    changed = gateway.update_integration_response(**mock, statusCode="200",
                                                  patchOperations=[replace("/selectionPattern", "2..")])
    assert changed["selectionPattern"] == "2.."
    changed = gateway.update_method_response(**mock, statusCode="200", patchOperations=[
        add("/responseModels/application~1json", "Empty"), remove("/responseParameters/method.response.header.a")])
    assert changed["responseModels"] == {"application/json": "Empty"} and "responseParameters" not in changed
    for patch, code, message in [
        (remove("/responseParameters/method.response.header.x"), "NotFoundException", "Invalid parameter name specified"),
        (remove("/responseModels/text~1xml"), "NotFoundException", "Content-Type specified was not found"),
        (add("/wrong/x", "y"), "BadRequestException", "Invalid patch path /wrong/x"),
    ]:
        with refused(code, text=message):
            gateway.update_method_response(**mock, statusCode="200", patchOperations=[patch])
    gateway.update_integration(**mock, patchOperations=[replace("/timeoutInMillis", "100")])
    assert gateway.get_method(**mock)["methodIntegration"]["timeoutInMillis"] == 100
    gateway.delete_integration_response(**mock, statusCode="200")
    gateway.delete_method_response(**mock, statusCode="200")
    for get in (gateway.get_integration_response, gateway.get_method_response):
        with refused("NotFoundException", 404, "Invalid Response status code specified"):
            get(**mock, statusCode="200")
    with refused("ValidationException", 400, "failed to satisfy constraint: Member must satisfy regular expression"):
        gateway.get_method_response(**mock, statusCode="wrong")
    gateway.delete_integration(**mock)
    with refused("NotFoundException", 404, "Invalid Integration identifier specified"):
        gateway.get_integration(**mock)


LAMBDA = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:{ACCOUNT}:function:f/invocations"


@pytest.mark.parametrize("wrong, message", [
    ({"type": "AWS_PROXY", "uri": LAMBDA}, "Enumeration value for HttpMethod must be non-empty"),
    ({"type": "AWS_PROXY", "uri": "hello", "integrationHttpMethod": "POST"}, "Invalid ARN specified in the request"),
    ({"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:foo", "integrationHttpMethod": "POST"},
     "AWS ARN for integration must contain path or action"),
    ({"type": "AWS_PROXY", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q", "integrationHttpMethod": "POST"},
     "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."),
    ({"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:path/1/q", "integrationHttpMethod": "POST"},
     "An integration of the AWS service sqs is not implemented"),
    ({"type": "HTTP", "uri": "ftp://x", "integrationHttpMethod": "GET"}, "Invalid HTTP endpoint specified for URI"),
    ({"type": "MOCK", "timeoutInMillis": 30000}, "Timeout should be between 50 ms and 29000 ms"),
    ({"type": "MOCK", "passthroughBehavior": "x"}, "Invalid passthrough behavior specified"),
    ({"type": "MOCK", "requestParameters": {"integration.request.header.a": "true"}},
     "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: true]"),
    ({"type": "MOCK", "requestTemplates": {"123": ""}}, "Invalid content type specified: 123"),
    ({"type": "HTTP_PROXY", "uri": "http://x/", "integrationHttpMethod": "GET", "connectionType": "VPC_LINK"},
     "VPC_LINK is not implemented"),
])
def test_integrations_that_cannot_be(gateway, mock, wrong, message):
    with refused("BadRequestException", 400, message):
        gateway.put_integration(**mock, **wrong)


def test_deployments_and_stages(gateway, api, mock):
    id = api["id"]
    first = gateway.create_deployment(restApiId=id, stageName="dev", description="one", variables={"v": "1"})
    stage = gateway.get_stage(restApiId=id, stageName="dev")
    assert (stage["deploymentId"], stage["variables"], stage["methodSettings"]) == (first["id"], {"v": "1"}, {})
    assert (stage["cacheClusterEnabled"], stage["cacheClusterStatus"]) == (False, "NOT_AVAILABLE")
    second = gateway.create_deployment(restApiId=id)
    got = gateway.get_deployment(restApiId=id, deploymentId=first["id"], embed=["apisummary"])
    assert got["apiSummary"] == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    assert {one["id"] for one in gateway.get_deployments(restApiId=id)["items"]} == {first["id"], second["id"]}
    renamed = gateway.update_deployment(restApiId=id, deploymentId=second["id"], patchOperations=[replace("/description", "two")])
    assert renamed["description"] == "two"
    made = gateway.create_stage(restApiId=id, stageName="prod", deploymentId=second["id"], tags={"k": "v"})
    assert made["tags"] == {"k": "v"}
    with refused("ConflictException", 409, "Stage already exists"):
        gateway.create_stage(restApiId=id, stageName="prod", deploymentId=second["id"])
    changed = gateway.update_stage(restApiId=id, stageName="prod", patchOperations=[
        replace("/deploymentId", first["id"]), replace("/variables/a", "b"), replace("/description", "d"),
        replace("/*/*/throttling/rateLimit", "5"), replace("/~1pets/GET/throttling/burstLimit", "3")])
    assert (changed["deploymentId"], changed["variables"], changed["description"]) == (first["id"], {"a": "b"}, "d")
    assert changed["methodSettings"]["*/*"]["throttlingRateLimit"] == 5.0
    assert changed["methodSettings"]["pets/GET"]["throttlingBurstLimit"] == 3
    assert {one["stageName"] for one in gateway.get_stages(restApiId=id)["item"]} == {"dev", "prod"}
    assert gateway.get_stages(restApiId=id, deploymentId=second["id"])["item"] == []
    with refused("BadRequestException", 400, "Active stages pointing to this deployment must be moved or deleted"):
        gateway.delete_deployment(restApiId=id, deploymentId=first["id"])
    for patch, message in [
        (replace("/tags/x", "y"), "Invalid method setting path: /tags/x. Must be one of: [/deploymentId, /description"),
        (replace("/variables/a", "white space"), "Stage variable values must match"),
        (replace("/tracingEnabled", "true"), "tracing of stages is not implemented"),
        (replace("/*/*/caching/enabled", "true"), "caching of responses is not implemented"),
        (replace("/accessLogSettings/destinationArn", "arn:aws:firehose:r:a:deliverystream/x"), "delivery stream is not implemented"),
        (replace("/*/*/logging/loglevel", "LOUD"), "Invalid logging level, must be one of: [OFF, ERROR, INFO]"),
        (replace("/*/*/logging/loglevel", "INFO"), "CloudWatch Logs role ARN must be set in account settings to enable logging"),
        (replace("/*/*/metrics/enabled", "true"), "The metrics of methods is not implemented"),
        (replace("/canarySettings/percentTraffic", "10"), "A canary release is not implemented"),
        (replace("/clientCertificateId", "abc"), "A client certificate is not implemented"),
    ]:
        with refused("BadRequestException", 400, message):
            gateway.update_stage(restApiId=id, stageName="prod", patchOperations=[patch])
    gateway.delete_deployment(restApiId=id, deploymentId=second["id"])
    with refused("NotFoundException", 404, "Invalid Deployment identifier specified"):
        gateway.get_deployment(restApiId=id, deploymentId=second["id"])
    gateway.delete_stage(restApiId=id, stageName="dev")
    with refused("NotFoundException", 404, "Invalid stage identifier specified"):
        gateway.get_stage(restApiId=id, stageName="dev")


def test_deployments_that_cannot_be(gateway, api):
    with refused("BadRequestException", 400, "The REST API doesn't contain any methods"):
        gateway.create_deployment(restApiId=api["id"])
    at = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    with refused("BadRequestException", 400, "No integration defined for method"):
        gateway.create_deployment(restApiId=api["id"])
    gateway.put_integration(**at, type="MOCK")
    with refused("BadRequestException", 400, "Stage name only allows a-zA-Z0-9_-"):
        gateway.create_deployment(restApiId=api["id"], stageName="a b")
    with refused("BadRequestException", 400, "does not implement the parameter canarySettings"):
        gateway.create_deployment(restApiId=api["id"], stageName="a", canarySettings={"percentTraffic": 1})
    assert gateway.get_deployments(restApiId=api["id"])["items"] == []


def test_models(gateway, api, mock):
    id = api["id"]
    assert {model["name"] for model in gateway.get_models(restApiId=id)["items"]} == {"Empty", "Error"}
    schema = '{"type": "object", "properties": {"a": {"type": "integer"}}}'
    made = gateway.create_model(restApiId=id, name="Pet", contentType="application/json", schema=schema)
    assert (made["name"], made["schema"]) == ("Pet", schema)
    with refused("ConflictException", 409, "Model name already exists for this REST API"):
        gateway.create_model(restApiId=id, name="Pet", contentType="application/json", schema=schema)
    with refused("BadRequestException", 400, "Model name must be non-empty"):
        gateway.create_model(restApiId=id, name="", contentType="application/json", schema=schema)
    with refused("BadRequestException", 400, "Model schema must have at least 1 property or array items defined"):
        gateway.create_model(restApiId=id, name="Other", contentType="application/json", schema="")
    with refused("BadRequestException", 400, "Invalid model schema specified."):
        gateway.create_model(restApiId=id, name="Other", contentType="application/json", schema="{")
    gateway.update_method(**mock, patchOperations=[add("/requestModels/application~1json", "Pet")])
    with refused("ConflictException", 409, "Cannot delete model 'Pet', is referenced in method request: //GET"):
        gateway.delete_model(restApiId=id, modelName="Pet")
    gateway.update_method(**mock, patchOperations=[remove("/requestModels/application~1json")])
    assert gateway.update_model(restApiId=id, modelName="Pet", patchOperations=[replace("/description", "d")])["description"] == "d"
    with refused("BadRequestException", 400,
                 "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]"):
        gateway.update_model(restApiId=id, modelName="Pet", patchOperations=[replace("/name", "d")])
    gateway.delete_model(restApiId=id, modelName="Pet")
    with refused("NotFoundException", 404, "Invalid model name specified: Pet"):
        gateway.get_model(restApiId=id, modelName="Pet")


def test_request_validators(gateway, api, mock):
    id = api["id"]
    made = plain(gateway.create_request_validator(restApiId=id, name="v", validateRequestBody=True))
    at = {"restApiId": id, "requestValidatorId": made["id"]}
    assert made == {"id": made["id"], "name": "v", "validateRequestBody": True, "validateRequestParameters": False}
    assert plain(gateway.get_request_validator(**at)) == made
    assert gateway.get_request_validators(restApiId=id)["items"] == [made]
    changed = gateway.update_request_validator(**at, patchOperations=[
        replace("/validateRequestBody", "false"), replace("/validateRequestParameters", "true")])
    assert (changed["validateRequestBody"], changed["validateRequestParameters"]) == (False, True)
    with refused("BadRequestException", 400, "Request Validator name cannot be blank"):
        gateway.update_request_validator(**at, patchOperations=[replace("/name", "")])
    gateway.delete_request_validator(**at)
    with refused("NotFoundException", 404, "Invalid Request Validator identifier specified"):
        gateway.get_request_validator(**at)
    with refused("BadRequestException", 400, "Invalid REST API identifier specified"):
        gateway.create_request_validator(restApiId="nobody", name="v")


def test_authorizers(gateway, api, mock):
    id = api["id"]
    source = "method.request.header.Authorization"
    made = gateway.create_authorizer(restApiId=id, name="a", type="TOKEN", authorizerUri=LAMBDA, identitySource=source)
    assert (made["authorizerResultTtlInSeconds"], made["identitySource"]) == (300, source)
    with refused("BadRequestException", 400, "Authorizer name must be unique. Authorizer a already exists in this RestApi."):
        gateway.create_authorizer(restApiId=id, name="a", type="TOKEN", authorizerUri=LAMBDA, identitySource=source)
    at = {"restApiId": id, "authorizerId": made["id"]}
    changed = gateway.update_authorizer(**at, patchOperations=[
        replace("/authorizerResultTtlInSeconds", "0"), replace("/name", "b")])
    assert (changed["authorizerResultTtlInSeconds"], changed["name"]) == (0, "b")
    assert [one["id"] for one in gateway.get_authorizers(restApiId=id)["items"]] == [made["id"]]
    gateway.update_method(**mock, patchOperations=[
        replace("/authorizationType", "CUSTOM"), replace("/authorizerId", made["id"])])
    with refused("ConflictException", 409, "is referenced in method: //GET"):
        gateway.delete_authorizer(**at)
    gateway.update_method(**mock, patchOperations=[replace("/authorizationType", "NONE")])
    gateway.delete_authorizer(**at)
    with refused("NotFoundException", 404, "Invalid Authorizer identifier specified"):
        gateway.get_authorizer(**at)


def test_gateway_responses(gateway, api):
    at = {"restApiId": api["id"], "responseType": "MISSING_AUTHENTICATION_TOKEN"}
    default = {"responseType": "MISSING_AUTHENTICATION_TOKEN", "statusCode": "403", "responseParameters": {},
               "responseTemplates": {"application/json": '{"message":$context.error.messageString}'},
               "defaultResponse": True}
    assert plain(gateway.get_gateway_response(**at)) == default
    assert len(gateway.get_gateway_responses(restApiId=api["id"])["items"]) == 21
    with refused("NotFoundException", 404, "Gateway response type not defined on api"):
        gateway.delete_gateway_response(**at)
    made = gateway.put_gateway_response(**at, statusCode="404",
                                        responseParameters={"gatewayresponse.header.a": "'b'"})
    assert (made["statusCode"], made["defaultResponse"]) == ("404", False)
    changed = gateway.update_gateway_response(**at, patchOperations=[
        replace("/statusCode", "418"), add("/responseTemplates/text~1plain", "no")])
    assert (changed["statusCode"], changed["responseTemplates"]) == ("418", {"text/plain": "no"})
    gateway.put_gateway_response(restApiId=api["id"], responseType="DEFAULT_5XX", statusCode="599")
    shown = gateway.get_gateway_response(restApiId=api["id"], responseType="INTEGRATION_TIMEOUT")
    assert (shown["statusCode"], shown["defaultResponse"]) == ("599", True)
    gateway.delete_gateway_response(**at)
    assert plain(gateway.get_gateway_response(**at)) == default
    with refused("ValidationException", 400, "Value 'FAKE' at 'responseType' failed to satisfy constraint"):
        gateway.get_gateway_response(restApiId=api["id"], responseType="FAKE")


def test_api_keys_and_usage_plans(gateway, api, mock, name):
    id = api["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    key = gateway.create_api_key(name=name, enabled=True, tags={"a": "b"})
    assert len(key["value"]) >= 20 and key["stageKeys"] == []
    assert "value" not in gateway.get_api_key(apiKey=key["id"])
    assert gateway.get_api_key(apiKey=key["id"], includeValue=True)["value"] == key["value"]
    assert [one["id"] for one in gateway.get_api_keys(nameQuery=name)["items"]] == [key["id"]]
    with refused("BadRequestException", 400, "API Key value should be at least 20 characters"):
        gateway.create_api_key(name="x", value="short")
    with refused("ConflictException", 409, "API Key already exists"):
        gateway.create_api_key(name="x", value=key["value"])
    assert gateway.update_api_key(apiKey=key["id"], patchOperations=[replace("/enabled", "false")])["enabled"] is False
    plan = gateway.create_usage_plan(name=name, apiStages=[{"apiId": id, "stage": "dev"}],
                                     throttle={"burstLimit": 1, "rateLimit": 2.0},
                                     quota={"limit": 10, "offset": 0, "period": "DAY"})
    assert plan["quota"] == {"limit": 10, "offset": 0, "period": "DAY"}
    at = {"usagePlanId": plan["id"]}
    with refused("NotFoundException", 404, "API Stage not found"):
        gateway.create_usage_plan(name=name, apiStages=[{"apiId": id, "stage": "nope"}])
    added = plain(gateway.create_usage_plan_key(**at, keyId=key["id"], keyType="API_KEY"))
    assert added == {"id": key["id"], "type": "API_KEY", "value": key["value"], "name": name}
    with refused("ConflictException", 409):
        gateway.create_usage_plan_key(**at, keyId=key["id"], keyType="API_KEY")
    other = gateway.create_usage_plan(name="other", apiStages=[{"apiId": id, "stage": "dev"}])
    with refused("ConflictException", 409, "cannot reference multiple Usage Plans with the same api stage"):
        gateway.create_usage_plan_key(usagePlanId=other["id"], keyId=key["id"], keyType="API_KEY")
    assert gateway.get_usage_plan_key(**at, keyId=key["id"])["name"] == name
    assert [one["id"] for one in gateway.get_usage_plan_keys(**at)["items"]] == [key["id"]]
    assert [one["id"] for one in gateway.get_usage_plans(keyId=key["id"])["items"]] == [plan["id"]]
    changed = gateway.update_usage_plan(**at, patchOperations=[
        replace("/throttle/rateLimit", "200"), replace("/quota/limit", "5"), {"op": "remove", "path": "/apiStages", "value": f"{id}:dev"}])
    assert (changed["throttle"]["rateLimit"], changed["quota"]["limit"], changed["apiStages"]) == (200.0, 5, [])
    assert gateway.get_usage_plan(**at)["throttle"]["burstLimit"] == 1
    gateway.delete_usage_plan_key(**at, keyId=key["id"])
    assert gateway.get_usage_plan_keys(**at)["items"] == []
    gateway.delete_usage_plan(**at)
    with refused("NotFoundException", 404, "Invalid Usage Plan ID specified"):
        gateway.get_usage_plan(**at)
    with refused("BadRequestException", 400, "it has associated API stages"):
        gateway.delete_usage_plan(usagePlanId=other["id"])
    gateway.delete_api_key(apiKey=key["id"])
    with refused("NotFoundException", 404, "Invalid API Key identifier specified"):
        gateway.get_api_key(apiKey=key["id"])


def test_tags(gateway, api, mock):
    id = api["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    for path in [f"restapis/{id}", f"restapis/{id}/stages/dev", f"apikeys/{gateway.create_api_key(name='t')['id']}",
                 f"usageplans/{gateway.create_usage_plan(name='t')['id']}"]:
        arn = f"arn:aws:apigateway:{REGION}::/{path}"
        gateway.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        gateway.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert gateway.get_tags(resourceArn=arn)["tags"] == {"b": "2"}
    with refused("BadRequestException", 400, "Invalid resource ARN"):
        gateway.get_tags(resourceArn="arn:aws:sqs:us-east-1::x")


def test_account(own):
    gateway = own.client("apigateway")
    before = gateway.get_account()
    assert before["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0} and "cloudwatchRoleArn" not in before
    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    assert gateway.update_account(patchOperations=[replace("/cloudwatchRoleArn", role)])["cloudwatchRoleArn"] == role
    with refused("BadRequestException", 400, "Must be one of: [/cloudwatchRoleArn"):
        gateway.update_account(patchOperations=[replace("/features", "x")])
    own.restart_after_kill()
    assert own.client("apigateway").get_account()["cloudwatchRoleArn"] == role


def test_what_is_not_there_is_refused_by_name(gateway):
    with refused("NotImplemented", 501, "CreateVpcLink"):
        gateway.create_vpc_link(name="x", targetArns=["arn"])
    with refused("NotImplemented", 501, "GetSdkTypes"):
        gateway.get_sdk_types()
    with refused("NotImplemented", 501, "GetSdk"):
        gateway.get_sdk(restApiId="x", stageName="dev", sdkType="ruby")


def test_apis_of_others_are_not_there(server, gateway, api):
    other = server.client("apigateway", key=("111111111111", "test"))
    with refused("NotFoundException", 404, f"111111111111:{api['id']}"):
        other.get_rest_api(restApiId=api["id"])
    elsewhere = server.client("apigateway", region="eu-west-1")
    with refused("NotFoundException", 404):
        elsewhere.get_rest_api(restApiId=api["id"])


def test_a_restart_loses_nothing(own):
    gateway = own.client("apigateway")
    id, root = (lambda made: (made["id"], made["rootResourceId"]))(gateway.create_rest_api(name=unique()))
    at = {"restApiId": id, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    # Larger than one row.
    template = "x" * 150_000
    gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": template})
    deployment = gateway.create_deployment(restApiId=id, stageName="dev")["id"]
    own.restart_after_kill()
    gateway = own.client("apigateway")
    assert gateway.get_integration(**at)["requestTemplates"]["application/json"] == template
    got = gateway.get_deployment(restApiId=id, deploymentId=deployment, embed=["apisummary"])
    assert list(got["apiSummary"]) == ["/"]


@pytest.mark.parametrize("operation, arguments", [
    ("get_sdk", {"restApiId": "a", "stageName": "b", "sdkType": "java"}), ("generate_client_certificate", {}),
    ("create_vpc_link", {"name": "a", "targetArns": ["b"]}),
])
def test_operations_that_are_not_there_are_named(gateway, operation, arguments):
    name = "".join(word.title() for word in operation.split("_"))
    with refused("NotImplemented", 501, f"does not implement the operation {name} of"):
        getattr(gateway, operation)(**arguments)
