"""Lambda: functions, versions, aliases, what they run, and who may."""

import base64
import io
import json
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from support import ACCOUNT, REGION, allow, document, eventually, make_user, refused, trust, unique

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
