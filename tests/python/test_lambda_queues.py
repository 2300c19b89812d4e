"""Lambda: event source mappings of queues."""

import json

import pytest

from support import ACCOUNT, REGION, allow, bodies, counts, eventually, queue_arn, receive, refused
from test_lambda import create, make_role

# Tells a queue of every record; what it returns or raises is in the bodies.
TELLS = """
import boto3, json, os
sqs = boto3.client("sqs")
def handler(event, context):
    records = event["Records"]
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(
        {"records": records, "count": len(records)}))
    failed = [r["messageId"] for r in records if "bad" in r["body"]]
    if any("raise" in r["body"] for r in records):
        raise RuntimeError("no")
    return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
"""


class World:
    def __init__(self, server):
        self.server = server
        self.sqs, self.functions = server.client("sqs"), server.client("lambda")
        self.seen = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.source = self.sqs.create_queue(QueueName="source")["QueueUrl"]
        self.role = make_role(server.client("iam"), "role", allow("sqs:*"))
        self.function("f")

    def function(self, name):
        create(self.functions, name, self.role, TELLS, Timeout=20, Environment={"Variables": {"SEEN": self.seen}})

    def map(self, queue=None, name="f", **more):
        arn = queue_arn(self.sqs, queue or self.source)
        made = self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, **more)
        if more.get("Enabled", True):
            self.state(made["UUID"], "Enabled")
        return made

    def state(self, uuid, state):
        eventually(lambda: self.functions.get_event_source_mapping(UUID=uuid)["State"] == state, state)

    def batches(self, count):
        return [json.loads(body) for body in bodies(receive(self.sqs, self.seen, count))]

    def records(self, count):
        found = []
        while len(found) < count:
            for batch in self.batches(1):
                found += batch["records"]
        return found

    def empty(self, queue=None):
        eventually(lambda: counts(self.sqs, queue or self.source) == (0, 0, 0), "an empty queue")


@pytest.fixture
def world(own):
    return World(own)


def test_messages_are_handled_and_deleted(world):
    made = world.map()
    assert (made["State"], made["BatchSize"]) == ("Creating", 10)
    world.sqs.send_message(QueueUrl=world.source, MessageBody="hello", MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "x"}})
    (record,) = world.records(1)
    assert record["body"] == "hello" and record["eventSource"] == "aws:sqs" and record["awsRegion"] == REGION
    assert record["eventSourceARN"] == queue_arn(world.sqs, world.source)
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
    world.empty()
    for n in range(100):
        world.sqs.send_message(QueueUrl=world.source, MessageBody=str(n))
    assert {r["body"] for r in world.records(100)} == {str(n) for n in range(100)}
    world.empty()


def test_create_get_list_update_delete(world):
    functions, arn = world.functions, queue_arn(world.sqs, world.source)
    made = world.map(Enabled=False, Tags={"a": "b"})
    uuid = made["UUID"]
    assert made["State"] == "Disabled"
    assert made["FunctionArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    with refused("ResourceConflictException", 409, uuid):
        functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="f")
    for by in ({"FunctionName": "f"}, {"EventSourceArn": arn}, {}):
        assert [m["UUID"] for m in functions.list_event_source_mappings(**by)["EventSourceMappings"]] == [uuid]
    assert functions.list_event_source_mappings(EventSourceArn=arn + "x")["EventSourceMappings"] == []
    assert functions.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "b"}
    changed = functions.update_event_source_mapping(UUID=uuid, BatchSize=5, ScalingConfig={"MaximumConcurrency": 3})
    assert (changed["BatchSize"], changed["ScalingConfig"]) == (5, {"MaximumConcurrency": 3})
    assert functions.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    world.state(uuid, "Enabled")
    assert functions.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    world.state(uuid, "Disabled")
    world.sqs.send_message(QueueUrl=world.source, MessageBody="waits")
    assert counts(world.sqs, world.source) == (1, 0, 0)
    functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert [r["body"] for r in world.records(1)] == ["waits"]
    assert functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"

    def gone():
        try:
            functions.get_event_source_mapping(UUID=uuid)
        except functions.exceptions.ResourceNotFoundException:
            return True

    eventually(gone)
    assert functions.list_event_source_mappings()["EventSourceMappings"] == []


def test_what_is_refused(world):
    functions, arn = world.functions, queue_arn(world.sqs, world.source)

    def make(**more):
        functions.create_event_source_mapping(**{"EventSourceArn": arn, "FunctionName": "f", **more})

    with refused("InvalidParameterValueException", 400, "kinesis"):
        make(EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s")
    with refused("InvalidParameterValueException", 400, "StartingPosition"):
        make(StartingPosition="LATEST")
    with refused("InvalidParameterValueException", 400, "Maximum batch window"):
        make(BatchSize=11)
    with refused("InvalidParameterValueException", 400, "pattern"):
        make(FilterCriteria={"Filters": [{"Pattern": "{\"body\":1}"}]})
    with refused("ResourceNotFoundException", 404):
        make(FunctionName="nobody")
    with refused("InvalidParameterValueException", 400):
        make(EventSourceArn=arn + "-missing")
    short = world.sqs.create_queue(QueueName="short", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    with refused("InvalidParameterValueException", 400,
                 "Queue visibility timeout: 5 seconds is less than Function timeout: 20 seconds"):
        make(EventSourceArn=queue_arn(world.sqs, short))
    role = make_role(world.server.client("iam"), "poor", allow("sqs:ReceiveMessage"))
    create(functions, "poor", role)
    with refused("InvalidParameterValueException", 400, "permissions to call DeleteMessage on SQS"):
        make(FunctionName="poor")
    with refused("ResourceNotFoundException", 404):
        functions.get_event_source_mapping(UUID="01234567-0123-0123-0123-012345678901")


def test_filters_delete_what_does_not_match(world):
    world.map(FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"kind": ["a"]}})},
                                          {"Pattern": json.dumps({"body": ["plain"]})}]})
    for body in (json.dumps({"kind": "b"}), "other", json.dumps({"kind": "a"}), "plain"):
        world.sqs.send_message(QueueUrl=world.source, MessageBody=body)
    assert {r["body"] for r in world.records(2)} == {json.dumps({"kind": "a"}), "plain"}
    world.empty()


def test_windows_gather_batches(world):
    world.map(BatchSize=50, MaximumBatchingWindowInSeconds=300)
    for n in range(50):
        world.sqs.send_message(QueueUrl=world.source, MessageBody=str(n))
    (batch,) = world.batches(1)
    assert batch["count"] == 50
    world.sqs.send_message(QueueUrl=world.source, MessageBody="late")
    eventually(lambda: counts(world.sqs, world.source)[1] == 1, "the message in the window")
    world.server.advance(301)
    (batch,) = world.batches(1)
    assert [r["body"] for r in batch["records"]] == ["late"]


def test_a_failed_batch_comes_again_and_reaches_the_dead_letters(world):
    letters = world.sqs.create_queue(QueueName="letters")["QueueUrl"]
    redrive = {"deadLetterTargetArn": queue_arn(world.sqs, letters), "maxReceiveCount": 2}
    world.sqs.set_queue_attributes(QueueUrl=world.source, Attributes={"RedrivePolicy": json.dumps(redrive)})
    world.map()
    world.sqs.send_message(QueueUrl=world.source, MessageBody="raise")
    world.records(1)
    world.server.advance(31)
    (second,) = world.records(1)
    assert second["attributes"]["ApproximateReceiveCount"] == "2"
    world.server.advance(31)
    assert bodies(receive(world.sqs, letters, 1)) == ["raise"]
    world.empty()


def test_partial_failures(world):
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"], BatchSize=3, MaximumBatchingWindowInSeconds=60)
    for body in ("good", "bad", "fine"):
        world.sqs.send_message(QueueUrl=world.source, MessageBody=body)
    (batch,) = world.batches(1)
    assert batch["count"] == 3
    eventually(lambda: counts(world.sqs, world.source) == (0, 1, 0), "one message left")


def test_fifo_groups_keep_their_order(world):
    fifo = world.sqs.create_queue(QueueName="q.fifo", Attributes={
        "FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    with refused("InvalidParameterValueException", 400, "window"):
        world.map(fifo, MaximumBatchingWindowInSeconds=1)
    world.map(fifo, BatchSize=3)
    for n in range(30):
        world.sqs.send_message(QueueUrl=fifo, MessageBody=f"{n % 3}-{n:02}", MessageGroupId=str(n % 3))
    records = world.records(30)
    for group in "012":
        of_group = [r["body"] for r in records if r["attributes"]["MessageGroupId"] == group]
        of_group_in_order = sorted(of_group)
        assert len(set(of_group)) == 10
        seen = {r["body"]: int(r["attributes"]["SequenceNumber"]) for r in records}
        assert [seen[b] for b in of_group_in_order] == sorted(seen[b] for b in of_group)
    world.empty(fifo)


def test_messages_survive_kills(world):
    world.map()
    count = 60
    for n in range(count):
        world.sqs.send_message(QueueUrl=world.source, MessageBody=str(n))
        if n % 20 == 19:
            world.server.restart_after_kill()
    seen = set()
    for _ in range(4):
        world.server.advance(31)
        try:
            while len(seen) < count:
                for message in receive(world.sqs, world.seen, 1, seconds=15):
                    seen |= {r["body"] for r in json.loads(message["Body"])["records"]}
        except AssertionError:
            continue
    assert seen == {str(n) for n in range(count)}


def test_deleting_the_function_ends_its_mapping(world):
    world.map()
    world.functions.delete_function(FunctionName="f")
    assert world.functions.list_event_source_mappings()["EventSourceMappings"] == []
    world.sqs.send_message(QueueUrl=world.source, MessageBody="stays")
    world.function("f")
    world.map()
    assert [r["body"] for r in world.records(1)] == ["stays"]
