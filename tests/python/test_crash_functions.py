"""Asynchronous events and a mapped queue under load, with `kill -9` at random moments: all that was acknowledged
reaches the function.

`ROPEWAY_CRASHES` is the number of kills (3 unless told otherwise), `ROPEWAY_SEED` the seed of the moments.
"""

import json
import os
import random
import threading

from botocore.exceptions import BotoCoreError, ClientError

from support import Server, counts, eventually, queue_arn
from test_lambda import make_role, package
from test_runtimes import ready

CRASHES = int(os.environ.get("ROPEWAY_CRASHES", "3"))
SEED = int(os.environ.get("ROPEWAY_SEED", "20261121"))
FUNCTION = "crash"

# Tells a queue of what it was given.
CODE = """
import json, boto3
sqs = boto3.client('sqs')
url = sqs.get_queue_url(QueueName='seen')['QueueUrl']
def handler(event, context):
    seen = [record['body'] for record in event['Records']] if 'Records' in event else [event['id']]
    for n in range(0, len(seen), 10):
        entries = [{'Id': str(i), 'MessageBody': body} for i, body in enumerate(seen[n:n + 10])]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get('Failed')
"""


class Story:
    """A function, those who send it events and messages, and what it has seen."""

    def __init__(self, server):
        self.server = server
        self.running = threading.Event()
        self.random = random.Random(SEED)
        self.acknowledged, self.seen = set(), set()
        sqs, functions = self.client("sqs"), self.client("lambda")
        self.seen_url = sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.source_url = sqs.create_queue(QueueName="source", Attributes={"VisibilityTimeout": "20"})["QueueUrl"]
        role = make_role(server.client("iam"), "crash", {"Effect": "Allow", "Action": "*", "Resource": "*"})
        functions.create_function(
            FunctionName=FUNCTION, Runtime="python3.11", Handler="index.handler", Role=role, Timeout=20,
            Code={"ZipFile": package(CODE)})
        functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION)
        # A few processes: each takes seconds to start where the machine is busy.
        functions.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=4)
        functions.create_event_source_mapping(
            FunctionName=FUNCTION, EventSourceArn=queue_arn(sqs, self.source_url), BatchSize=10,
            ScalingConfig={"MaximumConcurrency": 2})

    def client(self, service):
        return self.server.client(service, connect_timeout=2, read_timeout=20)

    def sender(self, prefix, send):
        number = 0
        while self.running.is_set():
            number += 1
            key = f"{prefix}-{number}"
            try:
                send(key)
            except (BotoCoreError, ClientError):
                # The server is down, or was killed before it answered.
                eventually(lambda: not self.running.is_set() or self.server.process.poll() is None, "the server", 60)
                continue
            self.acknowledged.add(key)

    def invoke(self, key, client):
        answer = client.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps({"id": key}))
        assert answer["StatusCode"] == 202

    def run_with_kills(self):
        functions, sqs = self.client("lambda"), self.client("sqs")
        senders = [
            ("event", lambda key: self.invoke(key, functions)),
            ("message", lambda key: sqs.send_message(QueueUrl=self.source_url, MessageBody=key)),
        ]
        self.running.set()
        threads = [threading.Thread(target=self.sender, args=sender) for sender in senders]
        for thread in threads:
            thread.start()
        try:
            for _ in range(CRASHES):
                target = len(self.acknowledged) + self.random.randint(5, 60)
                eventually(lambda: len(self.acknowledged) >= target, "progress between two kills", 120)
                self.server.restart_after_kill()
        finally:
            self.running.clear()
            for thread in threads:
                thread.join()

    def look(self):
        """Takes what the function says that it has seen; whether that is all."""
        sqs = self.client("sqs")
        while found := sqs.receive_message(QueueUrl=self.seen_url, MaxNumberOfMessages=10).get("Messages"):
            self.seen |= {message["Body"] for message in found}
            entries = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in found]
            sqs.delete_message_batch(QueueUrl=self.seen_url, Entries=entries)
        return self.acknowledged <= self.seen


def test_all_that_was_acknowledged_reaches_the_function(tmp_path):
    ready("python3.11")
    server = Server(tmp_path / "data")
    try:
        story = Story(server)
        story.run_with_kills()
        assert len(story.acknowledged) > CRASHES
        missing = lambda: sorted(story.acknowledged - story.seen)[:10]
        eventually(story.look, f"everything to be seen, beginning with {missing()}", 600)
        eventually(lambda: counts(story.client("sqs"), story.source_url) == (0, 0, 0), "the queue to be empty", 120)
        kinds = {key.split("-")[0] for key in story.acknowledged}
        assert kinds == {"event", "message"}
        print(f"{CRASHES} kills, {len(story.acknowledged)} acknowledged, all seen")
    finally:
        server.kill()
