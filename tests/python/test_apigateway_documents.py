"""API Gateway's documents: imports in YAML, base paths, and exports that make the same API again."""

import json

import pytest

from support import AWS, REGION, refused, unique
from test_apigateway_plane import echo  # noqa: F401
from test_apigateway_stacks import gateway, serve, swagger  # noqa: F401

PETS = """
openapi: 3.0.1
info:
  title: %s
  version: 2024-01-01
servers:
- url: https://example.com/{basePath}
  variables:
    basePath: {default: /shop/v1}
paths:
  /pets/{id}:
    parameters:
    - &id {name: id, in: path, required: true, schema: {type: string}}
    get:
      parameters: [*id]
      responses:
        200:
          description: ok
          headers: {X-A: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates:
          application/json: |
            {"statusCode": 200}
        responses:
          default:
            statusCode: 200
            responseParameters: {method.response.header.X-A: "'a'"}
            responseTemplates: {application/json: '{"id": "$input.params(''id'')"}'}
components:
  schemas:
    Pet: {type: object}
"""


def methods(gateway, id):
    """What an API is like, by paths and names."""
    found = {}
    for resource in gateway.get_resources(restApiId=id, embed=["methods"])["items"]:
        for verb, method in resource.get("resourceMethods", {}).items():
            method["methodIntegration"].pop("cacheNamespace")
            for name in ("authorizerId", "requestValidatorId"):
                method[name] = name in method
            found[resource["path"], verb] = method
    return found


def models(gateway, id):
    """The models; what is said of the two that every API has is in their schemas once they were exported."""
    items = gateway.get_models(restApiId=id)["items"]
    return {one["name"]: {**json.loads(one["schema"]), "description": None} for one in items}


@pytest.mark.parametrize("base, path", [("ignore", "/pets/7"), ("prepend", "/shop/v1/pets/7"), ("split", "/v1/pets/7")])
def test_yaml_is_imported(server, gateway, base, path):
    made = gateway.import_rest_api(body=PETS % unique("pets"), parameters={"basepath": base})
    assert made["version"] == "2024-01-01"
    gateway.create_deployment(restApiId=made["id"], stageName="dev")
    answer = serve(server, made["id"], path)
    assert (answer.status, answer.json, answer.headers["x-a"]) == (200, {"id": "7"}, "a")


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
@pytest.mark.parametrize("accepts", ["application/json", "application/yaml"])
def test_an_export_makes_the_same_api_again(server, gateway, echo, kind, accepts):  # noqa: F811
    id = gateway.import_rest_api(body=json.dumps(swagger(echo)))["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    export = gateway.get_export(restApiId=id, stageName="dev", exportType=kind, accepts=accepts,
                                parameters={"extensions": "apigateway"})
    assert export["contentType"] == accepts and export["contentDisposition"].startswith(f'attachment; filename="{kind}_')
    text = export["body"].read()
    again = gateway.import_rest_api(body=text)
    assert methods(gateway, again["id"]) == methods(gateway, id)
    assert models(gateway, again["id"]) == models(gateway, id)
    before = gateway.get_rest_api(restApiId=id)
    for name in ("name", "version", "binaryMediaTypes", "apiKeySource"):
        assert again[name] == before[name]
    gateway.create_deployment(restApiId=again["id"], stageName="dev")
    assert serve(server, again["id"], "/x/y").json["pathParameters"] == {"proxy": "x/y"}
    assert serve(server, again["id"], "/").status == 404


def test_an_export_is_of_the_deployment(gateway):
    id = gateway.import_rest_api(body=PETS % "exported")["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    gateway.put_rest_api(restApiId=id, mode="overwrite", body=json.dumps(
        {"openapi": "3.0.1", "info": {"title": "changed"}, "paths": {"/new": {}}}))
    export = gateway.get_export(restApiId=id, stageName="dev", exportType="swagger")
    document = json.loads(export["body"].read())
    assert list(document) == ["swagger", "info", "host", "basePath", "schemes", "paths", "definitions"]
    assert document["host"].startswith(f"{id}.execute-api.{REGION}.localhost:") and document["basePath"] == "/dev"
    get = document["paths"]["/pets/{id}"]["get"]
    assert get["parameters"] == [{"name": "id", "in": "path", "required": True, "type": "string"}]
    assert get["responses"]["200"] == {"description": "200 response", "headers": {"X-A": {"type": "string"}},
                                       "schema": {"$ref": "#/definitions/Pet"}}
    assert "x-amazon-apigateway-integration" not in get


def test_the_cli_exports(server, gateway, tmp_path):
    id = gateway.import_rest_api(body=PETS % "exported")["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    server.run(*AWS, "apigateway", "get-export", "--parameters", "extensions=integrations", "--rest-api-id", id,
        "--stage-name", "dev", "--export-type", "oas30", str(tmp_path / "out.json"))
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["servers"][0]["variables"]["basePath"]["default"] == "/dev"
    assert document["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"]["type"] == "mock"


@pytest.mark.parametrize("arguments, message", [
    ({"exportType": "raml"}, "must be one of"),
    ({"parameters": {"extensions": "postman"}}, "An export with extensions for Postman is not implemented"),
    ({"parameters": {"extensions": "x"}}, "Invalid parameter extensions=x"),
    ({"accepts": "text/html"}, "Invalid Accept header text/html"),
])
def test_exports_that_cannot_be(gateway, arguments, message):
    id = gateway.import_rest_api(body=PETS % "exported")["id"]
    gateway.create_deployment(restApiId=id, stageName="dev")
    with refused("BadRequestException", 400, message):
        gateway.get_export(**{"restApiId": id, "stageName": "dev", "exportType": "oas30", **arguments})
    with refused("NotFoundException", 404, "Invalid stage identifier specified"):
        gateway.get_export(restApiId=id, stageName="none", exportType="oas30")
