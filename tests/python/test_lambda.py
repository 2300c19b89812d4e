"""Lambda: functions, versions, aliases, what they run, and who may."""

import base64
import io
import json
import os
import urllib.request
import zipfile

import pytest

from support import ACCOUNT, REGION, allow, document, make_user, refused, trust, unique

PYTHON = "python3.11"

ECHO = """
import json, os
def handler(event, context):
    if event.get("fail"):
        raise ValueError(event["fail"])
    print("saw", json.dumps(event))
    return {"event": event, "version": context.function_version, "name": os.environ.get("NAME", "")}
"""


def package(source=ECHO, name="index.py"):
    """A zip archive of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o755 << 16
        archive.writestr(info, source)
    return out.getvalue()


def make_role(iam, name, *statements):
    """A role that Lambda may assume, with these permissions."""
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@pytest.fixture
def functions(server):
    return server.client("lambda")


@pytest.fixture
def role(iam, name):
    return make_role(iam, name)


def create(functions, name, role, source=ECHO, **more):
    more = {"Runtime": PYTHON, "Handler": "index.handler", "Code": {"ZipFile": package(source)}, **more}
    return functions.create_function(FunctionName=name, Role=role, **more)


@pytest.fixture
def function(functions, name, role):
    create(functions, name, role)
    return name


def invoke(functions, name, event=None, **more):
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event or {}), **more)
    payload = answer["Payload"].read()
    return answer, json.loads(payload) if payload else None


def test_create_get_invoke_delete(functions, name, role):
    made = create(functions, name, role, Description="d", Environment={"Variables": {"NAME": "x"}}, Tags={"a": "b"})
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    assert made["FunctionArn"] == arn
    assert (made["Version"], made["Timeout"], made["MemorySize"], made["PackageType"]) == ("$LATEST", 3, 128, "Zip")
    got = functions.get_function(FunctionName=arn)
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["CodeSha256"] == made["CodeSha256"]
    assert got["Tags"] == {"a": "b"}
    fetched = urllib.request.urlopen(got["Code"]["Location"]).read()
    assert fetched == package()
    answer, payload = invoke(functions, name, {"k": "v"}, LogType="Tail")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert payload == {"event": {"k": "v"}, "version": "$LATEST", "name": "x"}
    assert "saw" in base64.b64decode(answer["LogResult"]).decode()
    functions.delete_function(FunctionName=name)
    with refused("ResourceNotFoundException", 404, f"Function not found: {arn}"):
        functions.get_function(FunctionName=name)


def test_a_function_that_raises(functions, function):
    answer, payload = invoke(functions, function, {"fail": "no luck"})
    assert answer["FunctionError"] == "Unhandled" and answer["StatusCode"] == 200
    assert payload["errorType"] == "ValueError" and payload["errorMessage"] == "no luck"


def test_names_and_errors_of_creation(functions, function, role, iam):
    with refused("ResourceConflictException", 409, f"Function already exist: {function}"):
        create(functions, function, role)
    with refused("InvalidParameterValueException", 400, "cannot be assumed by Lambda"):
        create(functions, unique(), make_plain_role(iam, unique()))
    with refused("InvalidParameterValueException", 400, "mandatory"):
        functions.create_function(FunctionName=unique(), Role=role, Runtime=PYTHON, Code={"ZipFile": package()})
    with refused("InvalidParameterValueException", 400, "PackageType Image is not implemented"):
        functions.create_function(FunctionName=unique(), Role=role, PackageType="Image", Code={"ZipFile": b"x"})
    with refused("InvalidParameterValueException", 400, "ImageUri"):
        functions.create_function(FunctionName=unique(), Role=role, Code={"ImageUri": "repository/image"})
    with refused("InvalidParameterValueException", 400):
        create(functions, unique(), role, Code={"ZipFile": b"no archive"})
    with refused("InvalidParameterValueException", 400, "VpcConfig"):
        create(functions, unique(), role, VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})
    with refused("InvalidParameterValueException", 400, "AWS_REGION"):
        create(functions, unique(), role, Environment={"Variables": {"AWS_REGION": "x"}})
    with refused("InvalidParameterValueException", 400, "exceeded the 4KB limit"):
        create(functions, unique(), role, Environment={"Variables": {"BIG": "x" * 4096}})
    with refused("ValidationException", 400, "less than or equal to 900"):
        create(functions, unique(), role, Timeout=901)
    with refused("ValidationException", 400, "less than or equal to 10240"):
        create(functions, unique(), role, MemorySize=10241)
    with refused("ValidationException", 400, "less than or equal to 64"):
        create(functions, "n" * 65, role)
    with refused("ValidationException", 400, "runtime"):
        create(functions, unique(), role, Runtime="cobol")
    with refused("ResourceNotFoundException", 404, "are not reachable in this region"):
        functions.get_function(FunctionName=f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:x")


def make_plain_role(iam, name):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="ec2.amazonaws.com"))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def test_code_from_a_bucket(functions, s3, bucket, name, role):
    s3.put_object(Bucket=bucket, Key="code.zip", Body=package())
    create(functions, name, role, Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    assert invoke(functions, name)[1]["event"] == {}
    s3.put_object(Bucket=bucket, Key="new.zip", Body=package(ECHO.replace("event}", "event}") + "\n# new\n"))
    functions.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="new.zip")
    assert invoke(functions, name)[1]["event"] == {}
    with refused("InvalidParameterValueException", 400, "S3 Error Code: NoSuchKey"):
        functions.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="missing")


def test_updates_take_effect_at_once_and_by_revision(functions, function, role):
    before = functions.get_function_configuration(FunctionName=function)
    assert invoke(functions, function)[1]["name"] == ""
    changed = functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": {"NAME": "new"}}, Timeout=10, RevisionId=before["RevisionId"])
    assert changed["RevisionId"] != before["RevisionId"] and changed["Timeout"] == 10
    assert invoke(functions, function)[1]["name"] == "new"
    with refused("PreconditionFailedException", 412):
        functions.update_function_configuration(FunctionName=function, RevisionId=before["RevisionId"], Timeout=5)
    source = "def handler(event, context):\n    return 'second'\n"
    dry = functions.update_function_code(FunctionName=function, ZipFile=package(source), DryRun=True)
    assert dry["CodeSha256"] != changed["CodeSha256"]
    assert functions.get_function_configuration(FunctionName=function)["CodeSha256"] == changed["CodeSha256"]
    done = functions.update_function_code(FunctionName=function, ZipFile=package(source))
    assert done["CodeSha256"] == dry["CodeSha256"] and done["LastUpdateStatus"] == "Successful"
    assert invoke(functions, function)[1] == "second"


def test_versions_and_aliases(functions, function, role):
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    first = functions.publish_version(FunctionName=function, Description="one")
    assert (first["Version"], first["FunctionArn"], first["Description"]) == ("1", f"{arn}:1", "one")
    assert functions.publish_version(FunctionName=function)["Version"] == "1", "nothing has changed"
    with refused("InvalidParameterValueException", 400, "different from current CodeSHA256"):
        functions.publish_version(FunctionName=function, CodeSha256="other")
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": {"NAME": "two"}})
    second = functions.update_function_code(FunctionName=function, ZipFile=package(), Publish=True)
    assert second["Version"] == "2"
    listed = functions.list_versions_by_function(FunctionName=function)["Versions"]
    assert [v["Version"] for v in listed] == ["$LATEST", "1", "2"]
    assert invoke(functions, function, Qualifier="1")[1]["name"] == ""
    assert invoke(functions, f"{arn}:2")[1]["name"] == "two"
    alias = functions.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert alias["AliasArn"] == f"{arn}:live"
    with refused("ResourceConflictException", 409, "Alias already exists"):
        functions.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    with refused("ResourceNotFoundException", 404):
        functions.create_alias(FunctionName=function, Name="no", FunctionVersion="9")
    answer, payload = invoke(functions, function, Qualifier="live")
    assert (answer["ExecutedVersion"], payload["version"]) == ("1", "1")
    routing = {"AdditionalVersionWeights": {"2": 0.5}}
    moved = functions.update_alias(FunctionName=function, Name="live", RoutingConfig=routing)
    assert moved["RevisionId"] != alias["RevisionId"]
    ran = {invoke(functions, function, Qualifier="live")[0]["ExecutedVersion"] for _ in range(40)}
    assert ran == {"1", "2"}
    with refused("PreconditionFailedException", 412):
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion="2", RevisionId=alias["RevisionId"])
    with refused("ResourceConflictException", 409):
        functions.delete_function(FunctionName=function, Qualifier="1")
    functions.create_alias(FunctionName=function, Name="next", FunctionVersion="2")
    assert [a["Name"] for a in functions.list_aliases(FunctionName=function)["Aliases"]] == ["live", "next"]
    only = functions.list_aliases(FunctionName=function, FunctionVersion="1")["Aliases"]
    assert [a["Name"] for a in only] == ["live"]
    page = functions.list_aliases(FunctionName=function, MaxItems=1)
    rest = functions.list_aliases(FunctionName=function, MaxItems=1, Marker=page["NextMarker"])
    assert [a["Name"] for a in page["Aliases"] + rest["Aliases"]] == ["live", "next"] and "NextMarker" not in rest
    functions.delete_alias(FunctionName=function, Name="live")
    with refused("ResourceNotFoundException", 404, "Cannot find alias arn"):
        functions.get_alias(FunctionName=function, Name="live")
    functions.delete_function(FunctionName=function, Qualifier="1")
    with refused("ResourceNotFoundException", 404):
        functions.get_function(FunctionName=function, Qualifier="1")
    with refused("InvalidParameterValueException", 400, "$LATEST version cannot be deleted"):
        functions.delete_function(FunctionName=function, Qualifier="$LATEST")
    with refused("InvalidParameterValueException", 400, "derived qualifier"):
        functions.get_function(FunctionName=f"{arn}:2", Qualifier="$LATEST")


def test_list_functions_by_pages(own):
    iam, functions = own.client("iam"), own.client("lambda")
    role = make_role(iam, "r")
    names = [f"f{n}" for n in range(5)]
    for each in names:
        create(functions, each, role)
    pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert [[f["FunctionName"] for f in page["Functions"]] for page in pages] == [["f0", "f1"], ["f2", "f3"], ["f4"]]
    functions.publish_version(FunctionName="f1")
    everything = functions.get_paginator("list_functions").paginate(FunctionVersion="ALL").build_full_result()
    assert len(everything["Functions"]) == 6
    settings = functions.get_account_settings()
    assert settings["AccountUsage"]["FunctionCount"] == 5
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    for each in names:
        functions.delete_function(FunctionName=each)
    assert functions.list_functions()["Functions"] == []


def test_invocation_limits_and_kinds(functions, function):
    answer = functions.invoke(FunctionName=function, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    with refused("RequestTooLargeException", 413, "limit 6291456 bytes"):
        functions.invoke(FunctionName=function, Payload=b'"' + b"x" * (6 * 1024 * 1024) + b'"')
    with refused("RequestTooLargeException", 413, "limit 1048576 bytes"):
        functions.invoke(FunctionName=function, InvocationType="Event", Payload=b'"' + b"x" * 1024 * 1024 + b'"')
    with refused("InvalidRequestContentException", 400, "Could not parse request body into json"):
        functions.invoke(FunctionName=function, Payload=b"no json")
    with refused("ResourceNotFoundException", 404):
        functions.invoke(FunctionName=unique())
    with refused("ResourceNotFoundException", 404):
        functions.invoke(FunctionName=function, Qualifier="nobody")
    assert invoke(functions, function, {"big": "x" * 5_000_000})[1]["event"]["big"] == "x" * 5_000_000
    assert functions.invoke_async(FunctionName=function, InvokeArgs=b"{}")["Status"] == 202


def test_client_context(functions, name, role):
    source = "def handler(event, context):\n    return context.client_context.custom\n"
    create(functions, name, role, source)
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    assert invoke(functions, name, ClientContext=context)[1] == {"k": "v"}
    with refused("InvalidRequestContentException", 400):
        functions.invoke(FunctionName=name, ClientContext="not base64!")


def test_response_streams(functions, name, role):
    create(functions, name, role)
    answer = functions.invoke_with_response_stream(FunctionName=name, Payload=b'{"a":1}', LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    events = list(answer["EventStream"])
    chunks = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
    assert json.loads(chunks)["event"] == {"a": 1}
    assert "LogResult" in events[-1]["InvokeComplete"]
    failing = functions.invoke_with_response_stream(FunctionName=name, Payload=b'{"fail":"x"}')
    last = list(failing["EventStream"])[-1]["InvokeComplete"]
    assert last["ErrorCode"] == "Unhandled" and "ValueError" in last["ErrorDetails"]


def test_reserved_concurrency(functions, function):
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName=function)
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with refused("TooManyRequestsException", 429) as caught:
        functions.invoke(FunctionName=function)
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    assert functions.get_function(FunctionName=function)["Concurrency"]["ReservedConcurrentExecutions"] == 1
    assert invoke(functions, function)[0]["StatusCode"] == 200
    with refused("InvalidParameterValueException", 400, "below its minimum value of [100]"):
        functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=950)
    functions.delete_function_concurrency(FunctionName=function)
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName=function)


def test_provisioned_concurrency(functions, function):
    with refused("InvalidParameterValueException", 400):
        functions.put_provisioned_concurrency_config(
            FunctionName=function, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
    functions.publish_version(FunctionName=function)
    with refused("ProvisionedConcurrencyConfigNotFoundException", 404):
        functions.get_provisioned_concurrency_config(FunctionName=function, Qualifier="1")
    functions.put_provisioned_concurrency_config(
        FunctionName=function, Qualifier="1", ProvisionedConcurrentExecutions=1)
    got = functions.get_provisioned_concurrency_config(FunctionName=function, Qualifier="1")
    assert (got["Status"], got["RequestedProvisionedConcurrentExecutions"]) == ("READY", 1)
    listed = functions.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"]
    assert [c["FunctionArn"].rsplit(":", 1)[1] for c in listed] == ["1"]
    assert invoke(functions, function, Qualifier="1")[1]["version"] == "1"
    functions.delete_provisioned_concurrency_config(FunctionName=function, Qualifier="1")
    assert functions.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"] == []


def test_permissions_are_enforced(server, functions, iam, function):
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    nobody = server.client("lambda", make_user(iam, unique()))
    with refused("AccessDeniedException", 403):
        nobody.invoke(FunctionName=function)
    some = server.client("lambda", make_user(iam, unique(), allow("lambda:InvokeFunction", arn)))
    assert invoke(some, function)[0]["StatusCode"] == 200
    with refused("AccessDeniedException", 403):
        some.get_function(FunctionName=function)
    user = unique()
    key = make_user(iam, user)
    with refused("ResourceNotFoundException", 404):
        functions.get_policy(FunctionName=function)
    added = functions.add_permission(FunctionName=function, StatementId="s", Action="lambda:InvokeFunction",
                                     Principal=f"arn:aws:iam::{ACCOUNT}:user/{user}")
    assert json.loads(added["Statement"])["Resource"] == arn
    assert invoke(server.client("lambda", key), function)[0]["StatusCode"] == 200
    with refused("ResourceConflictException", 409, "The statement id (s) provided already exists"):
        functions.add_permission(FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal="*")
    got = functions.get_policy(FunctionName=function)
    assert [s["Sid"] for s in json.loads(got["Policy"])["Statement"]] == ["s"]
    with refused("PreconditionFailedException", 412):
        functions.remove_permission(FunctionName=function, StatementId="s", RevisionId="other")
    functions.remove_permission(FunctionName=function, StatementId="s", RevisionId=got["RevisionId"])
    with refused("AccessDeniedException", 403):
        server.client("lambda", key).invoke(FunctionName=function)
    with refused("ResourceNotFoundException", 404):
        functions.remove_permission(FunctionName=function, StatementId="s")


def test_passing_a_role_needs_permission(server, functions, iam, name, role):
    key = make_user(iam, unique(), allow("lambda:*"))
    with refused("AccessDeniedException", 403, "iam:PassRole"):
        create(server.client("lambda", key), name, role)
    iam.put_role_policy(RoleName=role.rsplit("/", 1)[1], PolicyName="x", PolicyDocument=document(allow("s3:*")))
    key = make_user(iam, unique(), allow("lambda:*"), allow("iam:PassRole", role))
    create(server.client("lambda", key), name, role)


def test_a_function_acts_as_its_role(server, functions, iam, s3, bucket, name):
    role = make_role(iam, name, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*"))
    source = """
import boto3
def handler(event, context):
    s3 = boto3.client("s3")
    s3.put_object(Bucket=event["bucket"], Key="by-function", Body=b"hello")
    try:
        s3.delete_object(Bucket=event["bucket"], Key="by-function")
    except Exception as error:
        return str(error)
"""
    create(functions, name, role, source, Timeout=60)
    answer, payload = invoke(functions, name, {"bucket": bucket})
    assert "FunctionError" not in answer, payload
    assert "AccessDenied" in payload
    assert s3.get_object(Bucket=bucket, Key="by-function")["Body"].read() == b"hello"


def test_tags(functions, function):
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    functions.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
    functions.untag_resource(Resource=arn, TagKeys=["a"])
    assert functions.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    with refused("InvalidParameterValueException", 400):
        functions.tag_resource(Resource=arn, Tags={f"k{n}": "v" for n in range(60)})
    with refused("ResourceNotFoundException", 404):
        functions.list_tags(Resource=arn + "x")


def test_layers(server, functions, iam, name, role):
    layer = f"l-{name}"
    archive = package("VALUE = 'from the layer'\n", "python/shared.py")
    first = functions.publish_layer_version(
        LayerName=layer, Content={"ZipFile": archive}, CompatibleRuntimes=[PYTHON], Description="d", LicenseInfo="MIT")
    assert first["LayerVersionArn"].endswith(f":layer:{layer}:1") and first["Version"] == 1
    assert urllib.request.urlopen(first["Content"]["Location"]).read() == archive
    second = functions.publish_layer_version(LayerName=layer, Content={"ZipFile": archive})
    got = functions.get_layer_version(LayerName=layer, VersionNumber=1)
    assert got["CompatibleRuntimes"] == [PYTHON] and got["LicenseInfo"] == "MIT"
    assert functions.get_layer_version_by_arn(Arn=second["LayerVersionArn"])["Version"] == 2
    versions = functions.list_layer_versions(LayerName=layer)["LayerVersions"]
    assert [v["Version"] for v in versions] == [2, 1]
    ours = [la for la in functions.list_layers(CompatibleRuntime=PYTHON)["Layers"] if la["LayerName"] == layer]
    assert ours[0]["LatestMatchingVersion"]["Version"] == 1
    source = "import shared\ndef handler(event, context):\n    return shared.VALUE\n"
    create(functions, name, role, source, Layers=[first["LayerVersionArn"]])
    assert invoke(functions, name)[1] == "from the layer"
    with refused("InvalidParameterValueException", 400, "does not exist"):
        functions.update_function_configuration(FunctionName=name, Layers=[first["LayerArn"] + ":9"])
    with refused("InvalidParameterValueException", 400, "Two different versions"):
        functions.update_function_configuration(
            FunctionName=name, Layers=[first["LayerVersionArn"], second["LayerVersionArn"]])
    with refused("ResourceNotFoundException", 404):
        functions.get_layer_version_policy(LayerName=layer, VersionNumber=1)
    added = functions.add_layer_version_permission(
        LayerName=layer, VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*")
    got = functions.get_layer_version_policy(LayerName=layer, VersionNumber=1)
    assert got["RevisionId"] == added["RevisionId"]
    stranger = server.client("lambda", ("111111111111", "test"))
    assert stranger.get_layer_version_by_arn(Arn=first["LayerVersionArn"])["Version"] == 1
    functions.remove_layer_version_permission(LayerName=layer, VersionNumber=1, StatementId="all")
    with refused("AccessDeniedException", 403):
        stranger.get_layer_version_by_arn(Arn=first["LayerVersionArn"])
    for number in (1, 2):
        functions.delete_layer_version(LayerName=layer, VersionNumber=number)
    with refused("ResourceNotFoundException", 404):
        functions.get_layer_version(LayerName=layer, VersionNumber=1)
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"AB": "c"}})
    assert invoke(functions, name)[1] == "from the layer", "what a function uses stays"
    assert functions.publish_layer_version(LayerName=layer, Content={"ZipFile": archive})["Version"] == 3


def test_a_large_archive_by_upload(functions, name, role):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", "import os\ndef handler(event, context):\n    return os.path.getsize('data.bin')\n")
        archive.writestr("data.bin", os.urandom(20 * 1024 * 1024))
    made = create(functions, name, role, Code={"ZipFile": out.getvalue()}, Timeout=30)
    assert made["CodeSize"] == len(out.getvalue())
    assert invoke(functions, name)[1] == 20 * 1024 * 1024
