"""SNS through boto3: topics, subscriptions of queues, filters, dead letters; every delivery by policy."""

import json
from datetime import datetime

import pytest
from botocore.exceptions import ClientError

from support import (ACCOUNT, REGION, counts, document, eventually, md5_of_attributes, queue_arn, receive,
                     refused, unique)


def let_topics_send(sqs, url, *topics):
    """The queue's policy lets these topics send, and nobody else."""
    statements = [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                   "Resource": queue_arn(sqs, url), "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
                  for topic in topics]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(*statements)})


def subscribe(sns, sqs, topic, url, **attributes):
    let_topics_send(sqs, url, topic)
    return sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(sqs, url), Attributes=attributes,
                         ReturnSubscriptionArn=True)["SubscriptionArn"]


def text(value, kind="String"):
    return {"DataType": kind, "StringValue": value}


# ---- topics -------------------------------------------------------------------------------------------


def test_a_topic_and_its_attributes(sns, name):
    arn = sns.create_topic(Name=name, Attributes={"DisplayName": "First"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
    found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert found["TopicArn"] == arn and found["Owner"] == ACCOUNT and found["DisplayName"] == "First"
    assert {found[f"Subscriptions{k}"] for k in ("Confirmed", "Pending", "Deleted")} == {"0"}
    assert json.loads(found["Policy"])["Statement"]
    assert sns.create_topic(Name=name)["TopicArn"] == arn
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Second")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "Second"
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)  # deleting what is not there is no error
    with refused("NotFound", 404, "Topic does not exist"):
        sns.get_topic_attributes(TopicArn=arn)
    with refused("NotFound", 404):
        sns.publish(TopicArn=arn, Message="x")


@pytest.mark.parametrize("bad", ["", "a" * 257, "with space", "dot.ted", "ü"])
def test_bad_topic_names(sns, bad):
    with refused("InvalidParameter", 400):
        sns.create_topic(Name=bad)


def test_what_is_not_implemented_is_refused_by_name(sns, topic, name):
    with pytest.raises(ClientError, match="PhoneNumber"):
        sns.publish(PhoneNumber="+15550100", Message="x")
    with pytest.raises(ClientError, match="KmsMasterKeyId"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    with pytest.raises(ClientError, match="(?i)email"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="somebody@example.com")
    assert "Subscriptions" not in sns.list_subscriptions_by_topic(TopicArn=topic) or \
        sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    with pytest.raises(ClientError, match="CreatePlatformApplication"):
        sns.create_platform_application(Name="x", Platform="GCM", Attributes={})


def test_topics_come_in_pages_of_100(own):
    sns = own.client("sns")
    arns = sorted(sns.create_topic(Name=f"t{n:03}")["TopicArn"] for n in range(120))
    first = sns.list_topics()
    assert len(first["Topics"]) == 100
    second = sns.list_topics(NextToken=first["NextToken"])
    assert "NextToken" not in second
    assert sorted(t["TopicArn"] for t in first["Topics"] + second["Topics"]) == arns
    with pytest.raises(ClientError):
        sns.list_topics(NextToken="made up")


def test_tags(sns, topic):
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "3"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["b", "none"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "3"}]
    with refused("ResourceNotFound", 404):
        sns.list_tags_for_resource(ResourceArn=topic + "-none")


def test_permissions_let_another_account_publish(server, sns, sqs, topic, queue):
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    other = server.client("sns", key=("222222222222", "test"))
    with refused("AuthorizationError", 403):
        other.publish(TopicArn=topic, Message="no")
    sns.add_permission(TopicArn=topic, Label="let-in", AWSAccountId=["222222222222"], ActionName=["Publish"])
    other.publish(TopicArn=topic, Message="yes")
    with refused("AuthorizationError", 403):
        other.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="theirs")
    with refused("InvalidParameter", 400):
        sns.add_permission(TopicArn=topic, Label="let-in", AWSAccountId=["222222222222"], ActionName=["Publish"])
    sns.remove_permission(TopicArn=topic, Label="let-in")
    with refused("AuthorizationError", 403):
        other.publish(TopicArn=topic, Message="no")
    assert [m["Body"] for m in receive(sqs, queue, 1)] == ["yes"]


# ---- subscriptions ------------------------------------------------------------------------------------


def test_subscriptions(sns, sqs, topic, queue, name):
    arn = subscribe(sns, sqs, topic, queue)
    assert arn.startswith(f"{topic}:")
    endpoint = queue_arn(sqs, queue)
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)["SubscriptionArn"] == arn
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    wanted = {"SubscriptionArn": arn, "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint, "Owner": ACCOUNT,
              "RawMessageDelivery": "false", "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"}
    assert {k: found.get(k) for k in wanted} == wanted
    listed, = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed == {"SubscriptionArn": arn, "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint,
                      "Owner": ACCOUNT}
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
    # The same endpoint with other attributes is a mistake, not a change.
    with refused("InvalidParameter", 400, "Subscription already exists with different attributes"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes={"RawMessageDelivery": "true"})
    sns.unsubscribe(SubscriptionArn=arn)
    with refused("NotFound", 404):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    sns.publish(TopicArn=topic, Message="to nobody")
    assert counts(sqs, queue) == (0, 0, 0)


def test_subscriptions_come_in_pages_and_go_with_their_topic(own):
    sns, sqs = own.client("sns"), own.client("sqs")
    topic = sns.create_topic(Name="t")["TopicArn"]
    arns = set()
    for n in range(105):
        endpoint = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q{n}"
        sqs.create_queue(QueueName=f"q{n}")
        arns.add(sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)["SubscriptionArn"])
    for method, arguments in (("list_subscriptions", {}), ("list_subscriptions_by_topic", {"TopicArn": topic})):
        pages = [page["Subscriptions"] for page in sns.get_paginator(method).paginate(**arguments)]
        assert [len(page) for page in pages] == [100, 5]
        assert {s["SubscriptionArn"] for page in pages for s in page} == arns
    sns.delete_topic(TopicArn=topic)
    eventually(lambda: not sns.list_subscriptions().get("Subscriptions"), "the subscriptions' end")


@pytest.mark.parametrize("attributes", [
    {"RawMessageDelivery": "maybe"}, {"FilterPolicyScope": "Headers"}, {"FilterPolicy": "{"},
    {"FilterPolicy": json.dumps({"a": {"b": ["c"]}})}, {"FilterPolicy": json.dumps({"a": "b"})},
    {"FilterPolicy": json.dumps({"a": [{"numeric": ["<", "x"]}]})},
    {"FilterPolicy": json.dumps({"a": [{"resembles": "b"}]})},
    {"RedrivePolicy": json.dumps({"deadLetterTargetArn": "no arn"})}, {"Colour": "red"}])
def test_bad_subscription_attributes(sns, sqs, topic, queue, attributes):
    with refused("InvalidParameter", 400):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(sqs, queue), Attributes=attributes)
    assert not sns.list_subscriptions_by_topic(TopicArn=topic).get("Subscriptions")


# ---- publishing ---------------------------------------------------------------------------------------


def test_the_envelope_of_a_notification(sns, sqs, topic, queue):
    arn = subscribe(sns, sqs, topic, queue)
    attributes = {"kind": text("order"), "weight": text("1.5", "Number"), "tags": text('["a"]', "String.Array"),
                  "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
    sent = sns.publish(TopicArn=topic, Message="Grüße \"x\"", Subject="Hello", MessageAttributes=attributes)
    message, = receive(sqs, queue, 1, MessageAttributeNames=["All"])
    body = json.loads(message["Body"])
    assert body["Type"] == "Notification" and body["MessageId"] == sent["MessageId"]
    assert body["TopicArn"] == topic and body["Subject"] == "Hello" and body["Message"] == "Grüße \"x\""
    datetime.strptime(body["Timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert arn in body["UnsubscribeURL"]
    assert body["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "order"}, "weight": {"Type": "Number", "Value": "1.5"},
        "tags": {"Type": "String.Array", "Value": '["a"]'}, "raw": {"Type": "Binary", "Value": "AAE="}}
    assert "MessageAttributes" not in message
    sns.publish(TopicArn=topic, Message="bare")
    bare = json.loads(receive(sqs, queue, 1)[0]["Body"])
    assert "Subject" not in bare and "MessageAttributes" not in bare


def test_raw_delivery_carries_body_and_attributes(sns, sqs, topic, queue):
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    attributes = {"kind": text("order"), "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff"}}
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes=attributes)
    message, = receive(sqs, queue, 1, MessageAttributeNames=["All"])
    assert message["Body"] == "plain" and message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == md5_of_attributes(attributes)


def test_a_message_per_protocol(sns, sqs, topic, queue):
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    for message, expected in (({"default": "all", "sqs": "queues"}, "queues"), ({"default": "all", "http": "x"}, "all")):
        sns.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps(message))
        assert receive(sqs, queue, 1)[0]["Body"] == expected
    for bad in ("no json", json.dumps({"sqs": "no default"}), "[]"):
        with refused("InvalidParameter", 400):
            sns.publish(TopicArn=topic, MessageStructure="json", Message=bad)


@pytest.mark.parametrize("arguments", [
    {"Message": ""}, {"Message": "x" * (256 * 1024 + 1)}, {"Message": "x", "Subject": "a" * 101},
    {"Message": "x", "Subject": "two\nlines"}, {"Message": "x", "Subject": ""},
    {"Message": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
    {"Message": "x", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "one"}}},
    {"Message": "x", "MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}},
    {"Message": "x", "MessageStructure": "xml"}])
def test_publishes_that_are_refused(sns, sqs, topic, queue, arguments):
    subscribe(sns, sqs, topic, queue)
    with refused(("InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"), 400):
        sns.publish(TopicArn=topic, **arguments)
    assert counts(sqs, queue) == (0, 0, 0)


def test_a_message_of_256_kib_arrives(sns, sqs, topic, queue):
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    sns.publish(TopicArn=topic, Message="y" * 256 * 1024)
    assert receive(sqs, queue, 1)[0]["Body"] == "y" * 256 * 1024


def test_batches(sns, sqs, topic, queue):
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": "a", "Message": "one"}, {"Id": "b", "Message": ""},
        {"Id": "c", "Message": "three", "MessageAttributes": {"k": text("v")}}])
    assert [e["Id"] for e in answer["Successful"]] == ["a", "c"] and all(e["MessageId"] for e in answer["Successful"])
    failed, = answer["Failed"]
    assert failed["Id"] == "b" and failed["Code"] == "InvalidParameter" and failed["SenderFault"] is True
    got = receive(sqs, queue, 2, MessageAttributeNames=["All"])
    assert {m["Body"]: m.get("MessageAttributes") for m in got} == {"one": None, "three": {"k": text("v")}}


@pytest.mark.parametrize("entries, code", [
    ([], "EmptyBatchRequest"), ([{"Id": str(n), "Message": "x"} for n in range(11)], "TooManyEntriesInBatchRequest"),
    ([{"Id": "a", "Message": "x"}] * 2, "BatchEntryIdsNotDistinct"), ([{"Id": "no good", "Message": "x"}], "InvalidBatchEntryId"),
    ([{"Id": str(n), "Message": "x" * 150_000} for n in range(2)], "BatchRequestTooLong")])
def test_batches_that_are_refused_whole(sns, topic, entries, code):
    with refused(code, 400):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)


# ---- filters ------------------------------------------------------------------------------------------

SHOWN = [  # policy, attributes that match, attributes that do not
    ({"k": ["a", "b"]}, {"k": text("a")}, {"k": text("c")}),
    ({"k": [{"prefix": "ab"}]}, {"k": text("abc")}, {"k": text("ba")}),
    ({"k": [{"suffix": "yz"}]}, {"k": text("xyz")}, {"k": text("zy")}),
    ({"k": [{"anything-but": ["a"]}]}, {"k": text("b")}, {"k": text("a")}),
    ({"k": [{"anything-but": {"prefix": "a"}}]}, {"k": text("ba")}, {"k": text("ab")}),
    ({"k": [{"equals-ignore-case": "ABC"}]}, {"k": text("aBc")}, {"k": text("abcd")}),
    ({"k": [{"exists": True}]}, {"k": text("x")}, {"other": text("x")}),
    ({"k": [{"exists": False}]}, {"other": text("x")}, {"k": text("x")}),
    ({"k": [{"numeric": [">=", 1, "<", 10]}]}, {"k": text("9.5", "Number")}, {"k": text("10", "Number")}),
    ({"k": [5]}, {"k": text("5.0", "Number")}, {"k": text("5", "String")}),
    ({"k": [{"cidr": "10.0.0.0/24"}]}, {"k": text("10.0.0.255")}, {"k": text("10.0.1.0")}),
    ({"a": ["1"], "b": ["2"]}, {"a": text("1"), "b": text("2")}, {"a": text("1")}),
    ({"$or": [{"a": ["1"]}, {"b": ["2"]}]}, {"b": text("2")}, {"c": text("1")}),
    ({"k": ["in"]}, {"k": text('["out","in"]', "String.Array")}, {"k": text('["out"]', "String.Array")}),
]


@pytest.mark.parametrize("policy, matching, other", SHOWN, ids=[json.dumps(policy) for policy, _, _ in SHOWN])
def test_filters_on_attributes(sns, sqs, topic, queue, policy, matching, other):
    """What is filtered out is published first: had it been delivered, it would be there."""
    subscribe(sns, sqs, topic, queue, FilterPolicy=json.dumps(policy), RawMessageDelivery="true")
    for message, attributes in (("out", other), ("none", None), ("in", matching)):
        if attributes is None and {"exists": False} in policy.get("k", []):
            continue
        sns.publish(TopicArn=topic, Message=message, **({"MessageAttributes": attributes} if attributes else {}))
    assert [m["Body"] for m in receive(sqs, queue, 1)] == ["in"]
    assert counts(sqs, queue) == (0, 0, 0)


def test_filters_on_the_body_and_their_change(sns, sqs, topic, queue):
    policy = {"store": ["north"], "items": {"price": [{"numeric": [">", 10]}]}}
    arn = subscribe(sns, sqs, topic, queue, FilterPolicy=json.dumps(policy), FilterPolicyScope="MessageBody",
                    RawMessageDelivery="true")
    bodies = [json.dumps({"store": store, "items": [{"price": price}, {"price": 1}]})
              for store, price in (("north", 10), ("south", 11), ("north", 11))]
    for body in ["no json", *bodies]:
        sns.publish(TopicArn=topic, Message=body)
    assert [m["Body"] for m in receive(sqs, queue, 1)] == bodies[2:]
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue="{}")
    sns.publish(TopicArn=topic, Message="anything")
    assert [m["Body"] for m in receive(sqs, queue, 1)] == ["anything"]


# ---- deliveries ---------------------------------------------------------------------------------------


def test_the_queue_policy_decides_and_what_it_refuses_is_a_dead_letter(sns, sqs, topic, queue, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    let_topics_send(sqs, dead, topic)
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(sqs, queue), ReturnSubscriptionArn=True,
                        Attributes={"RawMessageDelivery": "true",
                                    "RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(sqs, dead)})})
    arn = arn["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="not let in")
    assert [m["Body"] for m in receive(sqs, dead, 1)] == ["not let in"]
    let_topics_send(sqs, queue, topic + "-other")
    sns.publish(TopicArn=topic, Message="another's policy")
    assert [m["Body"] for m in receive(sqs, dead, 1)] == ["another's policy"]
    let_topics_send(sqs, queue, topic)
    sns.publish(TopicArn=topic, Message="let in")
    assert [m["Body"] for m in receive(sqs, queue, 1)] == ["let in"]
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue="")
    assert "RedrivePolicy" not in sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]


def test_one_bad_queue_holds_nobody_up(sns, sqs, topic, queue, name):
    gone = sqs.create_queue(QueueName=f"{name}-gone")["QueueUrl"]
    subscribe(sns, sqs, topic, gone, RawMessageDelivery="true")
    subscribe(sns, sqs, topic, queue, RawMessageDelivery="true")
    sqs.delete_queue(QueueUrl=gone)
    for n in range(5):
        sns.publish(TopicArn=topic, Message=str(n))
    assert sorted(m["Body"] for m in receive(sqs, queue, 5)) == list("01234")


def test_what_was_published_reaches_every_queue_after_a_kill(own):
    sns, sqs = own.client("sns"), own.client("sqs")
    topic = sns.create_topic(Name="t")["TopicArn"]
    urls = [sqs.create_queue(QueueName=f"q{n}")["QueueUrl"] for n in range(3)]
    for url in urls:
        subscribe(sns, sqs, topic, url, RawMessageDelivery="true")
    sent = set()
    for round in range(3):
        for n in range(40):
            body = unique(str(round))
            sns.publish(TopicArn=topic, Message=body)
            sent.add(body)
        own.restart_after_kill()
    for url in urls:
        got = [m["Body"] for m in receive(sqs, url, len(sent))]
        assert set(got) == sent and len(got) == len(sent)
