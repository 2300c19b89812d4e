"""Signatures of what queues and functions get.

Sources: in the SNS developer guide "Parsing message formats" and "Verifying the signatures of messages"; in Lambda's,
"Invoking Lambda functions with Amazon SNS notifications", whose event spells the links in its own way.
"""

import json
import urllib.error

import pytest

from sns_signatures import check_signature, get
from support import ACCOUNT, REGION, allow, bodies, document, queue_arn, receive, unique
from test_lambda import create as create_function
from test_lambda import make_role

# Tells a queue of each event.
TELLS = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
"""


class Topic:
    """A topic and what is subscribed to it."""

    def __init__(self, server, name="", **attributes):
        self.sns, self.sqs = server.client("sns"), server.client("sqs")
        self.server = server
        self.arn = self.sns.create_topic(Name=unique("topic") + name, Attributes=attributes)["TopicArn"]

    def queue(self, name="", **attributes):
        """A subscribed queue."""
        fifo = {"FifoQueue": "true"} if name else {}
        url = self.sqs.create_queue(QueueName=unique("queue") + name, Attributes=fifo)["QueueUrl"]
        arn = queue_arn(self.sqs, url)
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
            allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"}))})
        self.sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def function(self):
        """A subscribed function; gives the queue that it tells of its events."""
        seen = self.sqs.create_queue(QueueName=unique("seen"))["QueueUrl"]
        functions, name = self.server.client("lambda"), unique("f")
        role = make_role(self.server.client("iam"), unique("role"), allow("sqs:*"))
        create_function(functions, name, role, TELLS, Timeout=60, Environment={"Variables": {"SEEN": seen}})
        functions.add_permission(FunctionName=name, StatementId="sns", Action="lambda:InvokeFunction",
                                 Principal="sns.amazonaws.com", SourceArn=self.arn)
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self.sns.subscribe(TopicArn=self.arn, Protocol="lambda", Endpoint=arn)
        return seen

    def publish(self, message, **more):
        return self.sns.publish(TopicArn=self.arn, Message=message, **more)["MessageId"]

    def received(self, url, count=1):
        return [json.loads(body) for body in bodies(receive(self.sqs, url, count))]


@pytest.fixture
def topic(server):
    return Topic(server)


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_queues_get_is_signed(server, version):
    topic = Topic(server, SignatureVersion=version)
    plain, raw, second = topic.queue(), topic.queue(RawMessageDelivery="true"), topic.queue()
    sent = topic.publish("héllo", Subject="s", MessageAttributes={"a": {"DataType": "String", "StringValue": "v"}})
    [one], [other] = topic.received(plain), topic.received(second)
    assert (one["MessageId"], one["SignatureVersion"]) == (sent, version)
    assert one["Signature"] == other["Signature"] and one["UnsubscribeURL"] != other["UnsubscribeURL"]
    assert "/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=" in one["UnsubscribeURL"]
    for message in (one, other):
        check_signature(message)
    assert bodies(receive(topic.sqs, raw, 1)) == ["héllo"]
    # The next one is signed before the topic is asked; it has no subject.
    topic.publish("again")
    [message] = topic.received(plain)
    assert "Subject" not in message
    check_signature(message)


def test_functions_get_the_signature_of_their_own_text(topic):
    queue, seen = topic.queue(), topic.function()
    topic.publish(json.dumps({"default": "d", "lambda": "for functions"}), MessageStructure="json")
    [event], [message] = topic.received(seen), topic.received(queue)
    told = event["Records"][0]["Sns"]
    assert (told["Message"], message["Message"]) == ("for functions", "d")
    assert set(told) == {"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion",
                         "Signature", "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes"}
    assert told["Subject"] is None and told["MessageAttributes"] == {}
    check_signature(told)
    check_signature(message)


def test_a_change_of_the_version_counts_at_once(topic):
    queue = topic.queue()
    for version in ("1", "2", "1"):
        topic.sns.set_topic_attributes(TopicArn=topic.arn, AttributeName="SignatureVersion", AttributeValue=version)
        topic.publish(version)
        [message] = topic.received(queue)
        assert (message["Message"], message["SignatureVersion"]) == (version, version)
        check_signature(message)


def test_batches_of_fifo_topics_keep_their_order(server):
    """They are not signed: as AWS's answers were recorded by LocalStack's `test_message_to_fifo_sqs` (August 2025)."""
    topic = Topic(server, ".fifo", FifoTopic="true", ContentBasedDeduplication="true")
    enveloped = topic.queue(".fifo", FilterPolicy=json.dumps({"odd": ["1"]}))
    raw = topic.queue(".fifo", RawMessageDelivery="true")
    for first in range(0, 50, 10):
        odd = {"odd": {"DataType": "String", "StringValue": "1"}}
        topic.sns.publish_batch(TopicArn=topic.arn, PublishBatchRequestEntries=[
            {"Id": f"e{n}", "Message": str(n), "MessageGroupId": "g", "MessageAttributes": odd if n % 2 else {}}
            for n in range(first, first + 10)])
    messages = topic.received(enveloped, 25)
    assert [message["Message"] for message in messages] == [str(n) for n in range(1, 50, 2)]
    for message in messages:
        assert message.keys() == {"Type", "MessageId", "SequenceNumber", "TopicArn", "Message", "Timestamp", "UnsubscribeURL",
                                  "MessageAttributes"}
    numbers = [int(message["SequenceNumber"]) for message in messages]
    assert numbers == sorted(numbers)
    assert bodies(receive(topic.sqs, raw, 50)) == [str(n) for n in range(50)]


def test_the_key_is_the_same_after_a_kill(own):
    topic = Topic(own)
    queue = topic.queue()
    topic.publish("before")
    own.restart_after_kill()
    topic.publish("after")
    before, after = topic.received(queue, 2)
    assert before["SigningCertURL"] == after["SigningCertURL"]
    for message in (before, after):
        check_signature(message)


def test_who_follows_a_queues_link_needs_the_right_to(topic):
    queue = topic.queue()
    topic.publish("m")
    [message] = topic.received(queue)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(message["UnsubscribeURL"])
    assert topic.sns.list_subscriptions_by_topic(TopicArn=topic.arn)["Subscriptions"]
