"""The first reference system, end to end, as principals that are not root."""

import gzip
import json
import os
from datetime import timedelta

import pytest

from support import BINARY, DRIVERS, ROOT, allow, counts, eventually, in_threads, make_user

SYSTEM = ROOT / "systems/order-events"
MESSAGES = int(os.environ.get("ROPEWAY_ORDER_EVENTS", "10000"))
DRIVER = DRIVERS / "order-events"


class System:
    """The deployed system, and what a user of it does."""

    def __init__(self, server, *parameters):
        self.server = server
        self.deployer = make_user(server.client("iam"), "deployer", allow("*"))
        words = [word for p in parameters for word in ("--parameter", p)]
        server.run(BINARY, "deploy", SYSTEM, *words, key=self.deployer)
        self.outputs = json.loads(server.run(BINARY, "outputs", "order-events", "--json", key=self.deployer).stdout)
        self.driver = make_user(server.client("iam"), "drivers")
        server.client("iam").attach_user_policy(UserName="drivers", PolicyArn=self.outputs["DriversPolicyArn"])
        self.s3 = server.client("s3", key=self.deployer)

    def publish(self, count):
        """Ids of what the system's own driver published."""
        done = self.server.run(DRIVER, "message", "--rate", 0, "--count", count, "--ids", "--topic",
                               self.outputs["TopicArn"], key=self.driver)
        return done.stdout.split()

    def consume(self, name, count):
        """Ids of what a queue hands out until it has handed out so many and is empty."""
        url, sqs = self.outputs[f"{name}QueueUrl"], self.server.client("sqs", key=self.driver)
        got = []

        def work(_):
            while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                got.extend(json.loads(message["Body"])["id"] for message in found)
                answer = sqs.delete_message_batch(QueueUrl=url, Entries=[
                    {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)])
                assert answer.get("Failed", []) == []

        eventually(lambda: in_threads(4, work) and len(got) >= count, f"{count} messages of {name}", 120)
        return got

    def archive(self):
        """Ids by partition."""
        found = {}
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.outputs["ArchiveBucket"]):
            for entry in page.get("Contents", []):
                body = self.s3.get_object(Bucket=self.outputs["ArchiveBucket"], Key=entry["Key"])["Body"].read()
                body = gzip.decompress(body) if entry["Key"].endswith(".gz") else body
                assert body.endswith(b"\n")
                found.setdefault(entry["Key"].split("/")[0], []).extend(
                    json.loads(line)["id"] for line in body.decode().splitlines())
        return found

    def archived(self, ids):
        """The whole archive once every id is in it."""
        def look():
            self.server.advance(61)
            found = self.archive()
            return {one for part in found.values() for one in part} >= set(ids) and found

        return eventually(look, "the whole archive", 60)

    def destroy(self, what):
        """Ends the system, after the user that it does not know of has let go of its policy."""
        policy = self.outputs["DriversPolicyArn"]
        self.server.client("iam").detach_user_policy(UserName="drivers", PolicyArn=policy)
        return self.server.run(BINARY, "destroy", what, key=self.deployer).stdout


def consumer(one):
    return json.dumps({"id": one, "name": "Ada Berg", "email": "ada.berg@example.com", "address": "Mill Lane 1",
                       "created_at": "2026-01-01T00:00:00Z"})


def nothing_left(server):
    """What a person would look for after `destroy`, in every service."""
    sqs, sns, s3 = (server.client(s) for s in ("sqs", "sns", "s3"))
    firehose, iam, cfn = (server.client(s) for s in ("firehose", "iam", "cloudformation"))
    assert "QueueUrls" not in sqs.list_queues()
    assert sns.list_topics()["Topics"] == [] and sns.list_subscriptions()["Subscriptions"] == []
    assert s3.list_buckets()["Buckets"] == []
    assert firehose.list_delivery_streams()["DeliveryStreamNames"] == []
    assert iam.list_roles()["Roles"] == [] and iam.list_policies(Scope="Local")["Policies"] == []
    assert cfn.describe_stacks()["Stacks"] == []


def test_the_whole_story_across_midnight(own):
    system = System(own)
    assert set(system.outputs) >= {"TopicArn", "OrdersQueueUrl", "PaymentQueueUrl", "ArchiveBucket", "DriversPolicyArn"}
    now = own.now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # So much earlier that no slow machine reaches the next day by itself.
    own.advance((midnight - now).total_seconds() - 3600)
    first = system.publish(MESSAGES // 2)
    before = system.archived(first)
    own.advance((midnight - own.now()).total_seconds() + 1)
    second = system.publish(MESSAGES - MESSAGES // 2)
    archive = system.archived(first + second)

    published = sorted(first + second)
    assert len(set(published)) == MESSAGES
    days = [f"landing_date={midnight + timedelta(days=d):%Y-%m-%d}" for d in (-1, 0)]
    assert list(before) == days[:1] and list(archive) == days
    assert sorted(archive[days[0]]) == sorted(first) and sorted(archive[days[1]]) == sorted(second)
    for name in ("Orders", "Payment"):
        assert sorted(system.consume(name, MESSAGES)) == published
        assert counts(own.client("sqs"), system.outputs[f"{name}QueueUrl"]) == (0, 0, 0)

    assert "emptied the bucket" in system.destroy("order-events")
    nothing_left(own)


def test_only_the_topic_sends_to_the_queues(own):
    system = System(own)
    sqs = own.client("sqs", key=system.driver)
    with pytest.raises(Exception, match="AccessDenied"):
        sqs.send_message(QueueUrl=system.outputs["OrdersQueueUrl"], MessageBody="x")
    other = own.client("sns").create_topic(Name="other")["TopicArn"]
    arn = own.client("sqs").get_queue_attributes(QueueUrl=system.outputs["OrdersQueueUrl"],
                                                 AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    own.client("sns").subscribe(TopicArn=other, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    own.client("sns").publish(TopicArn=other, Message=consumer("stray"))
    ids = system.publish(5)
    assert sorted(system.consume("Orders", 5)) == sorted(ids)


def test_the_story_survives_kills(own):
    system = System(own, "Compression=GZIP")
    ids = []
    for _ in range(4):
        ids += system.publish(100)
        own.restart_after_kill()
    archive = system.archived(ids)
    assert sorted(one for part in archive.values() for one in part) == sorted(ids)
    for name in ("Orders", "Payment"):
        assert sorted(system.consume(name, len(ids))) == sorted(ids)
    own.restart_after_kill()
    system.destroy(SYSTEM)
    nothing_left(own)
