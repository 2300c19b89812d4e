"""The SAM CLI, which knows nothing of the server but `AWS_ENDPOINT_URL` and credentials.

Source: the AWS SAM developer guide, "AWS SAM CLI command reference". Waiting is by the commands' own polling.
"""

import json
import os
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from support import ROOT, Server, eventually, unique

SAM = Path(os.environ.get("ROPEWAY_SAM_TOOLS", ROOT / "target/sam/bin")) / "sam"

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Word: {Type: String, Default: hello}
Globals:
  Function: {Timeout: 10}
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.11}
    Properties: {ContentUri: layer/, CompatibleRuntimes: [python3.11], RetentionPolicy: Delete}
  Orders:
    Type: AWS::SQS::Queue
  Rest:
    Type: AWS::Serverless::Api
    Properties: {StageName: test}
  Web:
    Type: AWS::Serverless::HttpApi
  Greeter:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: greeter/
      Handler: app.handler
      Runtime: python3.11
      Layers: [!Ref Shared]
      FunctionUrlConfig: {AuthType: NONE}
      Environment: {Variables: {WORD: !Ref Word}}
      Events:
        Rest: {Type: Api, Properties: {Path: /hello, Method: get, RestApiId: !Ref Rest}}
        Web: {Type: HttpApi, Properties: {Path: /hello, Method: get, ApiId: !Ref Web}}
  Packer:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: packer/
      Handler: index.handler
      Runtime: nodejs20.x
      AutoPublishAlias: live
      Events:
        Order: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: 1}}
Outputs:
  Queue: {Value: !Ref Orders, Description: where orders go}
"""

NESTING = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Documented:
    Type: AWS::Serverless::Api
    Properties: {StageName: doc, DefinitionUri: api.json}
  Inner:
    Type: AWS::Serverless::Application
    Properties: {Location: inner.yaml, Parameters: {Delay: "3"}}
  Other:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: inner.yaml, Parameters: {Delay: "4"}}
Outputs:
  Delay: {Value: !Sub "${Inner.Outputs.Delay} ${Other.Outputs.Delay}"}
"""

INNER = """
Parameters: {Delay: {Type: Number}}
Resources:
  Inside: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}
Outputs:
  Delay: {Value: !Ref Delay}
"""

GREETER = """
import json, os
from shared import greeting

def handler(event, context):
    print("greeting", event.get("name", "nobody"))
    return {"statusCode": 200, "body": json.dumps({os.environ["WORD"]: greeting(), "by": "BY"})}
"""

PACKER = """
exports.handler = async (event) => { for (const r of event.Records) console.log("PACKED " + r.body); return {}; };
"""


def document(answer):
    """An API that answers by itself."""
    method = {"responses": {"200": {"description": "as it is"}}, "x-amazon-apigateway-integration": {
        "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": answer}}}}}
    return json.dumps({"swagger": "2.0", "info": {"title": "doc", "version": "1"}, "paths": {"/it": {"get": method}}})


class Application:
    """A folder, a bucket for what is built of it, and a stack."""

    def __init__(self, server, folder):
        self.server, self.folder, self.stack, self.bucket = server, folder, unique("sam"), unique("sam-code")
        self.surroundings = {}
        server.client("s3").create_bucket(Bucket=self.bucket)
        self.write("template.yaml", TEMPLATE)
        self.write("api.json", document("one"))
        self.write("layer/shared.py", "def greeting(): return 'one'\n")
        self.write("layer/requirements.txt", "")
        self.write("greeter/app.py", GREETER)
        self.write("greeter/requirements.txt", "")
        self.write("packer/index.js", PACKER)
        self.write("packer/package.json", json.dumps({"name": "packer", "version": "1.0.0"}))

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def environment(self):
        trusted = {name: os.environ[name] for name in ("AWS_CA_BUNDLE",) if name in os.environ}
        return {**self.server.environment(**trusted), **self.surroundings, "SAM_CLI_TELEMETRY": "0", "HOME": str(self.folder / "home"), "NO_COLOR": "1"}

    def sam(self, *words, check=True, answer=""):
        """What a command printed; the output of one that must fail tells why."""
        done = subprocess.run([str(SAM), *words], cwd=self.folder, env=self.environment(), input=answer, text=True,
                              capture_output=True, timeout=300)
        assert (done.returncode == 0) is check, f"{words}: {done.stdout}{done.stderr}"
        self.said = done.stderr
        return done.stdout if check else done.stdout + done.stderr

    def deploy(self, *more, check=True, bucket=True):
        bucket = ["--s3-bucket", self.bucket] if bucket else []
        return self.sam("deploy", "--stack-name", self.stack, *bucket, "--no-progressbar", *more,
                        "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", check=check)

    def sync(self, *more):
        # It asks whether this is a development stack.
        return self.sam("sync", "--stack-name", self.stack, "--s3-bucket", self.bucket, "--no-watch", *more, answer="y\n")

    def exists(self):
        pages = self.server.client("cloudformation").get_paginator("describe_stacks").paginate()
        return self.stack in [stack["StackName"] for page in pages for stack in page["Stacks"]]

    def listed(self, what):
        return json.loads(self.sam("list", what, "--stack-name", self.stack, "--output", "json"))

    def greet(self):
        """What the function answers to a remote invocation."""
        printed = self.sam("remote", "invoke", "Greeter", "--stack-name", self.stack, "--event", '{"name": "ann"}')
        return json.loads(json.loads(printed)["body"])


@pytest.fixture
def application(server, tmp_path):
    application = Application(server, tmp_path / "application")
    yield application
    cfn = server.client("cloudformation")
    cfn.delete_stack(StackName=application.stack)
    cfn.get_waiter("stack_delete_complete").wait(StackName=application.stack, WaiterConfig={"Delay": 1})


def test_from_build_to_delete(application, server):
    application.sam("build")
    assert application.sam("validate", "--region", "us-east-1").count("is a valid SAM Template") == 1
    printed = application.deploy()
    assert f"Successfully created/updated stack - {application.stack}" in printed

    outputs = {o["OutputKey"]: o for o in application.listed("stack-outputs")}
    assert outputs["Queue"]["Description"] == "where orders go"
    resources = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in application.listed("resources")}
    assert {"Greeter", "Packer", "Orders", "Rest", "Web"} <= set(resources)
    endpoints = {e["LogicalResourceId"]: e["CloudEndpoint"] for e in application.listed("endpoints")}
    assert f"https://{resources['Rest']}.execute-api.us-east-1.amazonaws.com/test" in endpoints["Rest"]
    assert endpoints["Web"] == [f"https://{resources['Web']}.execute-api.us-east-1.amazonaws.com/$default"]
    url = server.client("lambda").get_function_url_config(FunctionName=resources["Greeter"])["FunctionUrl"]
    assert endpoints["Greeter"] == url and endpoints["Packer"] == "-"

    assert application.greet() == {"hello": "one", "by": "BY"}
    sent = application.sam("remote", "invoke", "Orders", "--stack-name", application.stack, "--event", "a first order")
    assert json.loads(sent)["MessageId"]
    sent = application.sam("remote", "invoke", resources["Greeter"], "--event", "{}", "--output", "json")
    assert json.loads(sent)["StatusCode"] == 200

    empty = application.deploy(check=False)
    assert f"No changes to deploy. Stack {application.stack} is up to date" in empty
    application.deploy("--no-fail-on-empty-changeset")
    application.deploy("--parameter-overrides", "Word=servus")
    assert application.greet() == {"servus": "one", "by": "BY"}

    application.sam("delete", "--stack-name", application.stack, "--s3-bucket", application.bucket, "--no-prompts")
    assert not application.exists()
    left = server.client("s3").list_objects_v2(Bucket=application.bucket).get("Contents", [])
    assert not [item["Key"] for item in left if item["Key"].endswith(".template")]


def test_logs(application):
    application.sam("build")
    application.deploy()
    tail = subprocess.Popen([str(SAM), "logs", "--stack-name", application.stack, "--name", "Packer", "--filter", "PACKED",
                             "--tail", "--output", "json"], cwd=application.folder, env=application.environment(),
                            stdout=subprocess.PIPE, text=True)
    seen = []
    reading = threading.Thread(target=lambda: seen.extend(tail.stdout), daemon=True)
    reading.start()
    try:
        application.sam("remote", "invoke", "Orders", "--stack-name", application.stack, "--event", "an order")
        eventually(lambda: any("PACKED an order" in line for line in seen), "the order in the tail of the logs", seconds=60)
    finally:
        # An interruption may come where the CLI passes over it, and then it goes on.
        tail.kill()
        tail.wait(timeout=60)
        reading.join(timeout=60)
    application.greet()
    every = application.sam("logs", "--stack-name", application.stack)
    assert "greeting ann" in every and "PACKED an order" in every
    assert "PACKED" not in application.sam("logs", "--stack-name", application.stack, "--name", "Greeter")
    soon = application.sam("logs", "--stack-name", application.stack, "--start-time", "5 minutes ago", "--output", "json")
    assert {json.loads(line)["logStreamName"] for line in soon.splitlines() if line.startswith("{")}


def test_sync(application, server):
    application.sync()
    assert "Stack creation succeeded. Sync infra completed." in application.said
    assert application.greet() == {"hello": "one", "by": "BY"}
    resources = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in application.listed("resources")}
    lambdas = server.client("lambda")
    live = lambdas.get_alias(FunctionName=resources["Packer"], Name="live")["FunctionVersion"]

    application.write("greeter/app.py", GREETER.replace("BY", "code"))
    application.write("layer/shared.py", "def greeting(): return 'two'\n")
    application.write("packer/index.js", PACKER.replace("PACKED", "WRAPPED"))
    application.sync("--code")
    assert application.greet() == {"hello": "two", "by": "code"}
    assert lambdas.get_alias(FunctionName=resources["Packer"], Name="live")["FunctionVersion"] != live

    application.write("template.yaml", TEMPLATE.replace("WORD: !Ref Word", "WORD: salve"))
    application.sync()
    assert "Stack update succeeded. Sync infra completed." in application.said
    assert application.greet() == {"salve": "two", "by": "code"}
    application.write("greeter/app.py", GREETER.replace("BY", "resource"))
    application.sync("--code", "--resource-id", "Greeter", "--no-dependency-layer")
    assert application.greet()["by"] == "resource"


def test_nested_applications(application, server):
    application.write("template.yaml", NESTING)
    application.write("inner.yaml", INNER)
    application.sam("build")
    application.deploy()
    assert [o["OutputValue"] for o in application.listed("stack-outputs")] == ["3 4"]
    [api] = [r["PhysicalResourceId"] for r in application.listed("resources") if r["LogicalResourceId"] == "Documented"]
    apis = server.client("apigateway")
    assert apis.get_rest_api(restApiId=api)["name"] == "doc"
    apis.flush_stage_cache(restApiId=api, stageName="doc")
    with urllib.request.urlopen(f"{server.endpoint}/restapis/{api}/doc/_user_request_/it", timeout=60) as answer:
        assert answer.read() == b"one"
    application.write("inner.yaml", INNER.replace("Value: !Ref Delay", "Value: five"))
    application.sam("build")
    application.deploy()
    assert [o["OutputValue"] for o in application.listed("stack-outputs")] == ["five five"]


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """A server of its own that serves TLS, and clients that trust it."""
    server = Server(tmp_path / "data", "--tls")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "data" / "tls" / "ca.pem"))
    yield server
    server.kill()


def test_the_managed_bucket(encrypted, tmp_path):
    """The stack that the CLI makes for its bucket: versions, keys of KMS, no public access, nothing without TLS."""
    application = Application(encrypted, tmp_path / "application")
    application.sam("build")
    application.deploy("--resolve-s3", bucket=False)
    assert application.greet() == {"hello": "one", "by": "BY"}
    cfn, s3 = encrypted.client("cloudformation"), encrypted.client("s3")
    stack, = cfn.describe_stacks(StackName="aws-sam-cli-managed-default")["Stacks"]
    bucket = stack["Outputs"][0]["OutputValue"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] > 0
    application.sam("delete", "--stack-name", application.stack, "--no-prompts")
    assert not application.exists()


# Names below `localhost` lead to this machine (RFC 6761); not every resolver knows.
RESOLVER = """
import socket
lookup = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: lookup("127.0.0.1" if host == "s3.localhost" else host, *rest, **more)
"""


def test_nested_applications_are_deleted(encrypted, tmp_path):
    """The CLI reads the URL of a template that it uploaded only if that begins with `https://s3`."""
    application = Application(encrypted, tmp_path / "application")
    application.write("resolver/sitecustomize.py", RESOLVER)
    port = encrypted.listen.rpartition(":")[2]
    application.surroundings = {"PYTHONPATH": str(application.folder / "resolver"),
                                "AWS_ENDPOINT_URL_S3": f"https://s3.localhost:{port}"}
    application.write("template.yaml", NESTING)
    application.write("inner.yaml", INNER)
    application.sam("build")
    application.deploy()
    assert [o["OutputValue"] for o in application.listed("stack-outputs")] == ["3 4"]
    s3 = encrypted.client("s3")

    def templates():
        return [item["Key"] for item in s3.list_objects_v2(Bucket=application.bucket).get("Contents", [])
                if item["Key"].endswith(".template")]

    assert templates()
    application.sam("delete", "--stack-name", application.stack, "--s3-bucket", application.bucket, "--no-prompts")
    assert not application.exists() and templates() == []
