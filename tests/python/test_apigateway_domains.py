"""API Gateway's custom domain names: their operations, what they serve, and their resource types."""

import pytest

from support import REGION, refused, unique
from test_apigateway_plane import Api, call, echo  # noqa: F401
from test_apigateway_stacks import Stack, gateway, ref, typed  # noqa: F401

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"


def named():
    return f"{unique('d').lower().replace('_', '-')}.example.com"


def make(gateway, name, **more):
    return gateway.create_domain_name(domainName=name, regionalCertificateArn=CERTIFICATE,
                                      endpointConfiguration={"types": ["REGIONAL"]}, **more)


@pytest.fixture(scope="module")
def api(server, echo):  # noqa: F811
    """An API that answers with its events."""
    api = Api(server)
    api.function("/{proxy+}", "ANY", echo)
    api.function("/", "ANY", echo)
    api.deploy(variables={"stage": "dev"})
    api.client.create_stage(restApiId=api.id, stageName="prod", variables={"stage": "prod"},
                            deploymentId=api.client.get_deployments(restApiId=api.id)["items"][0]["id"])
    return api


def test_domain_names(gateway):  # noqa: F811
    name = named()
    made = make(gateway, name.upper(), tags={"a": "b"})
    assert (made["domainName"], made["regionalCertificateArn"], made["domainNameStatus"]) == (name, CERTIFICATE, "AVAILABLE")
    assert made["endpointConfiguration"]["types"] == ["REGIONAL"] and made["securityPolicy"] == "TLS_1_2"
    assert made["regionalDomainName"].startswith("d-") and f".execute-api.{REGION}." in made["regionalDomainName"]
    made.pop("ResponseMetadata")
    found = gateway.get_domain_name(domainName=name)
    assert made.items() <= found.items()
    assert name in [one["domainName"] for page in gateway.get_paginator("get_domain_names").paginate(PaginationConfig={"PageSize": 1})
                    for one in page["items"]]
    arn = f"arn:aws:apigateway:{REGION}::/domainnames/{name}"
    gateway.tag_resource(resourceArn=arn, tags={"c": "d"})
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
    other = CERTIFICATE.replace("12345678-", "87654321-")
    changed = gateway.update_domain_name(domainName=name, patchOperations=[
        {"op": "replace", "path": "/regionalCertificateArn", "value": other}])
    assert changed["regionalCertificateArn"] == other
    with refused("BadRequestException", 400, "The domain name you provided already exists"):
        make(gateway, name)
    gateway.delete_domain_name(domainName=name)
    for operation in (gateway.get_domain_name, gateway.delete_domain_name, gateway.get_base_path_mappings):
        with refused("NotFoundException", 404, "Invalid domain name identifier specified"):
            operation(domainName=name)


def test_an_edge_endpoint_is_the_default(gateway):  # noqa: F811
    made = gateway.create_domain_name(domainName=named(), certificateArn=CERTIFICATE)
    assert made["endpointConfiguration"]["types"] == ["EDGE"] and made["certificateArn"] == CERTIFICATE
    assert made["distributionDomainName"] and "regionalDomainName" not in made
    gateway.delete_domain_name(domainName=made["domainName"])


@pytest.mark.parametrize("arguments, message", [
    ({"domainName": "example"}, "Invalid domain name"),
    ({"domainName": "127.0.0.1"}, "Invalid domain name"),
    ({"domainName": "-a.example.com"}, "Invalid domain name"),
    ({"domainName": "a.*.example.com"}, "Invalid domain name"),
    ({"domainName": "photos.localhost"}, "is the server's own"),
    ({"domainName": "sqs.us-east-1.amazonaws.com"}, "is the server's own"),
    ({"regionalCertificateArn": "arn:aws:s3:::x"}, "Invalid certificate ARN"),
    ({"endpointConfiguration": {"types": ["EDGE"]}}, "not for an endpoint of the type EDGE"),
    ({"endpointConfiguration": {"types": ["PRIVATE"]}}, "A private custom domain name is not implemented"),
    ({"securityPolicy": "TLS_1_0"}, "The security policy TLS_1_0 is not implemented"),
    ({"routingMode": "ROUTING_RULE_ONLY"}, "The routing mode ROUTING_RULE_ONLY is not implemented"),
    ({"mutualTlsAuthentication": {"truststoreUri": "s3://a/b"}}, "does not implement the parameter mutualTlsAuthentication"),
    ({"certificateBody": "x"}, "does not implement the parameter certificateBody"),
])
def test_domain_names_that_cannot_be(gateway, arguments, message):  # noqa: F811
    given = {"domainName": named(), "regionalCertificateArn": CERTIFICATE,
             "endpointConfiguration": {"types": ["REGIONAL"]}, **arguments}
    with refused("BadRequestException", 400, message):
        gateway.create_domain_name(**given)


def test_base_path_mappings(gateway, api):  # noqa: F811
    name = named()
    make(gateway, name)
    at = {"domainName": name, "restApiId": api.id}
    assert gateway.create_base_path_mapping(**at, stage="dev")["basePath"] == "(none)"
    made = gateway.create_base_path_mapping(**at, basePath="v1", stage="dev")
    assert (made["basePath"], made["restApiId"], made["stage"]) == ("v1", api.id, "dev")
    assert "stage" not in gateway.create_base_path_mapping(**at, basePath="v2")
    pages = list(gateway.get_paginator("get_base_path_mappings").paginate(domainName=name, PaginationConfig={"PageSize": 2}))
    assert [[one["basePath"] for one in page["items"]] for page in pages] == [["(none)", "v1"], ["v2"]]
    alone = gateway.get_base_path_mappings(domainName=name, limit=1)
    assert [one["basePath"] for one in alone["items"]] == ["(none)"] and alone["position"]
    for arguments, code, status, message in [
            ({"basePath": "v1"}, "ConflictException", 409, "Base path already exists for this domain name"),
            ({"basePath": "a/b"}, "BadRequestException", 400, "doesn't support the slash character"),
            ({"basePath": "a b"}, "BadRequestException", 400, "Base path may only contain"),
            ({"stage": "none"}, "BadRequestException", 400, "Invalid stage identifier specified"),
            ({"restApiId": "none"}, "BadRequestException", 400, "Invalid REST API identifier specified"),
            ({"domainName": "no.example.com"}, "NotFoundException", 404, "Invalid domain name identifier specified")]:
        with refused(code, status, message):
            gateway.create_base_path_mapping(**{**at, "basePath": "x", **arguments})
    changed = gateway.update_base_path_mapping(domainName=name, basePath="v1", patchOperations=[
        {"op": "replace", "path": "/basePath", "value": "v3"}, {"op": "replace", "path": "/stage", "value": "prod"}])
    assert (changed["basePath"], changed["stage"]) == ("v3", "prod")
    assert gateway.get_base_path_mapping(domainName=name, basePath="v3")["stage"] == "prod"
    gateway.delete_base_path_mapping(domainName=name, basePath="(none)")
    for path in ("(none)", "v1"):
        with refused("NotFoundException", 404, "Invalid base path mapping identifier specified"):
            gateway.get_base_path_mapping(domainName=name, basePath=path)
    with refused("BadRequestException", 400, "Please remove all base path mappings"):
        gateway.delete_rest_api(restApiId=api.id)
    with refused("BadRequestException", 400, "Please remove all base path mappings"):
        gateway.delete_stage(restApiId=api.id, stageName="prod")
    # Its mappings go with it.
    gateway.delete_domain_name(domainName=name)


def test_domain_names_are_served(server, gateway, api):  # noqa: F811
    name = named()
    make(gateway, name)
    assert call(server, "/", host=name).status == 403
    gateway.create_base_path_mapping(domainName=name, restApiId=api.id, basePath="v1", stage="dev")
    gateway.create_base_path_mapping(domainName=name, restApiId=api.id, basePath="any")
    answer = call(server, "/v1/a/b?x=1", host=f"{name}:4566")
    assert answer.status == 200
    event = answer.json
    # A function sees the path that was asked for; what the API matched is behind the base path.
    assert (event["path"], event["resource"], event["pathParameters"]) == ("/v1/a/b", "/{proxy+}", {"proxy": "a/b"})
    context = event["requestContext"]
    assert (context["domainName"], context["domainPrefix"]) == (name, name.split(".")[0])
    assert (context["path"], context["stage"]) == ("/v1/a/b", "dev")
    assert context["customDomain"] == {"basePathMatched": "v1"}
    assert call(server, "/any/prod/x", host=name).json["stageVariables"] == {"stage": "prod"}
    assert call(server, "/v1", host=name.upper()).json["resource"] == "/"
    refusal = call(server, "/none", host=name)
    assert (refusal.status, refusal.json) == (403, {"message": "Forbidden"})
    # No other service answers under the name.
    assert call(server, "/?Action=ListQueues&Version=2012-11-05", host=name).status == 403
    gateway.create_base_path_mapping(domainName=name, restApiId=api.id, stage="dev")
    assert call(server, "/none", host=name).json["requestContext"]["customDomain"] == {"basePathMatched": "(none)"}
    gateway.delete_domain_name(domainName=name)
    assert "requestContext" not in (call(server, "/v1", host=name).json or {})


def test_a_name_with_an_asterisk_is_all_that_end_so(server, gateway, api):  # noqa: F811
    end = named()
    make(gateway, f"*.{end}")
    gateway.create_base_path_mapping(domainName=f"*.{end}", restApiId=api.id, stage="dev")
    assert call(server, "/x", host=f"any.{end}").json["requestContext"]["domainName"] == f"any.{end}"
    make(gateway, f"own.{end}")
    assert call(server, "/x", host=f"own.{end}").status == 403
    for name in (f"*.{end}", f"own.{end}"):
        gateway.delete_domain_name(domainName=name)


def test_the_default_endpoint_can_be_switched_off(server, gateway, echo):  # noqa: F811
    api, name = Api(server, disableExecuteApiEndpoint=True), named()
    api.function("/", "GET", echo)
    api.deploy()
    make(gateway, name)
    gateway.create_base_path_mapping(domainName=name, restApiId=api.id, stage="dev")
    assert call(server, "/dev", host=f"{api.id}.execute-api.{REGION}.localhost").status == 403
    assert call(server, "/", host=name).status == 200
    gateway.delete_domain_name(domainName=name)


def test_domain_names_outlive_the_server(own):
    api, name = Api(own), named()
    api.mock("/", "GET", '{"here": 1}')
    api.deploy()
    gateway = own.client("apigateway")
    make(gateway, name)
    gateway.create_base_path_mapping(domainName=name, restApiId=api.id, stage="dev")
    own.restart_after_kill()
    assert call(own, "/", host=name).json == {"here": 1}


def test_a_template_makes_a_domain_name(server, gateway, api):  # noqa: F811
    name = named()
    template = {"Resources": {
        "Name": typed("DomainName", DomainName=name, RegionalCertificateArn=CERTIFICATE,
                      EndpointConfiguration={"Types": ["REGIONAL"]}, Tags=[{"Key": "a", "Value": "b"}]),
        "Map": typed("BasePathMapping", DomainName=ref("Name"), BasePath="v1", RestApiId=api.id, Stage="dev")},
        "Outputs": {"Name": {"Value": ref("Name")}, "Regional": {"Value": {"Fn::GetAtt": ["Name", "RegionalDomainName"]}}}}
    stack = Stack(server, template)
    found = gateway.get_domain_name(domainName=name)
    assert stack.outputs == {"Name": name, "Regional": found["regionalDomainName"]} and found["tags"]["a"] == "b"
    assert call(server, "/v1/x", host=name).json["stageVariables"] == {"stage": "dev"}
    template["Resources"]["Name"]["Properties"]["Tags"] = [{"Key": "a", "Value": "c"}]
    template["Resources"]["Map"]["Properties"]["Stage"] = "prod"
    stack.update(template)
    assert gateway.get_domain_name(domainName=name)["tags"]["a"] == "c"
    assert call(server, "/v1/x", host=name).json["stageVariables"] == {"stage": "prod"}
    template["Resources"]["Map"]["Properties"]["BasePath"] = "v2"
    stack.update(template)
    assert (call(server, "/v2/x", host=name).status, call(server, "/v1/x", host=name).status) == (200, 403)
    stack.delete()
    with refused("NotFoundException", 404, "Invalid domain name identifier specified"):
        gateway.get_domain_name(domainName=name)
