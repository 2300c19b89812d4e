"""API Gateway v2's custom domain names and API mappings: their operations, what they serve, and their resource types."""

import pytest

from support import REGION, refused
from test_apigateway_domains import CERTIFICATE, make, named
from test_apigateway_plane import Api, call, echo as rest_echo  # noqa: F401
from test_apigateway_stacks import gateway  # noqa: F401
from test_apigatewayv2_plane import Http, echo  # noqa: F401
from test_apigatewayv2_stacks import ref, typed
from test_lambda_stacks import Stack

CONFIGURATION = {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL"}


@pytest.fixture(scope="module")
def http(server):
    return server.client("apigatewayv2")


@pytest.fixture(scope="module")
def api(server, echo):  # noqa: F811
    """An HTTP API with a named stage beside `$default`."""
    api = Http(server)
    api.route("ANY /{proxy+}", echo)
    api.route("ANY /old/{proxy+}", api.integration(echo, PayloadFormatVersion="1.0"))
    api.client.create_stage(ApiId=api.id, StageName="dev", AutoDeploy=True)
    return api


@pytest.fixture(scope="module")
def rest(server, rest_echo):  # noqa: F811
    """A REST API."""
    api = Api(server)
    api.function("/{proxy+}", "ANY", rest_echo)
    api.deploy()
    return api


@pytest.fixture
def name(http):
    name = named()
    http.create_domain_name(DomainName=name, DomainNameConfigurations=[CONFIGURATION])
    yield name
    http.delete_domain_name(DomainName=name)


def test_domain_names(http, gateway):  # noqa: F811
    name = named()
    made = http.create_domain_name(DomainName=name.upper(), DomainNameConfigurations=[{"CertificateArn": CERTIFICATE}],
                                   Tags={"a": "b"})
    assert (made["DomainName"], made["RoutingMode"], made["Tags"]) == (name, "API_MAPPING_ONLY", {"a": "b"})
    assert made["ApiMappingSelectionExpression"] == "$request.basepath"
    configuration, = made["DomainNameConfigurations"]
    assert configuration["ApiGatewayDomainName"].startswith("d-")
    expected = {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2", "IpAddressType": "ipv4",
                "DomainNameStatus": "AVAILABLE"}
    assert expected.items() <= configuration.items()
    made.pop("ResponseMetadata")
    assert made.items() <= http.get_domain_name(DomainName=name).items()
    names = [one["DomainName"] for page in http.get_paginator("get_domain_names").paginate(PaginationConfig={"PageSize": 1})
             for one in page["Items"]]
    assert name in names
    # REST APIs have the same names.
    assert gateway.get_domain_name(domainName=name)["regionalDomainName"] == configuration["ApiGatewayDomainName"]
    with refused("BadRequestException", 400, "The domain name you provided already exists"):
        make(gateway, name)
    arn = f"arn:aws:apigateway:{REGION}::/domainnames/{name}"
    assert made["DomainNameArn"] == arn
    http.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    http.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert http.get_tags(ResourceArn=arn)["Tags"] == {"c": "d"}
    other = CERTIFICATE.replace("12345678-", "87654321-")
    changed = http.update_domain_name(DomainName=name, DomainNameConfigurations=[{"CertificateArn": other}])
    assert changed["DomainNameConfigurations"][0]["CertificateArn"] == other
    http.delete_domain_name(DomainName=name)
    for operation in (http.get_domain_name, http.delete_domain_name, http.update_domain_name, http.get_api_mappings):
        with refused("NotFoundException", 404, "Invalid domain name identifier specified"):
            operation(DomainName=name)


@pytest.mark.parametrize("arguments, message", [
    ({"DomainName": "example"}, "Invalid domain name"),
    ({"DomainName": "photos.localhost"}, "is the server's own"),
    ({"DomainNameConfigurations": []}, "Expected one domain name configuration"),
    ({"DomainNameConfigurations": [CONFIGURATION] * 2}, "Expected one domain name configuration"),
    ({"DomainNameConfigurations": [{"EndpointType": "REGIONAL"}]}, "A certificate ARN is required"),
    ({"DomainNameConfigurations": [{"CertificateArn": "arn:aws:s3:::x"}]}, "Invalid certificate ARN"),
    ({"DomainNameConfigurations": [{**CONFIGURATION, "SecurityPolicy": "TLS_1_0"}]}, "The security policy TLS_1_0 is not implemented"),
    ({"DomainNameConfigurations": [{**CONFIGURATION, "OwnershipVerificationCertificateArn": CERTIFICATE}]},
     "does not implement the parameter"),
    ({"RoutingMode": "ROUTING_RULE_ONLY"}, "The routing mode ROUTING_RULE_ONLY is not implemented"),
    ({"MutualTlsAuthentication": {"TruststoreUri": "s3://a/b"}}, "does not implement the parameter"),
])
def test_domain_names_that_cannot_be(http, arguments, message):
    with refused("BadRequestException", 400, message):
        http.create_domain_name(**{"DomainName": named(), "DomainNameConfigurations": [CONFIGURATION], **arguments})


def test_api_mappings(http, gateway, api, name, rest):  # noqa: F811
    at = {"DomainName": name, "ApiId": api.id, "Stage": "$default"}
    first = http.create_api_mapping(**at)
    made = http.create_api_mapping(**at, ApiMappingKey="v1/orders")
    assert (made["ApiMappingKey"], made["ApiId"], made["Stage"]) == ("v1/orders", api.id, "$default")
    made.pop("ResponseMetadata")
    id = {"DomainName": name, "ApiMappingId": made["ApiMappingId"]}
    assert made.items() <= http.get_api_mapping(**id).items()
    pages = [http.get_api_mappings(DomainName=name, MaxResults="1")]
    pages.append(http.get_api_mappings(DomainName=name, NextToken=pages[0]["NextToken"]))
    assert [len(page["Items"]) for page in pages] == [1, 1] and "NextToken" not in pages[1]
    assert {one["ApiMappingKey"] for page in pages for one in page["Items"]} == {"", "v1/orders"}
    for arguments, code, status, message in [
            ({"ApiMappingKey": "v1/orders"}, "ConflictException", 409, "ApiMapping key already exists for this domain name"),
            ({"ApiMappingKey": "/"}, "BadRequestException", 400, "An ApiMapping key may contain only"),
            ({"ApiMappingKey": "a b"}, "BadRequestException", 400, "An ApiMapping key may contain only"),
            ({"Stage": "none"}, "BadRequestException", 400, "Invalid stage identifier specified"),
            ({"ApiId": "none"}, "BadRequestException", 400, "Invalid API identifier specified"),
            ({"DomainName": "no.example.com"}, "NotFoundException", 404, "Invalid domain name identifier specified")]:
        with refused(code, status, message):
            http.create_api_mapping(**{**at, "ApiMappingKey": "x", **arguments})
    changed = http.update_api_mapping(**id, ApiId=rest.id, Stage="dev", ApiMappingKey="rest")
    assert (changed["ApiMappingId"], changed["ApiMappingKey"], changed["ApiId"]) == (made["ApiMappingId"], "rest", rest.id)
    assert gateway.get_base_path_mapping(domainName=name, basePath="rest")["restApiId"] == rest.id
    for operation, arguments in [(http.delete_api, {}), (http.delete_stage, {"StageName": "$default"})]:
        with refused("BadRequestException", 400, "Please remove all base path mappings"):
            operation(ApiId=api.id, **arguments)
    http.delete_api_mapping(DomainName=name, ApiMappingId=first["ApiMappingId"])
    with refused("NotFoundException", 404, "Invalid API mapping identifier specified"):
        http.get_api_mapping(DomainName=name, ApiMappingId=first["ApiMappingId"])


def test_an_edge_name_has_one_level_and_no_http_apis(http, gateway, api, rest):  # noqa: F811
    name = named()
    gateway.create_domain_name(domainName=name, certificateArn=CERTIFICATE)
    at = {"DomainName": name, "ApiId": rest.id, "Stage": "dev"}
    http.create_api_mapping(**at, ApiMappingKey="a")
    for refusal in ({"ApiMappingKey": "a/b"}, {"ApiId": api.id, "Stage": "$default"}):
        with refused("BadRequestException", 400, "need a regional domain name"):
            http.create_api_mapping(**{**at, **refusal})
    http.update_domain_name(DomainName=name, DomainNameConfigurations=[{"EndpointType": "REGIONAL"}])
    id = http.create_api_mapping(DomainName=name, ApiId=api.id, Stage="$default")["ApiMappingId"]
    edge = {"DomainName": name, "DomainNameConfigurations": [{"EndpointType": "EDGE"}]}
    with refused("BadRequestException", 400, "need a regional domain name"):
        http.update_domain_name(**edge)
    http.delete_api_mapping(DomainName=name, ApiMappingId=id)
    id = http.create_api_mapping(**at, ApiMappingKey="a/b")["ApiMappingId"]
    with refused("BadRequestException", 400, "need a regional domain name"):
        http.update_domain_name(**edge)
    http.delete_api_mapping(DomainName=name, ApiMappingId=id)
    assert http.update_domain_name(**edge)["DomainNameConfigurations"][0]["EndpointType"] == "EDGE"
    http.delete_domain_name(DomainName=name)


def test_one_name_serves_rest_and_http_apis(server, http, api, rest, name):
    assert call(server, "/", host=name).status == 403
    http.create_api_mapping(DomainName=name, ApiId=api.id, Stage="$default", ApiMappingKey="v1/http")
    http.create_api_mapping(DomainName=name, ApiId=api.id, Stage="dev", ApiMappingKey="dev")
    http.create_api_mapping(DomainName=name, ApiId=rest.id, Stage="dev", ApiMappingKey="v1")
    event = call(server, "/v1/http/a/b?x=1", host=f"{name}:4566").json
    # Format 2.0 does not show the mapping's key, format 1.0 does.
    assert (event["rawPath"], event["routeKey"], event["pathParameters"]) == ("/a/b", "ANY /{proxy+}", {"proxy": "a/b"})
    context = event["requestContext"]
    assert (context["domainName"], context["domainPrefix"], context["stage"]) == (name, name.split(".")[0], "$default")
    assert (context["http"]["path"], event["headers"]["host"]) == ("/a/b", f"{name}:4566")
    event = call(server, "/v1/http/old/b", host=name).json
    assert (event["path"], event["requestContext"]["path"]) == ("/v1/http/old/b", "/v1/http/old/b")
    assert event["requestContext"]["domainName"] == name
    assert call(server, "/dev/a", host=name).json["requestContext"]["stage"] == "dev"
    assert call(server, "/v1/a", host=name).json["requestContext"]["customDomain"] == {"basePathMatched": "v1"}
    missing = call(server, "/v1/http", host=name)
    assert (missing.status, missing.json) == (404, {"message": "Not Found"})
    assert call(server, "/none", host=name).status == 403


def test_the_default_endpoint_can_be_switched_off(server, http, echo, name):  # noqa: F811
    api = Http(server, DisableExecuteApiEndpoint=True)
    api.route("GET /", echo)
    http.create_api_mapping(DomainName=name, ApiId=api.id, Stage="$default")
    assert call(server, "/", host=api.host).status == 404
    assert call(server, "/", host=name).status == 200


def test_mappings_outlive_the_server(own):
    name, api, http = named(), Http(own), own.client("apigatewayv2")
    http.create_domain_name(DomainName=name, DomainNameConfigurations=[CONFIGURATION])
    id = http.create_api_mapping(DomainName=name, ApiId=api.id, Stage="$default", ApiMappingKey="a/b")["ApiMappingId"]
    own.restart_after_kill()
    assert own.client("apigatewayv2").get_api_mapping(DomainName=name, ApiMappingId=id)["ApiMappingKey"] == "a/b"


def test_a_template_makes_names_and_mappings(server, http, api):
    name, other = named(), Http(server)
    stack = Stack(server)
    template = {"Resources": {
        "Name": typed("DomainName", DomainName=name, DomainNameConfigurations=[CONFIGURATION], Tags={"a": "b"}),
        "Map": typed("ApiMapping", DomainName=ref("Name"), ApiMappingKey="v1/x", ApiId=api.id, Stage="$default")},
        "Outputs": {"Name": {"Value": ref("Name")}, "Map": {"Value": ref("Map")},
                    "Regional": {"Value": {"Fn::GetAtt": ["Name", "RegionalDomainName"]}}}}
    outputs = stack.create(template)
    found = http.get_domain_name(DomainName=name)
    assert outputs["Name"] == name and found["Tags"]["a"] == "b"
    assert outputs["Regional"] == found["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    assert http.get_api_mapping(DomainName=name, ApiMappingId=outputs["Map"])["ApiMappingKey"] == "v1/x"
    template["Resources"]["Name"]["Properties"]["Tags"] = {"c": "d"}
    template["Resources"]["Map"]["Properties"].update(ApiId=other.id, ApiMappingKey="v2")
    assert stack.update(template)["Map"] == outputs["Map"]
    mapping = http.get_api_mapping(DomainName=name, ApiMappingId=outputs["Map"])
    assert (mapping["ApiId"], mapping["ApiMappingKey"]) == (other.id, "v2")
    tags = http.get_domain_name(DomainName=name)["Tags"]
    assert tags["c"] == "d" and "a" not in tags
    del template["Resources"]["Map"]["Properties"]["ApiMappingKey"]
    stack.update(template)
    assert http.get_api_mapping(DomainName=name, ApiMappingId=outputs["Map"])["ApiMappingKey"] == ""
    stack.delete()
    with refused("NotFoundException", 404):
        http.get_domain_name(DomainName=name)
