"""Lambda by templates."""

import json

import pytest

from support import ACCOUNT, REGION, bodies, eventually, receive, unique
from test_lambda import PYTHON, invoke, package

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}

INLINE = """
import json, os
import cfnresponse
def handler(event, context):
    return {"greeting": os.environ["GREETING"], "event": event, "module": cfnresponse.SUCCESS}
"""

NODE = """
const response = require('cfn-response');
exports.handler = async (event) => ({ module: response.FAILED, event });
"""


def template(**resources):
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def role(*statements):
    properties = {"AssumeRolePolicyDocument": TRUST}
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        properties["Policies"] = [{"PolicyName": "inline", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def function(source=INLINE, **more):
    return {"Type": "AWS::Lambda::Function", "Properties": {
        "Handler": "index.handler", "Runtime": PYTHON, "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Environment": {"Variables": {"GREETING": "hello"}}, "Code": {"ZipFile": source}, **more}}


class Stack:
    def __init__(self, server):
        self.cloudformation = server.client("cloudformation")
        self.name = unique("stack")

    def _wait(self, *statuses):
        def ended():
            (stack,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
            return stack if not stack["StackStatus"].endswith("_IN_PROGRESS") else None

        stack = eventually(ended, "the stack's end", 90)
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        assert stack["StackStatus"] in statuses, [e.get("ResourceStatusReason") for e in events]
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def create(self, body):
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=json.dumps(body),
                                         Capabilities=["CAPABILITY_IAM"])
        return self._wait("CREATE_COMPLETE")

    def update(self, body):
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=json.dumps(body),
                                         Capabilities=["CAPABILITY_IAM"])
        return self._wait("UPDATE_COMPLETE")

    def delete(self):
        self.cloudformation.delete_stack(StackName=self.name)

        def gone():
            try:
                (stack,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
            except self.cloudformation.exceptions.ClientError:
                return True
            assert stack["StackStatus"] != "DELETE_FAILED"

        eventually(gone, "the stack to go", 90)

    def physical(self, logical):
        resources = self.cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}[logical]


@pytest.fixture
def stack(server):
    return Stack(server)


@pytest.fixture
def functions(server):
    return server.client("lambda")


def test_inline_functions_with_the_response_module(stack, functions):
    body = template(Role=role(), Python=function(Tags=[{"Key": "a", "Value": "b"}], ReservedConcurrentExecutions=2),
                    Node=function(NODE, Runtime="nodejs20.x"))
    body["Outputs"] = {"Arn": {"Value": {"Fn::GetAtt": ["Python", "Arn"]}}}
    outputs = stack.create(body)
    name = stack.physical("Python")
    assert outputs["Arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    assert invoke(functions, name)[1] == {"greeting": "hello", "event": {}, "module": "SUCCESS"}
    assert invoke(functions, stack.physical("Node"), {"k": 1})[1] == {"module": "FAILED", "event": {"k": 1}}
    got = functions.get_function(FunctionName=name)
    assert got["Concurrency"]["ReservedConcurrentExecutions"] == 2 and got["Tags"]["a"] == "b"
    changed = function(Environment={"Variables": {"GREETING": "bye"}}, Timeout=9)
    stack.update(template(Role=role(), Python=changed))
    assert invoke(functions, name)[1]["greeting"] == "bye"
    got = functions.get_function(FunctionName=name)
    assert got["Configuration"]["Timeout"] == 9 and "Concurrency" not in got and "a" not in got.get("Tags", {})
    stack.delete()
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName=name)


def test_all_that_goes_with_a_function(stack, server, functions, s3, bucket, sqs, sns):
    s3.put_object(Bucket=bucket, Key="layer.zip", Body=package("VALUE = 1\n", "python/shared.py"))
    ref, att = (lambda name: {"Ref": name}), (lambda name, of: {"Fn::GetAtt": [name, of]})
    permissions = {"Effect": "Allow", "Action": ["sqs:*"], "Resource": "*"}
    body = template(
        Role=role(permissions), Queue={"Type": "AWS::SQS::Queue"}, Failed={"Type": "AWS::SQS::Queue"},
        Topic={"Type": "AWS::SNS::Topic"},
        Layer={"Type": "AWS::Lambda::LayerVersion", "Properties": {
            "Content": {"S3Bucket": bucket, "S3Key": "layer.zip"}, "CompatibleRuntimes": [PYTHON]}},
        LayerPermission={"Type": "AWS::Lambda::LayerVersionPermission", "Properties": {
            "Action": "lambda:GetLayerVersion", "LayerVersionArn": ref("Layer"), "Principal": "*"}},
        Function=function("import shared\ndef handler(event, context):\n    raise ValueError(shared.VALUE)\n",
                          Layers=[ref("Layer")]),
        Version={"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": ref("Function")}},
        Alias={"Type": "AWS::Lambda::Alias", "Properties": {
            "FunctionName": ref("Function"), "FunctionVersion": att("Version", "Version"), "Name": "live"}},
        Permission={"Type": "AWS::Lambda::Permission", "Properties": {
            "FunctionName": att("Function", "Arn"), "Action": "lambda:InvokeFunction",
            "Principal": "sns.amazonaws.com", "SourceArn": ref("Topic")}},
        Mapping={"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
            "FunctionName": ref("Function"), "EventSourceArn": att("Queue", "Arn"), "BatchSize": 5,
            "FilterCriteria": {"Filters": [{"Pattern": "{\"body\":{\"a\":[1]}}"}]}}},
        Config={"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {
            "FunctionName": ref("Function"), "Qualifier": "$LATEST", "MaximumRetryAttempts": 0,
            "DestinationConfig": {"OnFailure": {"Destination": att("Failed", "Arn")}}}},
        Url={"Type": "AWS::Lambda::Url", "Properties": {
            "TargetFunctionArn": att("Function", "Arn"), "AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}}},
        Subscription={"Type": "AWS::SNS::Subscription", "Properties": {
            "TopicArn": ref("Topic"), "Protocol": "lambda", "Endpoint": att("Function", "Arn")}})
    body["Outputs"] = {"Url": {"Value": att("Url", "FunctionUrl")}, "Failed": {"Value": ref("Failed")},
                       "Topic": {"Value": ref("Topic")}, "Alias": {"Value": ref("Alias")},
                       "Mapping": {"Value": att("Mapping", "Id")}}
    outputs = stack.create(body)
    assert ".lambda-url." in outputs["Url"] and outputs["Alias"].endswith(":live")
    assert functions.get_event_source_mapping(UUID=outputs["Mapping"])["BatchSize"] == 5
    sns.publish(TopicArn=outputs["Topic"], Message="hello")
    record = json.loads(bodies(receive(sqs, outputs["Failed"], 1))[0])
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "hello"
    assert record["responsePayload"]["errorMessage"] == "1"
    body["Resources"]["Mapping"]["Properties"]["BatchSize"] = 7
    body["Resources"]["Alias"]["Properties"]["Description"] = "changed"
    stack.update(body)
    assert functions.get_event_source_mapping(UUID=outputs["Mapping"])["BatchSize"] == 7
    name = stack.physical("Function")
    assert functions.get_alias(FunctionName=name, Name="live")["Description"] == "changed"
    stack.delete()
    assert functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"] == []


def test_properties_that_are_not_honoured_are_named(stack):
    body = template(Role=role(), Function=function(VpcConfig={"SubnetIds": ["subnet-1"]}))
    with pytest.raises(stack.cloudformation.exceptions.ClientError, match="VpcConfig"):
        stack.create(body)
        raise AssertionError(stack.cloudformation.describe_stack_events(StackName=stack.name))
