"""FIFO topics through boto3: order, deduplication, to FIFO and standard queues, and what kills leave of that.

Sources: the SNS API reference (CreateTopic, Publish, PublishBatch, SetTopicAttributes); in the developer guide "Message
ordering and deduplication (FIFO topics)" and its pages on details, grouping, delivery, deduplication and high throughput.
"""

import hashlib
import json
import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import ACCOUNT, REGION, allow, document, eventually, queue_arn, receive, refused, unique


class Fifo:
    """A FIFO topic and its queues."""

    def __init__(self, server, **attributes):
        self.server = server
        self.sns, self.sqs = server.client("sns"), server.client("sqs")
        self.topic = self.sns.create_topic(
            Name=unique("topic") + ".fifo", Attributes={"FifoTopic": "true", **attributes})["TopicArn"]

    def queue(self, suffix=".fifo", let_in=True, **attributes):
        """A queue that lets the topic in; a FIFO queue by its suffix."""
        fifo = {"FifoQueue": "true"} if suffix else {}
        url = self.sqs.create_queue(QueueName=unique("queue") + suffix, Attributes={**fifo, **attributes})["QueueUrl"]
        arn = queue_arn(self.sqs, url)
        if let_in:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
                allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"},
                      Condition={"ArnEquals": {"aws:SourceArn": self.topic}}))})
        return url, arn

    def subscribed(self, suffix=".fifo", let_in=True, **attributes):
        url, arn = self.queue(suffix, let_in)
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def publish(self, message, group="g", **more):
        return self.sns.publish(TopicArn=self.topic, Message=message, MessageGroupId=group, **more)

    def take(self, url, count):
        """So many messages, in the order in which the queue hands them out."""
        names = ["MessageGroupId", "MessageDeduplicationId", "SequenceNumber"]
        return receive(self.sqs, url, count, AttributeNames=names)


@pytest.fixture
def fifo(server):
    return Fifo(server, ContentBasedDeduplication="true")


def test_attributes_and_names(server, fifo):
    sns = fifo.sns
    found = sns.get_topic_attributes(TopicArn=fifo.topic)["Attributes"]
    assert (found["FifoTopic"], found["ContentBasedDeduplication"], found["FifoThroughputScope"]) == ("true", "true", "Topic")
    name = fifo.topic.split(":")[-1]
    again = sns.create_topic(Name=name, Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})
    assert again["TopicArn"] == fifo.topic
    with refused("InvalidParameter", 400, "already exists with different attributes"):
        sns.create_topic(Name=name, Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "false"})
    for bad, attributes in ((name, {}), ("plain", {"FifoTopic": "true"}), (".fifo", {"FifoTopic": "true"}),
                            ("plain", {"ContentBasedDeduplication": "true"}), ("x.fifo", {"FifoTopic": "maybe"}),
                            ("plain", {"FifoThroughputScope": "Topic"}), ("a.b.fifo", {"FifoTopic": "true"})):
        with refused("InvalidParameter", 400):
            sns.create_topic(Name=bad, Attributes=attributes)
    sns.set_topic_attributes(TopicArn=fifo.topic, AttributeName="ContentBasedDeduplication", AttributeValue="false")
    sns.set_topic_attributes(TopicArn=fifo.topic, AttributeName="FifoThroughputScope", AttributeValue="MessageGroup")
    with refused("InvalidParameter", 400):  # "once enabled, this cannot be reversed"
        sns.set_topic_attributes(TopicArn=fifo.topic, AttributeName="FifoThroughputScope", AttributeValue="Topic")
    found = sns.get_topic_attributes(TopicArn=fifo.topic)["Attributes"]
    assert (found["ContentBasedDeduplication"], found["FifoThroughputScope"]) == ("false", "MessageGroup")
    plain = sns.create_topic(Name=unique("plain"))["TopicArn"]
    assert "FifoTopic" not in sns.get_topic_attributes(TopicArn=plain)["Attributes"]
    with refused("InvalidParameter", 400):
        sns.set_topic_attributes(TopicArn=plain, AttributeName="ContentBasedDeduplication", AttributeValue="true")


def test_messages_need_a_group_and_an_id(server):
    fifo = Fifo(server)
    with refused("InvalidParameter", 400, "The MessageGroupId parameter is required for FIFO topics"):
        fifo.sns.publish(TopicArn=fifo.topic, Message="x", MessageDeduplicationId="1")
    with refused("InvalidParameter", 400, "MessageDeduplicationId provided explicitly"):
        fifo.publish("x")
    for bad in ("", "a b", "x" * 129):
        with refused("InvalidParameter", 400):
            fifo.publish("x", MessageDeduplicationId=bad)
    plain = fifo.sns.create_topic(Name=unique("plain"))["TopicArn"]
    with refused("InvalidParameter", 400, "not valid for this topic type"):
        fifo.sns.publish(TopicArn=plain, Message="x", MessageDeduplicationId="1")


def test_order_within_groups_and_what_queues_get(fifo):
    enveloped, raw, standard = fifo.subscribed(), fifo.subscribed(RawMessageDelivery="true"), fifo.subscribed("")
    answers = [fifo.publish(f"m{n}", f"g{n % 3}") for n in range(12)]
    numbers = [answer["SequenceNumber"] for answer in answers]
    assert numbers == sorted(numbers) and len(set(numbers)) == 12 and all(len(n) == 20 for n in numbers)
    for url, body in ((enveloped, lambda m: json.loads(m["Body"])["Message"]), (raw, lambda m: m["Body"])):
        found = fifo.take(url, 12)
        for group in ("g0", "g1", "g2"):
            of_group = [m for m in found if m["Attributes"]["MessageGroupId"] == group]
            assert [body(m) for m in of_group] == [f"m{n}" for n in range(12) if f"g{n % 3}" == group]
        ids = {body(m): m["Attributes"]["MessageDeduplicationId"] for m in found}
        assert ids["m5"] == hashlib.sha256(b"m5").hexdigest()
        if url == enveloped:
            told = {json.loads(m["Body"])["Message"]: json.loads(m["Body"]) for m in found}
            assert told["m7"]["SequenceNumber"] == numbers[7] and told["m7"]["MessageId"] == answers[7]["MessageId"]
    found = fifo.take(standard, 12)
    assert sorted(json.loads(m["Body"])["Message"] for m in found) == sorted(f"m{n}" for n in range(12))
    assert all("MessageGroupId" not in m.get("Attributes", {}) for m in found)


def test_messages_are_delivered_once_in_five_minutes(own):
    fifo = Fifo(own)
    url = fifo.subscribed(RawMessageDelivery="true")
    first = fifo.publish("one", MessageDeduplicationId="id")
    again = fifo.publish("two", "other-group", MessageDeduplicationId="id")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    own.restart_after_kill()
    fifo.publish("three", MessageDeduplicationId="id")
    own.advance(299)
    fifo.publish("four", MessageDeduplicationId="id")
    own.advance(2)
    assert fifo.publish("five", MessageDeduplicationId="id")["MessageId"] != first["MessageId"]
    assert [m["Body"] for m in fifo.take(url, 2)] == ["one", "five"]
    # By group, ids of others do not count.
    fifo = Fifo(own, FifoThroughputScope="MessageGroup", ContentBasedDeduplication="true")
    url = fifo.subscribed(RawMessageDelivery="true")
    for group in ("a", "b", "a"):
        fifo.publish("same", group)
    # The queue's own deduplication is by queue, so it has one only; the answers tell that two were taken.
    assert len({fifo.publish("same", group)["SequenceNumber"] for group in ("a", "b")}) == 2
    assert [m["Body"] for m in fifo.take(url, 1)] == ["same"]


def test_filters_batches_and_their_failures(fifo):
    url = fifo.subscribed(RawMessageDelivery="true", FilterPolicy=json.dumps({"kind": ["kept"]}))
    kept = {"kind": {"DataType": "String", "StringValue": "kept"}}
    entries = [{"Id": str(n), "Message": f"m{n}", "MessageGroupId": "g", **({"MessageAttributes": kept} if n % 2 else {})}
               for n in range(8)]
    entries += [{"Id": "no-subject", "Message": "x", "MessageGroupId": "g", "Subject": ""}, {"Id": "again", "Message": "m1", "MessageGroupId": "g"}]
    answer = fifo.sns.publish_batch(TopicArn=fifo.topic, PublishBatchRequestEntries=entries)
    numbers = {entry["Id"]: entry["SequenceNumber"] for entry in answer["Successful"]}
    assert [failed["Id"] for failed in answer["Failed"]] == ["no-subject"]
    assert answer["Failed"][0]["SenderFault"] and answer["Failed"][0]["Code"] == "InvalidParameter"
    assert numbers["again"] == numbers["1"]
    assert sorted(numbers, key=numbers.get)[:2] == ["0", "1"] or numbers["0"] < numbers["1"] < numbers["7"]
    assert [m["Body"] for m in fifo.take(url, 4)] == ["m1", "m3", "m5", "m7"]


def test_what_fifo_topics_deliver_to(server, fifo):
    for protocol, endpoint in (("lambda", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
                               ("firehose", f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/s")):
        with refused("InvalidParameter", 400, "FIFO"):
            fifo.sns.subscribe(TopicArn=fifo.topic, Protocol=protocol, Endpoint=endpoint)
    plain = fifo.sns.create_topic(Name=unique("plain"))["TopicArn"]
    _, arn = fifo.queue()
    with refused("InvalidParameter", 400, "FIFO SQS Queues can not be subscribed"):
        fifo.sns.subscribe(TopicArn=plain, Protocol="sqs", Endpoint=arn)
    _, dead = fifo.queue("")
    with refused("InvalidParameter", 400, "must use a FIFO queue as DLQ"):
        fifo.sns.subscribe(TopicArn=fifo.topic, Protocol="sqs", Endpoint=arn,
                           Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})})


def test_dead_letters_keep_their_order(fifo):
    dead, arn = fifo.queue()
    fifo.subscribed(let_in=False, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn}), RawMessageDelivery="true")
    for n in range(5):
        fifo.publish(f"m{n}")
    found = fifo.take(dead, 5)
    assert [m["Body"] for m in found] == [f"m{n}" for n in range(5)]
    assert {m["Attributes"]["MessageGroupId"] for m in found} == {"g"}


def test_large_messages_to_many_queues_keep_their_order(own):
    """More than fits a commit goes out in steps: what comes afterwards does not overtake it, across kills either."""
    fifo = Fifo(own)
    urls = [fifo.subscribed(RawMessageDelivery="true") for _ in range(12)]
    for n in range(6):
        size = 200_000 if n % 2 == 0 else 10
        fifo.publish(f"{n}:" + "x" * size, MessageDeduplicationId=str(n))
        if n == 2:
            own.restart_after_kill()
    for url in urls:
        assert [m["Body"].split(":")[0] for m in fifo.take(url, 6)] == [str(n) for n in range(6)]


def test_topics_and_queues_of_templates(server):
    stacks, name = server.client("cloudformation"), unique("fifo")
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {
        "FifoTopic": True, "ContentBasedDeduplication": True, "FifoThroughputScope": "MessageGroup"}}},
        "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}}}
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    [output] = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    assert output["OutputValue"].endswith(".fifo")
    found = server.client("sns").get_topic_attributes(TopicArn=output["OutputValue"])["Attributes"]
    assert (found["ContentBasedDeduplication"], found["FifoThroughputScope"]) == ("true", "MessageGroup")
    stacks.delete_stack(StackName=name)


class Publishers:
    """Threads that publish, one for each group, each message until it is acknowledged; then they publish an end."""

    def __init__(self, fifo, groups):
        self.fifo, self.groups, self.acknowledged = fifo, groups, {}
        self.running = threading.Event()
        self.running.set()
        self.threads = [threading.Thread(target=self.work, args=(group,)) for group in range(groups)]
        for thread in self.threads:
            thread.start()

    def work(self, group):
        sns, number = self.fifo.server.client("sns", connect_timeout=2, read_timeout=10), 0
        while self.running.is_set():
            self.until_acknowledged(sns, group, f"{group}-{number}")
            number += 1
        self.until_acknowledged(sns, group, f"{group}-end")

    def until_acknowledged(self, sns, group, body):
        while body not in self.acknowledged:
            try:
                answer = sns.publish(TopicArn=self.fifo.topic, Message=body, MessageGroupId=f"g{group}",
                                     MessageDeduplicationId=body)
            except (BotoCoreError, ClientError):
                continue  # the same one again, under the same id
            self.acknowledged[body] = answer["SequenceNumber"]

    def progress(self, count):
        goal = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= goal, "progress")

    def end(self):
        self.running.clear()
        for thread in self.threads:
            thread.join()

    def of(self, group):
        """The group's messages in the order of their acknowledgements."""
        return [body for body in self.acknowledged if body.startswith(f"{group}-")]

    def check_numbers(self):
        """Each group's sequence numbers grow."""
        for group in range(self.groups):
            numbers = [self.acknowledged[body] for body in self.of(group)]
            assert numbers == sorted(set(numbers)), group


def drained(fifo, url, ends):
    """The bodies of a queue up to the last end, and whatever comes behind it. What was sent to a queue before an end is in
    the queue before it."""
    found = []

    def all_ends():
        found.extend(m["Body"] for m in fifo.take(url, 1))
        return len({body for body in found if body.endswith("-end")}) == ends
    eventually(all_ends, f"the ends in {url}", seconds=120)
    while more := fifo.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in more:
            fifo.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message["Body"])
    return found


def check_received(fifo, publishers, urls):
    """Each FIFO queue has every message once, in the order of its group; a standard queue, which knows no deduplication,
    every message once."""
    for url in urls:
        found = drained(fifo, url, publishers.groups)
        assert sorted(found) == sorted(publishers.acknowledged), url
        if url.endswith(".fifo"):
            for group in range(publishers.groups):
                assert [body for body in found if body.startswith(f"{group}-")] == publishers.of(group), (url, group)


def test_history_with_kills(own):
    """Publishers that retry under the same id, kills at random moments: no message is lost, none comes twice, none
    overtakes another one of its group. What was acknowledged before a kill is remembered after it."""
    fifo, chance = Fifo(own), random.Random(20261121)
    urls = [*(fifo.subscribed(RawMessageDelivery="true") for _ in range(2)), fifo.subscribed("", RawMessageDelivery="true")]
    publishers = Publishers(fifo, 3)
    for _ in range(5):
        publishers.progress(chance.randrange(20, 120))
        own.restart_after_kill()
        body = chance.choice(list(publishers.acknowledged))
        again = fifo.publish(body, "g" + body.split("-")[0], MessageDeduplicationId=body)
        assert again["SequenceNumber"] == publishers.acknowledged[body]
    publishers.progress(30)
    publishers.end()
    publishers.check_numbers()
    check_received(fifo, publishers, urls)


def test_history_of_replays_with_kills(own):
    """The same, of queues that are subscribed one after the other with a replay of all there was: each has every message
    once, the old ones and those that were published while its replay went on, across kills."""
    fifo, chance = Fifo(own, ArchivePolicy='{"MessageRetentionPeriod":"1"}'), random.Random(20261122)
    began = fifo.sns.get_topic_attributes(TopicArn=fifo.topic)["Attributes"]["BeginningArchiveTime"]
    policy = json.dumps({"PointType": "Timestamp", "StartingPoint": began})
    publishers, urls = Publishers(fifo, 3), []
    publishers.progress(300)
    for n in range(6):
        urls.append(fifo.subscribed(".fifo" if n % 3 else "", RawMessageDelivery="true", ReplayPolicy=policy))
        publishers.progress(chance.randrange(1, 40))
        own.restart_after_kill()
    publishers.progress(30)
    publishers.end()
    publishers.check_numbers()
    check_received(fifo, publishers, urls)
    for subscription in fifo.sns.list_subscriptions_by_topic(TopicArn=fifo.topic)["Subscriptions"]:
        found = fifo.sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
        assert found["ReplayStatus"] == "Completed"
