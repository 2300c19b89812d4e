"""order-events under load, with `kill -9` at random moments; then every promise is checked.

`ROPEWAY_CRASHES` is the number of kills (5 unless told otherwise), `ROPEWAY_SEED` the seed of the moments.
"""

import gzip
import json
import os
import random
import subprocess
import threading
from datetime import datetime

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import history
from history import History
from support import BINARY, ROOT, allow, counts, eventually, in_threads, make_user

CRASHES = int(os.environ.get("ROPEWAY_CRASHES", "5"))
SEED = int(os.environ.get("ROPEWAY_SEED", "20261121"))
PUBLISHERS, GROUPS = 4, 3


class Story:
    """The system, those who publish and consume, and what they saw."""

    def __init__(self, server):
        self.server = server
        self.running = threading.Event()
        self.random = random.Random(SEED)
        self.published = History()
        self.queues = {"Orders": History(), "Payment": History()}
        self.fifo_sent, self.fifo_received = History(), History()
        self.retried = History()
        self.key = make_user(server.client("iam"), "story", allow("*"))
        self._deploy()

    def _deploy(self):
        command = [BINARY, "deploy", str(ROOT / "systems/order-events"), "--json"]
        subprocess.run(command, env=self.server.environment(self.key), check=True, capture_output=True)
        command = [BINARY, "outputs", "order-events", "--json"]
        found = subprocess.run(command, env=self.server.environment(self.key), check=True, capture_output=True)
        self.outputs = json.loads(found.stdout)
        sqs = self.client("sqs")
        self.fifo = sqs.create_queue(QueueName="story.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        self.dead = sqs.create_queue(QueueName="story-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
        self.live = sqs.create_queue(
            QueueName="story-live", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"})["QueueUrl"]

    def client(self, service):
        return self.server.client(service, key=self.key, connect_timeout=2, read_timeout=10)

    def each_until_stopped(self, step):
        """Steps for as long as the story runs; what a kill breaks is tried on with the next step."""
        number = 0
        while self.running.is_set():
            try:
                step(number)
            except (BotoCoreError, ClientError):
                # Not acknowledged, so nothing is promised of it; a server that is down answers nobody.
                self.running.wait(0.02)
            number += 1

    def publisher(self, n):
        sns = self.client("sns")

        def step(number):
            key = f"{n}-{number}-{self.published.tick()}"
            body = json.dumps({"id": key, "name": "Ada", "email": "a@example.com", "address": "Mill Lane 1",
                               "created_at": "2026-01-01T00:00:00Z"})
            self.published.attempt(key, body)
            sns.publish(TopicArn=self.outputs["TopicArn"], Message=body)
            self.published.acknowledge(key)

        self.each_until_stopped(step)

    def fifo_sender(self, group):
        sqs = self.client("sqs")
        self.fifo_number = getattr(self, "fifo_number", {})
        self.fifo_number.setdefault(group, 0)

        def step(_):
            # The same number again until it is acknowledged: deduplication makes that one message.
            key = f"{group}/{self.fifo_number[group]}"
            self.fifo_sent.attempt(key, key)
            sqs.send_message(QueueUrl=self.fifo, MessageBody=key, MessageGroupId=group, MessageDeduplicationId=key)
            self.fifo_sent.acknowledge(key)
            self.fifo_number[group] += 1

        self.each_until_stopped(step)

    def retry_sender(self, _):
        sqs = self.client("sqs")

        def step(_):
            key = f"r{self.retried.tick()}"
            self.retried.attempt(key, key)
            sqs.send_message(QueueUrl=self.live, MessageBody=key)
            self.retried.acknowledge(key)
            # Received and never deleted: after two receives it moves to the dead-letter queue.
            sqs.receive_message(QueueUrl=self.live, MaxNumberOfMessages=10)

        self.each_until_stopped(step)

    def consumer(self, url, into, key_of, keep_every=7):
        sqs = self.client("sqs")

        def step(number):
            began = into.tick()
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2)
            for n, message in enumerate(got.get("Messages", [])):
                into.receive(key_of(message["Body"]), message["MessageId"], message["Body"], began)
                if (number + n) % keep_every:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    into.delete(message["MessageId"])

        self.each_until_stopped(step)

    def workers(self):
        work = [lambda n=n: self.publisher(n) for n in range(PUBLISHERS)]
        for name, into in self.queues.items():
            url = self.outputs[f"{name}QueueUrl"]
            work.append(lambda url=url, into=into: self.consumer(url, into, lambda body: json.loads(body)["id"]))
        work += [lambda g=g: self.fifo_sender(f"g{g}") for g in range(GROUPS)]
        work.append(lambda: self.consumer(self.fifo, self.fifo_received, lambda body: body, keep_every=10**9))
        work.append(lambda: self.retry_sender(0))
        return work

    def run_with_kills(self, crashes):
        self.running.set()
        threads = [threading.Thread(target=work) for work in self.workers()]
        for thread in threads:
            thread.start()
        try:
            for _ in range(crashes):
                target = len(self.published.acknowledged) + self.random.randint(5, 60)
                eventually(lambda: len(self.published.acknowledged) >= target, "progress between two kills", 120)
                self.server.restart_after_kill()
        finally:
            self.running.clear()
            for thread in threads:
                thread.join()

    def drain(self, url, into, key_of):
        sqs = self.client("sqs")

        def empty():
            began = into.tick()
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for message in got.get("Messages", []):
                into.receive(key_of(message["Body"]), message["MessageId"], message["Body"], began)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                into.delete(message["MessageId"])
            return not got.get("Messages") and counts(sqs, url) == (0, 0, 0)

        eventually(empty, f"{url} to be empty", 120)

    def archived(self):
        """Ids in the archive, with the objects that hold them."""
        s3, found = self.client("s3"), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.outputs["ArchiveBucket"]):
            for entry in page.get("Contents", []):
                body = s3.get_object(Bucket=self.outputs["ArchiveBucket"], Key=entry["Key"])["Body"].read()
                body = gzip.decompress(body) if entry["Key"].endswith(".gz") else body
                for line in body.decode().splitlines():
                    found.setdefault(json.loads(line)["id"], []).append(entry["Key"])
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    from support import Server

    server = Server(tmp_path_factory.mktemp("crash") / "data")
    story = Story(server)
    story.run_with_kills(CRASHES)
    for name, into in story.queues.items():
        story.drain(story.outputs[f"{name}QueueUrl"], into, lambda body: json.loads(body)["id"])
    story.drain(story.fifo, story.fifo_received, lambda body: body)
    yield story
    server.kill()


@pytest.mark.parametrize("queue", ["Orders", "Payment"])
def test_every_acknowledged_publish_reaches_each_queue(story, queue):
    assert len(story.published.acknowledged) > CRASHES
    assert history.lost(story.published, story.queues[queue]) == []


@pytest.mark.parametrize("queue", ["Orders", "Payment"])
def test_nothing_is_invented_and_bodies_are_whole(story, queue):
    assert history.invented(story.published, story.queues[queue]) == []


@pytest.mark.parametrize("queue", ["Orders", "Payment"])
def test_no_delivery_after_an_acknowledged_delete(story, queue):
    assert history.delivered_after_delete(story.queues[queue]) == []


def test_every_acknowledged_publish_is_in_the_archive(story):
    def complete():
        story.server.advance(60)
        return set(story.published.acknowledged) <= set(story.archived())

    eventually(complete, "the archive to hold every acknowledged publish", 60)
    found = story.archived()
    assert set(found) <= set(story.published.attempted)
    days = {key.split("/")[0] for keys in found.values() for key in keys}
    for day in days:
        assert datetime.strptime(day, "landing_date=%Y-%m-%d")


def test_fifo_groups_in_order_and_one_message_per_deduplication_id(story):
    sent, received = story.fifo_sent, story.fifo_received
    assert len(sent.acknowledged) > GROUPS
    assert history.lost(sent, received) == []
    assert history.invented(sent, received) == []
    assert history.enqueued_twice(received) == []
    assert history.out_of_order(received, lambda k: k.split("/")[0], lambda k: int(k.split("/")[1])) == []
    assert history.delivered_after_delete(received) == []


def test_queue_and_dead_letter_queue_conserve_messages(story):
    sqs = story.client("sqs")
    found = History()

    def all_there():
        for url in (story.live, story.dead):
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                found.receive(message["Body"], message["MessageId"], message["Body"], 0)
                if url == story.dead:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return not history.lost(story.retried, found) and counts(sqs, story.live) == (0, 0, 0)

    eventually(all_there, "every message in the queue or its dead-letter queue", 120)
    assert history.invented(story.retried, found) == []
    assert history.enqueued_twice(found) == []


def test_the_checks_can_fail(own):
    """An answer before the write: what was "acknowledged" when it was sent must be found missing."""
    sqs = own.client("sqs", connect_timeout=2, read_timeout=10)
    url = sqs.create_queue(QueueName="lied-to")["QueueUrl"]
    sent, received = History(), History()
    going = threading.Event()
    going.set()

    def lie(client, key):
        sent.attempt(key, key)
        sent.acknowledge(key)
        try:
            client.send_message(QueueUrl=url, MessageBody=key)
        except (BotoCoreError, ClientError):
            return False
        return True

    def sender(n):
        client = own.client("sqs", connect_timeout=2, read_timeout=10)
        for number in range(10**9):
            if not going.is_set() or not lie(client, f"{n}-{number}"):
                return

    def killer(_):
        eventually(lambda: len(sent.acknowledged) > 100, "messages")
        own.kill()
        # What was under way may have been written all the same; this cannot be.
        assert not lie(sqs, "after the kill")
        going.clear()

    in_threads(5, lambda n: killer(n) if n == 4 else sender(n))
    own.start()
    client = own.client("sqs")
    while True:
        got = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not got:
            break
        for message in got:
            received.receive(message["Body"], message["MessageId"], message["Body"], 0)
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert history.lost(sent, received) != []
    assert history.invented(sent, received) == []
    twice = History(receipts=[*received.receipts, history.Receipt(received.receipts[0].key, "other", "", 9)])
    assert history.enqueued_twice(twice) and history.invented(sent, twice)
