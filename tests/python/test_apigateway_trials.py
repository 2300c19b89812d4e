"""API Gateway's test invocations, and what is told of models."""

import json

import pytest

from support import refused, unique
from test_apigateway_plane import Api, allow_calls, echo, invocations  # noqa: F401
from test_lambda import create, make_role


def test_methods_are_tried_as_they_are_edited(server, echo):
    api = Api(server)
    at = api.function("/pets/{id}", "POST", echo, authorizationType="AWS_IAM", apiKeyRequired=True)
    # Nothing is deployed, and nobody asks for a signature or a key.
    tried = api.client.test_invoke_method(
        **at, pathWithQueryString="/pets/7?x=1", body="hello", headers={"X-One": "1"},
        multiValueHeaders={"X-Many": ["a", "b"]}, stageVariables={"color": "red"})
    event = json.loads(tried["body"])
    assert (tried["status"], tried["headers"]["X-One"], tried["multiValueHeaders"]["X-Many"]) == (200, "1", ["a", "b"])
    assert (event["pathParameters"], event["queryStringParameters"], event["body"]) == ({"id": "7"}, {"x": "1"}, "hello")
    assert (event["headers"], event["multiValueHeaders"]["X-Many"]) == ({"X-One": "1", "X-Many": "b"}, ["a", "b"])
    assert (event["stageVariables"], event["requestContext"]["stage"]) == ({"color": "red"}, "test-invoke-stage")
    lines = tried["log"].splitlines()
    assert lines[0].startswith("Execution log for request ") and " UTC 20" in lines[1]
    assert lines[1].split(" : ")[1].startswith("Starting execution for request: ")
    said = [line.split(" : ", 1)[1] for line in lines[1:]]
    assert "HTTP Method: POST, Resource Path: /pets/7" in said and "Method request path: {id=7}" in said
    assert said[-1] == "Method completed with status: 200" and tried["latency"] >= 0
    # What fails is an answer too.
    broken = api.method("/broken", "GET")
    tried = api.client.test_invoke_method(**broken)
    assert tried["status"] == 500 and "Execution failed" in tried["log"]
    for arguments, text in (({"resourceId": "none"}, "Invalid Resource identifier"), ({"httpMethod": "GET"}, "Invalid Method identifier"),
                            ({"restApiId": "none"}, "Invalid API identifier")):
        with refused("NotFoundException", 404, text):
            api.client.test_invoke_method(**{**at, **arguments})
    with refused("BadRequestException", 400, "the parameter clientCertificateId"):
        api.client.test_invoke_method(**at, clientCertificateId="x")


def test_authorizers_are_tried(server):
    name, api = unique("auth"), Api(server)
    source = """def handler(e, c):
    if e['authorizationToken'] == 'no': raise Exception('Unauthorized')
    if e['authorizationToken'] == 'bad': return {}
    return {'principalId': 'me', 'policyDocument': {'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Action': 'execute-api:Invoke', 'Resource': e['methodArn']}]}}"""
    arn = create(server.client("lambda"), name, make_role(server.client("iam"), name), source)["FunctionArn"]
    allow_calls(server, name)
    made = api.client.create_authorizer(restApiId=api.id, name="a", type="TOKEN", authorizerUri=invocations(arn),
                                        identitySource="method.request.header.Auth")["id"]
    attempt = lambda **headers: api.client.test_invoke_authorizer(restApiId=api.id, authorizerId=made, headers=headers)
    good = attempt(Auth="yes")
    assert (good["clientStatus"], good["principalId"]) == (0, "me")
    assert json.loads(good["policy"])["Statement"][0]["Resource"] == api.arn("test-invoke-stage/GET/")
    assert f"Starting authorizer: {made} for request: " in good["log"]
    assert [attempt(**headers)["clientStatus"] for headers in ({}, {"Auth": "no"}, {"Auth": "bad"})] == [401, 401, 500]
    with refused("NotFoundException", 404, "Invalid Authorizer identifier"):
        api.client.test_invoke_authorizer(restApiId=api.id, authorizerId="none")


def test_models_flattened_and_as_templates(server):
    api = Api(server)
    make = lambda name, schema: api.client.create_model(
        restApiId=api.id, name=name, contentType="application/json", schema=json.dumps(schema))
    make("Price", {"type": "number"})
    address = f"https://apigateway.amazonaws.com/restapis/{api.id}/models/Price"
    make("Pet", {"type": "object", "properties": {"name": {"type": "string"}, "price": {"$ref": address}}})
    get = lambda **more: json.loads(api.client.get_model(restApiId=api.id, modelName="Pet", **more)["schema"])
    assert get()["properties"]["price"] == {"$ref": address} and get(flatten=False) == get()
    flat = get(flatten=True)
    assert (flat["properties"]["price"], flat["definitions"]) == ({"$ref": "#/definitions/Price"}, {"Price": {"type": "number"}})
    assert api.client.get_model_template(restApiId=api.id, modelName="Pet")["value"] == (
        "#set($inputRoot = $input.path('$'))\n{\n  \"name\" : \"foo\",\n  \"price\" : 42.0\n}")
    with refused("NotFoundException", 404, "Invalid model name specified: None"):
        api.client.get_model_template(restApiId=api.id, modelName="None")


@pytest.fixture
def documented(server):
    api = Api(server)
    api.mock("/pets/{id}", "GET")
    api.deploy()
    return api


def test_documentation_parts(documented):
    client, api = documented.client, documented.id
    make = lambda properties="{}", **location: client.create_documentation_part(
        restApiId=api, location=location, properties=properties)
    part = make('{"info": {"description": "an API"}}', type="API")
    assert part["location"] == {"type": "API"}
    assert make(type="METHOD", path="/pets/{id}")["location"] == {"type": "METHOD", "path": "/pets/{id}", "method": "*"}
    assert client.get_documentation_part(restApiId=api, documentationPartId=part["id"])["properties"] == part["properties"]
    found = lambda **more: [one["location"]["type"] for one in client.get_documentation_parts(restApiId=api, **more)["items"]]
    assert sorted(found()) == ["API", "METHOD"] and found(type="API") == ["API"] and found(path="/pets/{id}") == ["METHOD"]
    with refused("ConflictException", 409, "already exists for the specified location: type 'API'."):
        make(type="API")
    for location, properties in (({"type": "API", "path": "/"}, "{}"), ({"type": "MODEL"}, "{}"), ({"type": "MODEL", "name": "m"}, "no"),
                                 ({"type": "MODEL", "name": "m"}, "")):
        with refused("BadRequestException", 400):
            make(properties, **location)
    replace = lambda path, value: [{"op": "replace", "path": path, "value": value}]
    changed = client.update_documentation_part(restApiId=api, documentationPartId=part["id"], patchOperations=replace("/properties", '{"a": 1}'))
    assert changed["properties"] == '{"a": 1}'
    with refused("BadRequestException", 400, "Must be one of: [/properties]"):
        client.update_documentation_part(restApiId=api, documentationPartId=part["id"], patchOperations=replace("/location", "x"))
    with refused("BadRequestException", 400, "must be non-empty"):
        client.update_documentation_part(restApiId=api, documentationPartId=part["id"], patchOperations=replace("/properties", ""))
    client.delete_documentation_part(restApiId=api, documentationPartId=part["id"])
    for act in (client.get_documentation_part, client.delete_documentation_part):
        with refused("NotFoundException", 404, "Invalid Documentation part identifier specified"):
            act(restApiId=api, documentationPartId=part["id"])
    with refused("NotFoundException", 404, "Invalid API identifier"):
        client.get_documentation_parts(restApiId="none")
    with refused("BadRequestException", 400, "the parameter locationStatus"):
        found(locationStatus="UNDOCUMENTED")


def test_documentation_is_imported_frozen_and_exported(documented):
    client, api = documented.client, documented.id
    document = {"swagger": "2.0", "info": {"title": "t"}, "x-amazon-apigateway-documentation": {"documentationParts": [
        {"location": {"type": "API"}, "properties": {"info": {"description": "all of it"}}},
        {"location": {"type": "RESPONSE", "statusCode": "200"}, "properties": {"description": "good"}}]},
        "paths": {"/pets/{id}": {"get": {"summary": "gets a pet"}}}}
    imported = client.import_documentation_parts(restApiId=api, mode="overwrite", body=json.dumps(document))
    assert len(imported["ids"]) == 3
    again = client.import_documentation_parts(restApiId=api, mode="merge", body=json.dumps(document))
    assert again["ids"] == imported["ids"]
    version = client.create_documentation_version(restApiId=api, documentationVersion="v1", stageName="dev", description="first")
    assert (version["version"], version["description"]) == ("v1", "first")
    assert client.get_stage(restApiId=api, stageName="dev")["documentationVersion"] == "v1"
    # A version stays what it was.
    client.import_documentation_parts(restApiId=api, mode="overwrite", body=json.dumps({"paths": {}}))
    assert client.get_documentation_parts(restApiId=api)["items"] == []
    export = lambda kind="swagger", **more: json.loads(
        client.get_export(restApiId=api, stageName="dev", exportType=kind, **more)["body"].read())
    for kind in ("swagger", "oas30"):
        out = export(kind)
        assert out["info"]["description"] == "all of it" and "x-amazon-apigateway-documentation" not in out
        method = out["paths"]["/pets/{id}"]["get"]
        assert method["summary"] == "gets a pet" and method["responses"]["200"]["description"] == "good"
    whole = export(parameters={"extensions": "documentation,integrations"})
    extension = whole["x-amazon-apigateway-documentation"]
    assert extension["version"] == "v1" and len(extension["documentationParts"]) == 3
    made = client.import_rest_api(body=json.dumps(whole))["id"]
    # What the export says of the method's own response is a part more.
    assert len(client.get_documentation_parts(restApiId=made)["items"]) == 4
    client.delete_rest_api(restApiId=made)
    # Versions and the stages that show them.
    with refused("ConflictException", 409):
        client.create_documentation_version(restApiId=api, documentationVersion="v1")
    client.create_documentation_version(restApiId=api, documentationVersion="v2")
    assert [one["version"] for one in client.get_documentation_versions(restApiId=api)["items"]] == ["v1", "v2"]
    change = lambda op, path, value="": [{"op": op, "path": path, "value": value}]
    changed = client.update_documentation_version(
        restApiId=api, documentationVersion="v2", patchOperations=change("replace", "/description", "second"))
    assert client.get_documentation_version(restApiId=api, documentationVersion="v2")["description"] == changed["description"] == "second"
    with refused("BadRequestException", 400, "must be moved or deleted"):
        client.delete_documentation_version(restApiId=api, documentationVersion="v1")
    with refused("NotFoundException", 404, "Invalid Documentation version"):
        client.update_stage(restApiId=api, stageName="dev", patchOperations=change("replace", "/documentationVersion", "v9"))
    client.update_stage(restApiId=api, stageName="dev", patchOperations=change("replace", "/documentationVersion", "v2"))
    client.delete_documentation_version(restApiId=api, documentationVersion="v1")
    with refused("NotFoundException", 404, "Invalid Documentation version"):
        client.get_documentation_version(restApiId=api, documentationVersion="v1")
    assert "description" not in export()["info"]
