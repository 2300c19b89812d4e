"""Macros: functions that transform templates, and objects that are included.

Sources: the CloudFormation user guide, "Perform custom processing on CloudFormation templates with template macros";
the template reference, "AWS::Include transform".
"""

import json

import pytest

from support import ACCOUNT, REGION, refused, unique
from test_cloudformation import create, delete, outputs, queues, update
from test_lambda_stacks import function, role

ACKNOWLEDGED = {"Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
QUEUE = {"Type": "AWS::SQS::Queue"}

SOURCE = """
def handler(event, context):
    fragment, params = event["fragment"], event["params"]
    if params.get("Fail") == "raise":
        raise ValueError("no")
    if params.get("Fail"):
        return {"requestId": event["requestId"], "status": "failure", "errorMessage": params["Fail"]}
    if "Resources" in fragment:
        for resource in fragment["Resources"].values():
            resource.setdefault("Properties", {})["DelaySeconds"] = int(event["templateParameterValues"]["Delay"])
        fragment["Outputs"] = {"Id": {"Value": event["transformId"]}, "Where": {
            "Value": event["region"] + event["accountId"]}}
    else:
        fragment["VisibilityTimeout"] = params["Timeout"]
    return {"requestId": event["requestId"], "status": "success", "fragment": fragment}
"""


@pytest.fixture(scope="module")
def macro(server):
    cfn, stack, name = server.client("cloudformation"), unique(), unique("Macro").replace("-", "")
    create(cfn, stack, {"Resources": {"Role": role(), "Function": function(SOURCE), "Macro": {
        "Type": "AWS::CloudFormation::Macro", "Properties": {
            "Name": name, "FunctionName": {"Fn::GetAtt": ["Function", "Arn"]}}}}}, Capabilities=["CAPABILITY_IAM"])
    yield name
    delete(cfn, stack)
    with refused("ValidationError", text=f"No transform named {ACCOUNT}::{name} found."):
        create(cfn, unique(), {"Transform": name, "Resources": {"Queue": QUEUE}}, **ACKNOWLEDGED)


@pytest.fixture
def cfn(server):
    return server.client("cloudformation")


def parameters(**values):
    return {"Parameters": {name: {"Type": "String", "Default": value} for name, value in values.items()}}


def test_macros_of_templates_and_of_parts(cfn, server, macro, name):
    timeout = {"Name": macro, "Parameters": {"Timeout": {"Ref": "Timeout"}}}
    template = {**parameters(Delay="4", Timeout="77"), "Transform": [macro], "Resources": {
        "Queue": {**QUEUE, "Properties": {"QueueName": name, "Fn::Transform": timeout}}}}
    given = [{"ParameterKey": "Delay", "ParameterValue": "5"}, {"ParameterKey": "Timeout", "ParameterValue": "66"}]
    with refused("InsufficientCapabilitiesException", text="CAPABILITY_AUTO_EXPAND"):
        create(cfn, name, template, Parameters=given)
    made = outputs(create(cfn, name, template, Parameters=given, **ACKNOWLEDGED))
    assert made == {"Id": f"{ACCOUNT}::{macro}", "Where": REGION + ACCOUNT}
    sqs = server.client("sqs")
    seen = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
                                    AttributeNames=["All"])["Attributes"]
    assert (seen["DelaySeconds"], seen["VisibilityTimeout"]) == ("5", "66")
    delete(cfn, name)


@pytest.mark.parametrize("fail, why", [("too bad", "failed with: too bad."), ("raise", "failed without an error message")])
def test_macros_that_fail(cfn, macro, name, fail, why):
    transform = {"Name": macro, "Parameters": {"Fail": fail}}
    with refused("ValidationError", text=f"Transform {ACCOUNT}::{macro} {why}"):
        create(cfn, name, {"Transform": transform, "Resources": {"Queue": QUEUE}}, **ACKNOWLEDGED)


def test_what_no_macro_can_be(cfn, name):
    with refused("ValidationError", text="Transform [AWS::CodeDeployBlueGreen] is not supported"):
        create(cfn, name, {"Transform": "AWS::CodeDeployBlueGreen", "Resources": {"Queue": QUEUE}}, **ACKNOWLEDGED)
    many = {f"Q{n}": {**QUEUE, "Fn::Transform": {"Name": "Nobody"}} for n in range(3)}
    with refused("ValidationError", text=f"No transform named {ACCOUNT}::Nobody found."):
        create(cfn, name, {"Resources": many}, **ACKNOWLEDGED)


def test_objects_are_included(cfn, server, s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="part.yaml", Body=f"""
        Included:
          Type: AWS::SQS::Queue
          Properties: {{QueueName: !Sub "{name}-${{AWS::Region}}"}}""".encode())
    include = {"Name": "AWS::Include", "Parameters": {"Location": f"s3://{bucket}/part.yaml"}}
    create(cfn, name, {"Resources": {"Own": {**QUEUE, "Properties": {"QueueName": f"{name}-own"}},
                                     "Fn::Transform": include}}, **ACKNOWLEDGED)
    assert sorted(queues(server, name)) == sorted([f"{name}-own", f"{name}-{REGION}"])
    s3.put_object(Bucket=bucket, Key="part.yaml", Body=b"Outputs: {A: {Value: b}}")
    whole = {"Transform": include, "Resources": {"Own": {**QUEUE, "Properties": {"QueueName": f"{name}-own"}}}}
    assert outputs(update(cfn, name, whole, **ACKNOWLEDGED)) == {"A": "b"}
    delete(cfn, name)
    missing = {**include, "Parameters": {"Location": f"s3://{bucket}/missing"}}
    with refused("ValidationError", text="S3 error"):
        create(cfn, name, {"Transform": missing, "Resources": {"Own": QUEUE}}, **ACKNOWLEDGED)
    s3.delete_object(Bucket=bucket, Key="part.yaml")
