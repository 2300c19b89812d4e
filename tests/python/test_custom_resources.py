"""Custom resources and wait conditions.

Sources: the CloudFormation user guide, "Create custom provisioning logic with custom resources" with its pages on
requests, responses and the `cfn-response` module; "Create wait conditions in a CloudFormation template".
"""

import json
import urllib.error
import urllib.request

import pytest

from support import ACCOUNT, REGION, Server, eventually, queue_arn, receive, refused, unique
from test_cloudformation import create, delete, outputs, resources, settled, stack_of, update
from test_lambda import PYTHON
from test_lambda_stacks import function, role


@pytest.fixture
def cfn(server):
    return server.client("cloudformation")


def put(url, body, method="PUT"):
    """The status of an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Provider:
    """Somebody outside, who reads a topic's requests from a queue and answers them."""

    def __init__(self, server):
        self.server = server
        self.sqs, sns = server.client("sqs"), server.client("sns")
        self.queue = self.sqs.create_queue(QueueName=unique())["QueueUrl"]
        arn = queue_arn(self.sqs, self.queue)
        self.topic = sns.create_topic(Name=unique())["TopicArn"]
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}}}]}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def take(self):
        (message,) = receive(self.sqs, self.queue, 1)
        envelope = json.loads(message["Body"])
        assert envelope["Subject"] == "AWS CloudFormation custom resource request"
        return json.loads(envelope["Message"])

    def answer(self, request, status="SUCCESS", physical_id="thing-1", **more):
        own = {name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        return put(request["ResponseURL"], {"Status": status, "PhysicalResourceId": physical_id, **own, **more})

    def resource(self, **properties):
        return {"Type": "Custom::Thing", "Properties": {"ServiceToken": self.topic, **properties}}


@pytest.fixture
def provider(server):
    return Provider(server)


def begin(cfn, name, template, verb="create_stack", **more):
    getattr(cfn, verb)(StackName=name, TemplateBody=json.dumps(template), **more)


def reasons(cfn, name):
    return [e.get("ResourceStatusReason", "") for e in cfn.describe_stack_events(StackName=name)["StackEvents"]]


def test_a_life_of_a_custom_resource(cfn, provider, name):
    first = {"Resources": {"Thing": provider.resource(Size=5, On=True, Names=["a", {"B": 1.5}], No={"Ref": "AWS::NoValue"})},
             "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Thing", "Url"]}},
                         "Second": {"Value": {"Fn::Select": [1, {"Fn::GetAtt": ["Thing", "List"]}]}},
                         "Ref": {"Value": {"Ref": "Thing"}}}}
    begin(cfn, name, first)
    request = provider.take()
    url = request.pop("ResponseURL")
    assert url.startswith(provider.server.endpoint)
    request_id, stack = request.pop("RequestId"), stack_of(cfn, name)["StackId"]
    wanted = {"ServiceToken": provider.topic, "Size": "5", "On": "true", "Names": ["a", {"B": "1.5"}]}
    assert request == {
        "RequestType": "Create", "ServiceToken": provider.topic, "StackId": stack, "LogicalResourceId": "Thing",
        "ResourceType": "Custom::Thing", "ResourceProperties": wanted}
    request.update(ResponseURL=url, RequestId=request_id)
    assert provider.answer(request, Data={"Url": "http://x", "List": ["a", "b"]}) == 200
    made = settled(cfn, name, "CREATE_COMPLETE")
    assert outputs(made) == {"Url": "http://x", "Second": "b", "Ref": "thing-1"}
    assert resources(cfn, name)["Thing"]["PhysicalResourceId"] == "thing-1"

    first["Resources"]["Thing"]["Properties"]["Size"] = 6
    begin(cfn, name, first, "update_stack")
    request = provider.take()
    assert request["RequestType"] == "Update" and request["PhysicalResourceId"] == "thing-1"
    assert request["OldResourceProperties"] == wanted
    assert request["ResourceProperties"] == {**wanted, "Size": "6"}
    # Another physical id: the old one is deleted in the end.
    provider.answer(request, physical_id="thing-2", Data={"Url": "http://y", "List": ["a", "c"]})
    request = provider.take()
    assert stack_of(cfn, name)["StackStatus"] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert request["RequestType"] == "Delete" and request["PhysicalResourceId"] == "thing-1"
    assert request["ResourceProperties"] == wanted and "OldResourceProperties" not in request
    provider.answer(request)
    assert outputs(settled(cfn, name, "UPDATE_COMPLETE")) == {"Url": "http://y", "Second": "c", "Ref": "thing-2"}
    assert any("required the provider to create a new physical resource" in r for r in reasons(cfn, name))

    cfn.delete_stack(StackName=name)
    request = provider.take()
    assert request["RequestType"] == "Delete" and request["PhysicalResourceId"] == "thing-2"
    provider.answer(request, physical_id="thing-2")
    settled(cfn, stack, "DELETE_COMPLETE")


def test_failures_are_rolled_back_with_their_reasons(cfn, provider, name):
    template = {"Resources": {"Thing": provider.resource(Size=1)}}
    begin(cfn, name, template)
    request = provider.take()
    provider.answer(request, "FAILED", physical_id="half", Reason="no room")
    request = provider.take()
    assert (request["RequestType"], request["PhysicalResourceId"]) == ("Delete", "half")
    provider.answer(request, physical_id="half")
    settled(cfn, name, "ROLLBACK_COMPLETE")
    said = "Received response status [FAILED] from custom resource. Message returned: no room (RequestId: "
    assert any(r.startswith(said) for r in reasons(cfn, name))

    name = unique()
    begin(cfn, name, template)
    provider.answer(provider.take())
    settled(cfn, name, "CREATE_COMPLETE")
    template["Resources"]["Thing"]["Properties"]["Size"] = 2
    begin(cfn, name, template, "update_stack")
    provider.answer(provider.take(), "FAILED", Reason="no more room")
    request = provider.take()
    assert request["RequestType"] == "Update"
    assert (request["ResourceProperties"]["Size"], request["OldResourceProperties"]["Size"]) == ("1", "2")
    provider.answer(request)
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    # A deletion that fails can be tried again.
    cfn.delete_stack(StackName=name)
    provider.answer(provider.take(), "FAILED", Reason="not yet")
    stack = settled(cfn, name, "DELETE_FAILED")
    cfn.delete_stack(StackName=name)
    provider.answer(provider.take())
    settled(cfn, stack["StackId"], "DELETE_COMPLETE")


@pytest.mark.parametrize("change, why", [
    (lambda answer: {**answer, "PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
    (lambda answer: {**answer, "Status": "success"}, "Value of property Status"),
    (lambda answer: {**answer, "StackId": "arn:other"}, "Value of property StackId"),
    (lambda answer: {**answer, "Data": {"Long": "x" * 4096}}, "Response object is too long."),
    (lambda answer: b"{", "it is not a JSON object"),
])
def test_answers_that_are_none(cfn, provider, name, change, why):
    begin(cfn, name, {"Resources": {"Thing": provider.resource()}}, OnFailure="DO_NOTHING")
    request = provider.take()
    own = {name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    assert put(request["ResponseURL"], change({"Status": "SUCCESS", "PhysicalResourceId": "a", **own})) == 200
    settled(cfn, name, "CREATE_FAILED")
    assert any(why in r for r in reasons(cfn, name)), reasons(cfn, name)


def test_who_may_answer(cfn, provider, name):
    begin(cfn, name, {"Resources": {"Thing": provider.resource()}})
    request = provider.take()
    url = request["ResponseURL"]
    for wrong in [url[:-1] + ("a" if url[-1] != "a" else "b"), url.split("?")[0], url.replace("Thing", "Other")]:
        assert put(wrong, b"{}") == 403
    assert put(url, b"{}", method="POST") == 405
    assert provider.answer(request) == 200
    # The first answer counts.
    assert provider.answer(request, "FAILED", Reason="late") == 200
    settled(cfn, name, "CREATE_COMPLETE")


def test_missing_attributes_and_wrong_tokens(cfn, provider, server, name):
    template = {"Resources": {"Thing": provider.resource()}, "Outputs": {"A": {"Value": {"Fn::GetAtt": ["Thing", "A"]}}}}
    begin(cfn, name, template, OnFailure="DO_NOTHING")
    provider.answer(provider.take(), Data={"B": "x"})
    stack = settled(cfn, name, "CREATE_FAILED")
    assert "Vendor response doesn't contain A attribute in object" in stack["StackStatusReason"]
    queue = queue_arn(provider.sqs, provider.queue)
    for token in [queue, f"arn:aws:sns:eu-west-1:{ACCOUNT}:t", "nonsense"]:
        name = unique()
        thing = {"Type": "AWS::CloudFormation::CustomResource", "Properties": {"ServiceToken": token}}
        create(cfn, name, {"Resources": {"Thing": thing}}, "CREATE_FAILED", OnFailure="DO_NOTHING")
        assert any("Invalid service token" in r for r in reasons(cfn, name))
    with refused("ValidationError", text="required key [ServiceToken] not found"):
        begin(cfn, unique(), {"Resources": {"Thing": {"Type": "Custom::Thing"}}})
    with refused("ValidationError", text="Unrecognized resource types: [Custom::No space]"):
        begin(cfn, unique(), {"Resources": {"Thing": {"Type": "Custom::No space"}}})


def test_no_echo_hides_what_came_back(cfn, provider, name):
    template = {"Parameters": {"Word": {"Type": "String", "NoEcho": True}},
                "Resources": {"Thing": provider.resource(Word={"Ref": "Word"}),
                              "Queue": {"Type": "AWS::SQS::Queue", "Properties": {
                                  "Tags": [{"Key": "k", "Value": {"Fn::GetAtt": ["Thing", "Key"]}}]}}}}
    begin(cfn, name, template, Parameters=[{"ParameterKey": "Word", "ParameterValue": "open-sesame"}])
    request = provider.take()
    assert request["ResourceProperties"]["Word"] == "open-sesame"
    provider.answer(request, NoEcho=True, Data={"Key": "hunter2"})
    settled(cfn, name, "CREATE_COMPLETE")
    shown = json.dumps([e.get("ResourceProperties") for e in cfn.describe_stack_events(StackName=name)["StackEvents"]])
    assert "****" in shown and "hunter2" not in shown and "open-sesame" not in shown
    queue = resources(cfn, name)["Queue"]["PhysicalResourceId"]
    assert provider.sqs.list_queue_tags(QueueUrl=queue)["Tags"]["k"] == "hunter2"


def test_answers_that_never_come(own):
    cfn, provider, name = own.client("cloudformation"), Provider(own), unique()
    begin(cfn, name, {"Resources": {"Thing": provider.resource(ServiceTimeout=60)}})
    request = provider.take()
    own.advance(59)
    assert stack_of(cfn, name)["StackStatus"] == "CREATE_IN_PROGRESS"
    own.advance(2)
    deletion = provider.take()
    assert deletion["RequestType"] == "Delete"
    assert any(f"did not receive a response from your Custom Resource. Please check your logs for requestId [{request['RequestId']}]"
               in r for r in reasons(cfn, name))
    assert provider.answer(request) == 403
    # The default is an hour.
    own.advance(61)
    settled(cfn, name, "ROLLBACK_FAILED")


def test_requests_and_answers_outlive_kills(own):
    cfn, provider, name = own.client("cloudformation"), Provider(own), unique()
    template = {"Resources": {"Thing": provider.resource(), "Second": {**provider.resource(), "DependsOn": "Thing"}}}
    begin(cfn, name, template)
    request = provider.take()
    own.restart_after_kill()
    assert provider.answer(request) == 200
    own.restart_after_kill()
    second = provider.take()
    assert second["LogicalResourceId"] == "Second"
    provider.answer(second, physical_id="thing-2")
    settled(cfn, name, "CREATE_COMPLETE")
    # Nobody was asked twice.
    assert "Messages" not in provider.sqs.receive_message(QueueUrl=provider.queue)


def test_a_deletion_takes_over_from_a_creation_that_waits(cfn, provider, name):
    begin(cfn, name, {"Resources": {"Thing": provider.resource()}})
    request = provider.take()
    stack = stack_of(cfn, name)["StackId"]
    cfn.delete_stack(StackName=name)
    eventually(lambda: stack_of(cfn, name)["StackStatus"] == "DELETE_IN_PROGRESS")
    provider.answer(request, physical_id="made")
    request = provider.take()
    assert (request["RequestType"], request["PhysicalResourceId"]) == ("Delete", "made")
    provider.answer(request, physical_id="made")
    settled(cfn, stack, "DELETE_COMPLETE")


WITH_MODULE = """
import cfnresponse
def handler(event, context):
    size = event["ResourceProperties"].get("Size")
    if size == "bad":
        raise SystemExit(cfnresponse.send(event, context, cfnresponse.FAILED, {}, "it", reason="a bad size"))
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Type": event["RequestType"], "Size": size}, "it")
"""

NODE_WITH_MODULE = """
const response = require('cfn-response');
exports.handler = function (event, context) {
  response.send(event, context, response.SUCCESS, { Type: event.RequestType }, 'node');
};
"""

# As answers are sent without the module: to port 443, whatever the URL says.
NODE_BY_HAND = """
const https = require('https');
exports.handler = async (event, context) => {
  const url = new URL(event.ResponseURL);
  const body = JSON.stringify({
    Status: 'SUCCESS', PhysicalResourceId: 'by-hand', StackId: event.StackId, RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId, Data: { Host: url.hostname } });
  const options = { hostname: url.hostname, port: 443, path: url.pathname + url.search, method: 'PUT',
    headers: { 'content-type': '', 'content-length': body.length } };
  await new Promise((resolve, reject) => {
    const request = https.request(options, (answer) => { answer.resume(); answer.on('end', resolve); });
    request.on('error', reject);
    request.end(body);
  });
};
"""


def custom(logical, **properties):
    return {"Type": "Custom::Made", "Properties": {"ServiceToken": {"Fn::GetAtt": [logical, "Arn"]}, **properties}}


def test_functions_answer_with_the_module_and_by_hand(cfn, name):
    att = (lambda of, attribute: {"Value": {"Fn::GetAtt": [of, attribute]}})
    template = {"Resources": {
        "Role": role(), "Python": function(WITH_MODULE), "Node": function(NODE_WITH_MODULE, Runtime="nodejs20.x"),
        "Hand": function(NODE_BY_HAND, Runtime="nodejs20.x"),
        "ByPython": custom("Python", Size=3), "ByNode": custom("Node"), "ByHand": custom("Hand")},
        "Outputs": {"Python": att("ByPython", "Type"), "Node": att("ByNode", "Type"), "Host": att("ByHand", "Host")}}
    made = create(cfn, name, template, Capabilities=["CAPABILITY_IAM"])
    host = f"cloudformation-custom-resource-response-{REGION.replace('-', '')}.s3.{REGION}.amazonaws.com"
    assert outputs(made) == {"Python": "Create", "Node": "Create", "Host": host}
    template["Resources"]["ByPython"]["Properties"]["Size"] = "bad"
    update(cfn, name, template, "UPDATE_ROLLBACK_COMPLETE", Capabilities=["CAPABILITY_IAM"])
    assert any("Message returned: a bad size" in r for r in reasons(cfn, name))
    template["Resources"]["ByPython"]["Properties"]["Size"] = 4
    assert outputs(update(cfn, name, template, Capabilities=["CAPABILITY_IAM"]))["Python"] == "Update"
    delete(cfn, name)


# What version 1 of the CDK put into templates did the same: the SDK, and an answer by hand.
NOTIFICATIONS = """
import json, urllib.request
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    properties = event["ResourceProperties"]
    wanted = {} if event["RequestType"] == "Delete" else properties["NotificationConfiguration"]
    status, reason = "SUCCESS", "done"
    try:
        s3.put_bucket_notification_configuration(Bucket=properties["BucketName"], NotificationConfiguration=wanted)
    except Exception as error:
        status, reason = "FAILED", str(error)
    body = json.dumps({"Status": status, "Reason": reason, "StackId": event["StackId"],
                       "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"],
                       "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
                       "NoEcho": False}).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(request).read()
"""


def cdk_template():
    queue, bucket = {"Fn::GetAtt": ["Queue", "Arn"]}, {"Ref": "Bucket"}
    return {"Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"}, "Bucket": {"Type": "AWS::S3::Bucket"},
        "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": queue, "Condition": {"ArnLike": {"aws:SourceArn": {"Fn::GetAtt": ["Bucket", "Arn"]}}}}]}}},
        "BucketNotifications": {"Type": "Custom::S3BucketNotifications", "DependsOn": ["QueuePolicy", "HandlerPolicy"],
                                "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Handler", "Arn"]}, "BucketName": bucket,
            "NotificationConfiguration": {"QueueConfigurations": [
                {"Events": ["s3:ObjectCreated:*"], "QueueArn": queue,
                 "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".txt"}]}}}]}}},
        "Role": role(),
        "HandlerPolicy": {"Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "p", "Roles": [{"Ref": "Role"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "s3:PutBucketNotification", "Resource": "*"}]}}},
        "Handler": {"Type": "AWS::Lambda::Function", "DependsOn": ["Role"], "Properties": {
            "Description": "AWS CloudFormation handler for \"Custom::S3BucketNotifications\" resources",
            "Code": {"ZipFile": NOTIFICATIONS}, "Handler": "index.handler", "Runtime": PYTHON, "Timeout": 300,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
        "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:x"}}},
        "Outputs": {"Bucket": {"Value": bucket}, "Queue": {"Value": {"Ref": "Queue"}}}}


def test_bucket_notifications_as_the_cdk_sets_them(cfn, server, name):
    s3, sqs = server.client("s3"), server.client("sqs")
    made = outputs(create(cfn, name, cdk_template(), Capabilities=["CAPABILITY_IAM"]))
    s3.put_object(Bucket=made["Bucket"], Key="a.txt", Body=b"x")

    def arrived():
        found = sqs.receive_message(QueueUrl=made["Queue"], WaitTimeSeconds=1).get("Messages", [])
        return [m for m in found if "Records" in json.loads(m["Body"])]

    (message,) = eventually(arrived)
    assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == "a.txt"
    s3.delete_object(Bucket=made["Bucket"], Key="a.txt")
    delete(cfn, name)


OLD_NODE = """
var https = require('https');
var url = require('url');
var AWS = require('aws-sdk');
exports.handler = function (event, context) {
  var properties = event.ResourceProperties;
  var wanted = event.RequestType === 'Delete' ? {} : properties.NotificationConfiguration;
  var request = { Bucket: properties.BucketName, NotificationConfiguration: wanted };
  new AWS.S3().putBucketNotificationConfiguration(request, function (error) {
    var body = JSON.stringify({ Status: error ? 'FAILED' : 'SUCCESS', Reason: String(error), NoEcho: false,
      PhysicalResourceId: event.PhysicalResourceId || event.LogicalResourceId, StackId: event.StackId,
      RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId });
    var parsed = url.parse(event.ResponseURL);
    var options = { hostname: parsed.hostname, port: 443, path: parsed.path, method: 'PUT',
      headers: { 'content-type': '', 'content-length': body.length } };
    var answer = https.request(options, function () { context.done(null, wanted); });
    answer.on('error', function (why) { context.done(why); });
    answer.end(body);
  });
};
"""


def test_bucket_notifications_as_version_1_of_the_cdk_set_them(tmp_path):
    server = Server(tmp_path / "data", "--deprecated-runtimes", "--stand-in", "nodejs12.x=nodejs20.x")
    try:
        template = cdk_template()
        handler = template["Resources"]["Handler"]["Properties"]
        handler.update(Runtime="nodejs12.x", Code={"ZipFile": OLD_NODE})
        cfn, s3, sqs = (server.client(service) for service in ("cloudformation", "s3", "sqs"))
        made = outputs(create(cfn, "old", template, Capabilities=["CAPABILITY_IAM"]))
        s3.put_object(Bucket=made["Bucket"], Key="a.txt", Body=b"x")
        receive(sqs, made["Queue"], 1)
        s3.delete_object(Bucket=made["Bucket"], Key="a.txt")
        delete(cfn, "old")
    finally:
        server.kill()


def waiting(**more):
    return {"Resources": {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {
            "Handle": {"Ref": "Handle"}, "Timeout": "60", **more}}},
        "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["Wait", "Data"]}}}}


def handle(cfn, name):
    def look():
        found = resources(cfn, name).get("Handle", {})
        return found.get("ResourceStatus") == "CREATE_COMPLETE" and found["PhysicalResourceId"]

    return eventually(look)


def test_wait_conditions(own):
    cfn, name = own.client("cloudformation"), unique()
    begin(cfn, name, waiting(Count=2))
    url = handle(cfn, name)
    own.restart_after_kill()
    assert put(url, {"Status": "SUCCESS", "UniqueId": "a", "Data": "first", "Reason": "r"}) == 200
    assert put(url, {"Status": "SUCCESS", "UniqueId": "a", "Data": "again", "Reason": "r"}) == 200
    assert put(url, {"Status": "maybe"}) == 400
    assert put(url[:-1] + "0", {"Status": "SUCCESS"}) == 403
    assert stack_of(cfn, name)["StackStatus"] == "CREATE_IN_PROGRESS"
    assert put(url, {"Status": "SUCCESS", "UniqueId": "b", "Data": "second", "Reason": "r"}) == 200
    made = settled(cfn, name, "CREATE_COMPLETE")
    assert json.loads(outputs(made)["Data"]) == {"a": "again", "b": "second"}

    failed = unique()
    begin(cfn, failed, waiting())
    put(handle(cfn, failed), {"Status": "FAILURE", "UniqueId": "x", "Reason": "broken"})
    settled(cfn, failed, "ROLLBACK_COMPLETE")
    assert "WaitCondition received failed message: 'broken' for uniqueId: x" in reasons(cfn, failed)

    late = unique()
    begin(cfn, late, waiting())
    handle(cfn, late)
    eventually(lambda: "Wait" in resources(cfn, late))
    own.advance(61)
    settled(cfn, late, "ROLLBACK_COMPLETE")
    assert "WaitCondition timed out. Received 0 conditions when expecting 1" in reasons(cfn, late)
