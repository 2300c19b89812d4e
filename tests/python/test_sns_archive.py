"""The archive of FIFO topics and its replay, through boto3.

Sources: in the SNS developer guide "Message archiving and replay for FIFO topics" with its pages for topic owners and for
subscribers; the API reference (SetTopicAttributes, GetTopicAttributes, SetSubscriptionAttributes, Subscribe, DeleteTopic).
The error of DeleteTopic: the Terraform provider's tests of `aws_sns_topic` and the SNS controller for Kubernetes quote it.

A queue in a test forgets deduplication ids after 5 minutes: a replay keeps the messages' own.
"""

import json
from datetime import datetime, timedelta

import pytest

from support import eventually, queue_arn, refused, unique
from test_sns_fifo import Fifo

DAY = 24 * 60 * 60
SIX_MINUTES = 6 * 60


def moment(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def replay_policy(start, end=None):
    return json.dumps({"PointType": "Timestamp", "StartingPoint": moment(start), **({"EndingPoint": moment(end)} if end else {})})


class Archive(Fifo):
    """A FIFO topic with an archive."""

    def __init__(self, server, days=30, **attributes):
        super().__init__(server, ContentBasedDeduplication="true",
                         ArchivePolicy=json.dumps({"MessageRetentionPeriod": str(days)}), **attributes)

    def attributes(self):
        return self.sns.get_topic_attributes(TopicArn=self.topic)["Attributes"]

    def archive(self, value):
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="ArchivePolicy", AttributeValue=value)

    def subscribe(self, url, **attributes):
        return self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn(self.sqs, url),
                                  Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def subscription(self, arn):
        return self.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]

    def replay(self, arn, *points):
        value = replay_policy(*points) if points else "{}"
        self.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="ReplayPolicy", AttributeValue=value)

    def ended(self, arn, status="Completed"):
        """Waits for the end of a replay: it stays as it ended."""
        eventually(lambda: self.subscription(arn)["ReplayStatus"] in ("Completed", "Failed"), "the replay's end")
        assert self.subscription(arn)["ReplayStatus"] == status

    def messages(self, url, count):
        """So many messages by their envelopes, and whether they were replayed."""
        found = [json.loads(m["Body"]) for m in self.take(url, count)]
        return [(m["Message"], m.get("Replayed")) for m in found]


def test_archive_policy(own):
    topic = Archive(own, days=10)
    began = own.now()
    found = topic.attributes()
    assert found["ArchivePolicy"] == '{"MessageRetentionPeriod":"10"}'
    beginning = datetime.fromisoformat(found["BeginningArchiveTime"])
    assert timedelta(0) <= began - beginning < timedelta(minutes=1)
    name = topic.topic.split(":")[-1]
    same = {"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod": 10}'}
    assert topic.sns.create_topic(Name=name, Attributes=same)["TopicArn"] == topic.topic
    with refused("InvalidParameter", 400, "Topic already exists with different attributes"):
        topic.sns.create_topic(Name=name, Attributes={"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod":"11"}'})
    own.advance(20 * DAY)
    began, own_time = datetime.fromisoformat(topic.attributes()["BeginningArchiveTime"]), own.now()
    assert timedelta(days=10) <= own_time - began < timedelta(days=10, minutes=1)
    with refused("InvalidState", 400, "Invalid state: Cannot delete a topic with an ArchivePolicy"):
        topic.sns.delete_topic(TopicArn=topic.topic)
    topic.archive("{}")
    assert not {"ArchivePolicy", "BeginningArchiveTime"} & topic.attributes().keys()
    topic.sns.delete_topic(TopicArn=topic.topic)


@pytest.mark.parametrize("policy, why", [
    ("{", "Unable to parse JSON"),
    ("[]", "JSON is missing required fields"),
    ('{"Days":1}', "JSON is missing required fields"),
    ('{"MessageRetentionPeriod":"0"}', "MessageRetentionPeriod value is invalid"),
    ('{"MessageRetentionPeriod":366}', "MessageRetentionPeriod value is invalid"),
    ('{"MessageRetentionPeriod":"a week"}', "MessageRetentionPeriod value is invalid"),
])
def test_archive_policies_that_are_none(server, policy, why):
    sns = server.client("sns")
    with refused("InvalidParameter", 400, f"Invalid parameter: Attributes Reason: ArchivePolicy: {why}"):
        sns.create_topic(Name=unique() + ".fifo", Attributes={"FifoTopic": "true", "ArchivePolicy": policy})
    topic = sns.create_topic(Name=unique() + ".fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    with refused("InvalidParameter", 400, f"Invalid parameter: ArchivePolicy: {why}"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue=policy)


def test_only_fifo_topics_have_archives(server):
    sns, (_, queue) = server.client("sns"), Fifo(server).queue("")
    policy = '{"MessageRetentionPeriod":"1"}'
    with refused("InvalidParameter", 400):
        sns.create_topic(Name=unique(), Attributes={"ArchivePolicy": policy})
    topic = sns.create_topic(Name=unique())["TopicArn"]
    with refused("InvalidParameter", 400, "AttributeName"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue=policy)
    with refused("InvalidParameter", 400, "AttributeName"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"ReplayPolicy": replay_policy(server.now())})


def test_replay_policies_that_are_none(server):
    topic = Archive(server)
    url, arn = topic.queue()
    subscription = topic.subscribe(url)
    now = server.now()
    early, late = now - timedelta(days=1), now + timedelta(days=1)
    for policy, why in (("{", "Unable to parse JSON"), ("1", "JSON is missing required fields"),
                        (json.dumps({"PointType": "Timestamp"}), "JSON is missing required fields"),
                        (replay_policy(now).replace("Timestamp", "Number"), "Invalid PointType"),
                        (replay_policy(early), "Invalid StartingPoint value"),
                        (replay_policy(late), "Invalid StartingPoint value"),
                        (json.dumps({"PointType": "Timestamp", "StartingPoint": "now"}), "Invalid StartingPoint value"),
                        (replay_policy(now, early), "Invalid EndingPoint value")):
        with refused("InvalidParameter", 400, f"Invalid parameter: ReplayPolicy: {why}"):
            topic.sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="ReplayPolicy", AttributeValue=policy)
    assert not {"ReplayPolicy", "ReplayStatus"} & topic.subscription(subscription).keys()
    other = Fifo(server)
    with refused("InvalidParameter", 400, "Attributes Reason: ReplayPolicy: Topic does not have an ArchivePolicy"):
        other.sns.subscribe(TopicArn=other.topic, Protocol="sqs", Endpoint=arn, Attributes={"ReplayPolicy": replay_policy(now)})


def test_replay_to_new_subscriptions(own):
    """Both kinds of queue, in order by group, with the messages' own ids, times and sequence numbers."""
    topic = Archive(own)
    first, began = topic.subscribed(), own.now()
    for n in range(150):
        topic.publish(f"m{n}", f"g{n % 3}")
    originals = [json.loads(m["Body"]) for m in topic.take(first, 150)]
    assert all("Replayed" not in m for m in originals)
    over = own.now()
    own.advance(DAY)
    for suffix in (".fifo", ""):
        url, _ = topic.queue(suffix)
        arn = topic.subscribe(url, ReplayPolicy=replay_policy(began, over))
        topic.ended(arn)
        found = [json.loads(m["Body"]) for m in topic.take(url, 150)]
        strip = lambda m: {k: m[k] for k in ("MessageId", "Message", "Timestamp", "SequenceNumber", "TopicArn")}
        assert all(m["Replayed"] == "true" for m in found)
        key = lambda m: m["SequenceNumber"]
        assert sorted(map(strip, found), key=key) == sorted(map(strip, originals), key=key)
        if suffix:
            for group in range(3):
                assert [m["Message"] for m in found if int(m["Message"][1:]) % 3 == group] == [f"m{n}" for n in range(group, 150, 3)]
        topic.publish(f"live{suffix}")
        assert topic.messages(url, 1) == [(f"live{suffix}", None)]


def test_what_a_replay_is_about(own):
    """Starting and ending points, the filter policy, and that a replay may be asked for again."""
    topic = Archive(own)
    url, _ = topic.queue()
    arn = topic.subscribe(url, FilterPolicyScope="MessageBody", FilterPolicy=json.dumps({"even": [True]}))
    times = []
    for n in range(8):
        own.advance(60)
        times.append(own.now() - timedelta(seconds=1))
        topic.publish(json.dumps({"n": n, "even": n % 2 == 0}))
    numbers = lambda count: [(json.loads(text)["n"], replayed) for text, replayed in topic.messages(url, count)]
    assert numbers(4) == [(0, None), (2, None), (4, None), (6, None)]
    own.advance(SIX_MINUTES)
    topic.replay(arn, times[2], times[6])
    topic.ended(arn)
    assert numbers(2) == [(2, "true"), (4, "true")]
    found = topic.subscription(arn)
    assert json.loads(found["ReplayPolicy"])["EndingPoint"] == moment(times[6])
    own.advance(SIX_MINUTES)
    topic.replay(arn, times[5])
    topic.ended(arn)
    assert numbers(1) == [(6, "true")]
    topic.replay(arn)
    assert not {"ReplayPolicy", "ReplayStatus"} & topic.subscription(arn).keys()
    topic.publish(json.dumps({"n": 8, "even": True}))
    assert numbers(1) == [(8, None)]


def test_messages_published_during_a_replay_follow_it(own):
    """A replay in many steps, kills in the middle, publications meanwhile: each comes once, the old ones first."""
    topic = Archive(own)
    began = own.now()
    large = "x" * 100_000
    for n in range(40):
        topic.publish(f"{n}:{large}")
    url, _ = topic.queue()
    own.advance(SIX_MINUTES)
    arn = topic.subscribe(url, RawMessageDelivery="true", ReplayPolicy=replay_policy(began))
    for n in range(40, 70):
        topic.publish(f"{n}:")
        if n % 10 == 5:
            own.restart_after_kill()
    found = [m["Body"].split(":")[0] for m in topic.take(url, 70)]
    assert found == [str(n) for n in range(70)]
    topic.ended(arn)
    topic.publish("last:")
    assert [m["Body"] for m in topic.take(url, 1)] == ["last:"]


def test_a_replay_waits_for_publications_before_it(own):
    """Large messages to many queues go out in steps; a replay asked for meanwhile delivers them neither twice nor in
    another order."""
    topic = Archive(own)
    urls = [topic.queue()[0] for _ in range(12)]
    arns = [topic.subscribe(url, RawMessageDelivery="true") for url in urls]
    began = own.now()
    own.advance(1)
    for n in range(6):
        topic.publish(f"{n}:" + "x" * (200_000 if n % 2 == 0 else 10))
        if n == 2:
            # Nothing is as old as that: the replay is all of what is held back.
            topic.replay(arns[3], began, began)
            topic.replay(arns[7], began, began)
        if n == 4:
            topic.replay(arns[7])
            topic.replay(arns[5], began, began)
            own.restart_after_kill()
    topic.publish("end", MessageDeduplicationId="end")
    for url in urls:
        assert [m["Body"].split(":")[0] for m in topic.take(url, 7)] == [*map(str, range(6)), "end"]
    for arn in (arns[3], arns[5]):
        topic.ended(arn)


def test_archived_messages_end(own):
    topic = Archive(own, days=2)
    for n in range(250):
        topic.publish(f"old{n}")
    own.advance(DAY)
    middle = own.now()
    topic.publish("young")
    own.advance(DAY + 60)
    own.restart_after_kill()
    url, _ = topic.queue()
    with refused("InvalidParameter", 400, "Invalid StartingPoint value"):
        topic.subscribe(url, ReplayPolicy=replay_policy(middle - timedelta(days=1)))
    beginning = datetime.fromisoformat(topic.attributes()["BeginningArchiveTime"])
    arn = topic.subscribe(url, RawMessageDelivery="true", ReplayPolicy=replay_policy(beginning + timedelta(minutes=1)))
    topic.ended(arn)
    topic.publish("new")
    assert [m["Body"] for m in topic.take(url, 2)] == ["young", "new"]


def test_what_is_left_of_an_archive_that_was_ended(own):
    """Nothing of it is replayed again; what was held back for a replay that it ended comes nevertheless."""
    topic = Archive(own)
    began = own.now()
    for n in range(30):
        topic.publish(f"{n}:" + "x" * 100_000)
    url, _ = topic.queue()
    arn = topic.subscribe(url, RawMessageDelivery="true", ReplayPolicy=replay_policy(began))
    topic.publish("live:0")
    topic.archive("{}")
    topic.publish("live:1")
    eventually(lambda: topic.subscription(arn)["ReplayStatus"] in ("Completed", "Failed"), "the replay's end")
    found = []

    def last():
        found.extend(m["Body"] for m in topic.take(url, 1))
        return found[-1] == "live:1"
    eventually(last, "what was published last")
    old = [int(body.split(":")[0]) for body in found[:-2]]
    assert old == list(range(len(old))) and found[-2:] == ["live:0", "live:1"]
    assert topic.subscription(arn)["ReplayStatus"] == ("Completed" if len(old) == 30 else "Failed")
    topic.archive('{"MessageRetentionPeriod":"3"}')
    with refused("InvalidParameter", 400, "Invalid StartingPoint value"):
        topic.replay(arn, began)
    again = own.now()
    topic.publish("new")
    own.advance(SIX_MINUTES)
    url, _ = topic.queue()
    topic.ended(topic.subscribe(url, RawMessageDelivery="true", ReplayPolicy=replay_policy(again)))
    assert [m["Body"] for m in topic.take(url, 1)] == ["new"]


def test_archives_and_replays_of_templates(own):
    stacks, name, fifo = own.client("cloudformation"), unique("archive"), Fifo(own)
    url, arn = fifo.queue()

    def template(days, **more):
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"FifoTopic": True, "ContentBasedDeduplication": True,
                                                          "ArchivePolicy": days and {"MessageRetentionPeriod": days}}}
        subscription = {"Type": "AWS::SNS::Subscription", "Properties": {
            "TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": arn, "Region": {"Ref": "AWS::Region"}, **more}}
        endpoint = {"Type": "AWS::SNS::Subscription", "Properties": {
            "TopicArn": {"Ref": "Plain"}, "Protocol": "http", "Endpoint": "http://127.0.0.1:1/x",
            "DeliveryPolicy": {"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}}}}
        return json.dumps({"Resources": {"Topic": topic, "Plain": {"Type": "AWS::SNS::Topic"}, "Subscription": subscription,
                                         "Endpoint": endpoint},
                           "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}, "Subscription": {"Value": {"Ref": "Subscription"}},
                                       "Plain": {"Value": {"Ref": "Plain"}}}})

    def outputs(what):
        stacks.get_waiter(f"stack_{what}_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        found = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    stacks.create_stack(StackName=name, TemplateBody=template("5"))
    made = outputs("create")
    attributes = lambda: fifo.sns.get_topic_attributes(TopicArn=made["Topic"])["Attributes"]
    assert attributes()["ArchivePolicy"] == '{"MessageRetentionPeriod":"5"}'
    start = moment(own.now())
    stacks.update_stack(StackName=name, TemplateBody=template(
        7, ReplayPolicy={"PointType": "Timestamp", "StartingPoint": start}))
    assert outputs("update") == made
    assert attributes()["ArchivePolicy"] == '{"MessageRetentionPeriod":"7"}'
    found = fifo.sns.get_subscription_attributes(SubscriptionArn=made["Subscription"])["Attributes"]
    assert json.loads(found["ReplayPolicy"])["StartingPoint"] == start
    stacks.update_stack(StackName=name, TemplateBody=template({"Ref": "AWS::NoValue"}).replace(
        '"ArchivePolicy": {"MessageRetentionPeriod": {"Ref": "AWS::NoValue"}}', '"ArchivePolicy": {}'))
    outputs("update")
    assert "ArchivePolicy" not in attributes()
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
