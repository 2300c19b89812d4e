"""How deliveries ended, in CloudWatch Logs.

Source: in the SNS developer guide "Amazon SNS message delivery status"; in the CloudFormation reference `AWS::SNS::Topic`,
`DeliveryStatusLogging`.
"""

import hashlib
import json
from datetime import datetime, timedelta

import pytest

import test_cloudformation as stacks
from support import ACCOUNT, REGION, allow, document, eventually, queue_arn, refused, trust, unique
from test_sns_http import Endpoint, confirmed


class Logged:
    """A topic whose deliveries' ends are logged."""

    def __init__(self, server, *protocols, rate="100", statement=None):
        self.sns, self.sqs, self.logs = (server.client(service) for service in ("sns", "sqs", "logs"))
        self.server, self.name = server, unique("topic")
        self.role = make_role(server, statement or allow("logs:*"))
        attributes = {f"{protocol}{which}": value for protocol in protocols for which, value in (
            ("SuccessFeedbackRoleArn", self.role), ("FailureFeedbackRoleArn", self.role), ("SuccessFeedbackSampleRate", rate))}
        self.topic = self.sns.create_topic(Name=self.name, Attributes=attributes)["TopicArn"]
        found = self.sns.get_topic_attributes(TopicArn=self.topic)["Attributes"]
        assert {name: found[name] for name in attributes} == attributes

    def queue(self, let_in=True, **attributes):
        url = self.sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        arn = queue_arn(self.sqs, url)
        if let_in:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
                allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"}))})
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return arn

    def lines(self, count, suffix=""):
        group = f"sns/{REGION}/{ACCOUNT}/{self.name}{suffix}"

        def found():
            groups = self.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if group not in [one["logGroupName"] for one in groups]:
                return None
            events = self.logs.filter_log_events(logGroupName=group)["events"]
            return events if len(events) >= count else None

        return [json.loads(event["message"]) for event in eventually(found, f"{count} lines in {group}")]


def make_role(server, *statements):
    iam, name = server.client("iam"), unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="sns.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
    return arn


@pytest.mark.parametrize("raw", ["true", "false"])
def test_queues(server, raw):
    logged = Logged(server, "SQS")
    good, bad = logged.queue(RawMessageDelivery=raw), logged.queue(let_in=False, RawMessageDelivery=raw)
    sent = logged.sns.publish(TopicArn=logged.topic, Message="héllo")["MessageId"]
    [line] = logged.lines(1)
    assert line["status"] == "SUCCESS"
    told = line["notification"]
    assert told["messageMD5Sum"] == hashlib.md5("héllo".encode()).hexdigest()
    assert (told["messageId"], told["topicArn"]) == (sent, logged.topic)
    assert abs(datetime.strptime(told["timestamp"], "%Y-%m-%d %H:%M:%S.%f") - server.now().replace(tzinfo=None)) < timedelta(days=1)
    delivery = line["delivery"]
    assert (delivery["destination"], delivery["statusCode"], delivery["attempts"]) == (good, 200, 1)
    assert delivery["dwellTimeMs"] >= 0 and delivery["deliveryId"] != sent
    [line] = logged.lines(1, "/Failure")
    assert (line["status"], line["delivery"]["destination"], line["delivery"]["statusCode"]) == ("FAILURE", bad, 403)
    assert json.loads(line["delivery"]["providerResponse"])["ErrorCode"].endswith("AccessDenied")


def test_functions_that_let_nobody_in(server):
    logged = Logged(server, "Lambda")
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none"
    logged.sns.subscribe(TopicArn=logged.topic, Protocol="lambda", Endpoint=function)
    logged.sns.publish(TopicArn=logged.topic, Message="m")
    [line] = logged.lines(1, "/Failure")
    assert line["delivery"]["destination"] == function and line["delivery"]["statusCode"] >= 400


def test_endpoints(server):
    endpoint, logged = Endpoint(), Logged(server, "HTTP")
    confirmed(server, endpoint, logged.topic, RawMessageDelivery="true")
    logged.sns.publish(TopicArn=logged.topic, Message="taken")
    [line] = logged.lines(1)
    assert (line["delivery"]["destination"], line["delivery"]["statusCode"]) == (endpoint.url, 200)
    endpoint.answers = [403]
    sent = logged.sns.publish(TopicArn=logged.topic, Message="refused")["MessageId"]
    [line] = logged.lines(1, "/Failure")
    assert (line["delivery"]["statusCode"], line["delivery"]["attempts"]) == (403, 1)
    assert line["notification"]["messageId"] == sent
    endpoint.server.shutdown()
    endpoint.server.server_close()


def test_a_sample_of_nothing_and_a_role_that_may_not(server):
    unseen = Logged(server, "SQS", rate="0")
    denied = Logged(server, "SQS", statement=allow("s3:*"))
    seen = Logged(server, "SQS")
    for logged in (unseen, denied, seen):
        logged.queue()
        logged.sns.publish(TopicArn=logged.topic, Message="m")
    seen.lines(1)
    groups = seen.logs.describe_log_groups(logGroupNamePrefix="sns/")["logGroups"]
    names = [group["logGroupName"] for group in groups]
    assert not [name for name in names if unseen.name in name or denied.name in name]


def test_attributes(server):
    sns = server.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    for name, value in (("SQSSuccessFeedbackSampleRate", "101"), ("SQSSuccessFeedbackRoleArn", "role"), ("SMSSuccessFeedbackRoleArn", "x")):
        with refused("InvalidParameter", 400):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
    with refused("NotImplemented", 501, "mobile"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="ApplicationSuccessFeedbackSampleRate", AttributeValue="1")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="HTTPSuccessFeedbackSampleRate", AttributeValue="7")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["HTTPSuccessFeedbackSampleRate"] == "7"
    sns.set_topic_attributes(TopicArn=topic, AttributeName="HTTPSuccessFeedbackSampleRate", AttributeValue="")
    assert "HTTPSuccessFeedbackSampleRate" not in sns.get_topic_attributes(TopicArn=topic)["Attributes"]


def test_stacks(server):
    cfn, sns, role = server.client("cloudformation"), server.client("sns"), make_role(server, allow("logs:*"))

    def template(*logging):
        return {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {
            "SignatureVersion": "2", "DeliveryStatusLogging": list(logging)}}}, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}}

    def told(topic):
        found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        return {name: value for name, value in found.items() if "Feedback" in name}

    name = unique("stack")
    stack = stacks.create(cfn, name, template(
        {"Protocol": "http/s", "SuccessFeedbackRoleArn": role, "SuccessFeedbackSampleRate": "10"},
        {"Protocol": "sqs", "FailureFeedbackRoleArn": role}))
    topic = stacks.outputs(stack)["Topic"]
    assert told(topic) == {"HTTPSuccessFeedbackRoleArn": role, "HTTPSuccessFeedbackSampleRate": "10", "SQSFailureFeedbackRoleArn": role}
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SignatureVersion"] == "2"
    stacks.update(cfn, name, template({"Protocol": "http/s", "SuccessFeedbackRoleArn": role, "SuccessFeedbackSampleRate": "20"}))
    assert told(topic) == {"HTTPSuccessFeedbackRoleArn": role, "HTTPSuccessFeedbackSampleRate": "20"}
    stacks.delete(cfn, name)
