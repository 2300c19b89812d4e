"""Objects and their notifications under load, with `kill -9` at random moments; then every promise is checked.

`ROPEWAY_CRASHES` is the number of kills (3 unless told otherwise), `ROPEWAY_SEED` the seed of the moments.
"""

import hashlib
import json
import os
import random
import threading
import urllib.parse

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import history
from history import History
from support import counts, document, eventually, queue_arn

CRASHES = int(os.environ.get("ROPEWAY_CRASHES", "3"))
SEED = int(os.environ.get("ROPEWAY_SEED", "20261121"))
PUTTERS = 4
BUCKET = "crash"
# In rows, at their edge, and in the blob store.
SIZES = (0, 1, 5000, 65_535, 65_536, 65_537, 300_000)


def made_up(key):
    """A body of its own for each key."""
    size = SIZES[int(hashlib.md5(key.encode()).hexdigest(), 16) % len(SIZES)]
    return hashlib.shake_128(key.encode()).digest(size)


def sum_of(body):
    """What a body is known by here: its size and its MD5."""
    return f"{len(body)} {hashlib.md5(body).hexdigest()}"


class Story:
    """A bucket whose `input/` is told of to a queue, those who write and consume, and what they saw."""

    def __init__(self, server):
        self.server = server
        self.running = threading.Event()
        self.random = random.Random(SEED)
        self.put, self.received = History(), History()
        sqs, s3 = self.client("sqs"), self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        self.url = sqs.create_queue(QueueName=BUCKET)["QueueUrl"]
        arn = queue_arn(sqs, self.url)
        statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
                     "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"}}}
        sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": document(statement)})
        rules = [{"Name": "prefix", "Value": "input/"}]
        s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [
            {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}]})

    def client(self, service):
        return self.server.client(service, connect_timeout=2, read_timeout=20)

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

    def write(self, key, put):
        """Writes an object, and what became of it."""
        body = made_up(key)
        self.put.attempt(key, sum_of(body))
        put(key, body)
        self.put.acknowledge(key)

    def putter(self, n):
        s3 = self.client("s3")

        def step(number):
            s3.put_object(Bucket=BUCKET, Key=f"other/{n}", Body=b"nobody is told of it")
            self.write(f"input/{n} {number}+é", lambda key, body: s3.put_object(Bucket=BUCKET, Key=key, Body=body))

        self.each_until_stopped(step)

    def copier(self):
        s3 = self.client("s3")

        def copy(key, body):
            s3.put_object(Bucket=BUCKET, Key="other/source", Body=body)
            s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": "other/source"})

        self.each_until_stopped(lambda number: self.write(f"input/copy {number}", copy))

    def uploader(self):
        s3 = self.client("s3")

        def upload(key, body):
            upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
            where = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
            part = s3.upload_part(**where, PartNumber=1, Body=body)
            parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
            s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})

        self.each_until_stopped(lambda number: self.write(f"input/parts {number}", upload))

    def take(self, sqs, keep=lambda n: False):
        """Receives some messages and deletes those that are not to be kept; gives how many there were."""
        began = self.received.tick()
        got = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=2)
        messages = got.get("Messages", [])
        for n, message in enumerate(messages):
            for record in json.loads(message["Body"]).get("Records", []):
                told = record["s3"]["object"]
                key = urllib.parse.unquote_plus(told["key"])
                self.received.receive(key, message["MessageId"], f"{told['size']} {told['eTag']}", began)
            if not keep(n):
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                self.received.delete(message["MessageId"])
        return len(messages)

    def consumer(self):
        sqs = self.client("sqs")
        self.each_until_stopped(lambda number: self.take(sqs, lambda n: (number + n) % 7 == 0))

    def run_with_kills(self, crashes):
        work = [lambda n=n: self.putter(n) for n in range(PUTTERS)] + [self.copier, self.uploader, self.consumer]
        self.running.set()
        threads = [threading.Thread(target=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            for _ in range(crashes):
                target = len(self.put.acknowledged) + self.random.randint(5, 60)
                eventually(lambda: len(self.put.acknowledged) >= target, "progress between two kills", 120)
                self.server.restart_after_kill()
        finally:
            self.running.clear()
            for thread in threads:
                thread.join()

    def drain(self):
        sqs = self.client("sqs")
        eventually(lambda: self.take(sqs) == 0 and counts(sqs, self.url) == (0, 0, 0), "the queue to be empty", 120)

    def read(self, key):
        """Size and ETag of an object whose body is whole; `None` if it is not there."""
        try:
            got = self.client("s3").get_object(Bucket=BUCKET, Key=key)
        except ClientError:
            return None
        body = got["Body"].read()
        return f"{len(body)} {got['ETag'].strip(chr(34))}" if body == made_up(key) else "another body"

    def objects(self):
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="input/")
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    from support import Server

    server = Server(tmp_path_factory.mktemp("crash-objects") / "data")
    story = Story(server)
    story.run_with_kills(CRASHES)
    story.drain()
    yield story
    server.kill()


def test_every_acknowledged_put_has_its_message(story):
    assert len(story.put.acknowledged) > CRASHES
    assert history.lost(story.put, story.received) == []


def test_every_message_s_object_is_readable_and_whole(story):
    assert story.received.receipts
    assert history.untrue(story.received, story.read) == []


def test_objects_and_messages_stand_or_fall_together(story):
    """Also those that nobody was told of: a write that was cut off left both or neither."""
    told = {receipt.key for receipt in story.received.receipts}
    assert story.objects() == told
    assert told <= set(story.put.attempted)


def test_one_message_for_each_event(story):
    assert history.enqueued_twice(story.received) == []
    assert history.delivered_after_delete(story.received) == []


def test_the_checks_can_fail():
    put, received = History(), History()
    for key in ("a", "b"):
        put.attempt(key, key)
        put.acknowledge(key)
    received.receive("a", "1", "1 sum", 0)
    assert history.lost(put, received) == ["b"]
    assert history.untrue(received, lambda key: "1 sum") == []
    assert history.untrue(received, lambda key: "2 sum") == received.receipts
    assert history.untrue(received, lambda key: None) == received.receipts
