"""FIFO queues through boto3: order, groups, deduplication."""

import pytest
from botocore.exceptions import ClientError

from support import attributes, bodies, counts, receive, refused


def send(sqs, url, body, group="g", **more):
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)


def test_groups_are_in_order_and_one_in_flight_holds_its_group(sqs, fifo):
    numbers = [int(send(sqs, fifo, f"a{n}", "a")["SequenceNumber"]) for n in range(3)]
    assert numbers == sorted(set(numbers))
    send(sqs, fifo, "b0", "b")
    first, = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=1, AttributeNames=["All"])["Messages"]
    assert first["Body"] == "a0" and int(first["Attributes"]["SequenceNumber"]) == numbers[0]
    assert first["Attributes"]["MessageGroupId"] == "a" and first["Attributes"]["MessageDeduplicationId"]
    second, = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]
    assert second["Body"] == "b0"
    assert "Messages" not in sqs.receive_message(QueueUrl=fifo)
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    assert bodies(sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]) == ["a1", "a2"]


def test_what_becomes_visible_again_comes_first(sqs, fifo):
    for n in range(3):
        send(sqs, fifo, str(n))
    first, = sqs.receive_message(QueueUrl=fifo)["Messages"]
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(sqs, fifo, 3)) == ["0", "1", "2"]


def test_deduplication_holds_for_five_minutes_restarts_included(own):
    sqs = own.client("sqs")
    by_id = sqs.create_queue(QueueName="id.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    by_content = sqs.create_queue(QueueName="content.fifo", Attributes={
        "FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    first = send(sqs, by_id, "one", MessageDeduplicationId="d")
    send(sqs, by_content, "same")
    own.restart_after_kill()
    again = send(sqs, by_id, "two", "other", MessageDeduplicationId="d")
    send(sqs, by_content, "same")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    # What is deleted is remembered all the same.
    assert bodies(receive(sqs, by_id, 1)) == ["one"]
    send(sqs, by_id, "three", MessageDeduplicationId="d")
    assert counts(sqs, by_id) == (0, 0, 0) and counts(sqs, by_content) == (1, 0, 0)
    own.advance(301)
    send(sqs, by_id, "four", MessageDeduplicationId="d")
    send(sqs, by_content, "same")
    assert bodies(receive(sqs, by_id, 1)) == ["four"]
    assert bodies(receive(sqs, by_content, 2)) == ["same", "same"]


def test_deduplication_within_groups_is_of_high_throughput_queues(sqs, name):
    high = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=high)["QueueUrl"]
    assert attributes(sqs, url, *high) == high
    for group in ("a", "b", "a"):
        send(sqs, url, group, group, MessageDeduplicationId="d")
    assert counts(sqs, url) == (2, 0, 0)
    with refused("InvalidAttributeValue", 400):
        sqs.create_queue(QueueName=f"{name}-no.fifo", Attributes={
            "FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"})


def test_what_fifo_queues_need_and_refuse(sqs, name):
    url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with refused("MissingParameter", 400, "MessageGroupId"):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")
    with refused("InvalidParameterValue", 400, "ContentBasedDeduplication"):
        send(sqs, url, "x")
    with refused("InvalidParameterValue", 400, "DelaySeconds"):
        send(sqs, url, "x", MessageDeduplicationId="d", DelaySeconds=5)
    for bad in ("", "a" * 129, "ü", "a b"):
        with pytest.raises(ClientError):
            send(sqs, url, "x", bad, MessageDeduplicationId="d")
    assert counts(sqs, url) == (0, 0, 0)
    standard = sqs.create_queue(QueueName=name)["QueueUrl"]
    with refused("InvalidParameterValue", 400, "MessageDeduplicationId"):
        sqs.send_message(QueueUrl=standard, MessageBody="x", MessageDeduplicationId="d")


def test_a_receive_attempt_can_be_made_again(sqs, fifo):
    """Developer Guide, "Amazon SQS FIFO queue key terms": the same attempt gives the same messages."""
    for n in range(3):
        send(sqs, fifo, str(n), group=str(n))

    def attempt():
        got = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=2, ReceiveRequestAttemptId="again")
        return [(m["MessageId"], m["Body"]) for m in got["Messages"]]

    first = attempt()
    assert len(first) == 2 and attempt() == first
    assert len(sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]) == 1


def test_fifo_batches_keep_their_order(sqs, fifo):
    for start in range(0, 30, 10):
        sent = sqs.send_message_batch(QueueUrl=fifo, Entries=[
            {"Id": str(n), "MessageBody": str(start + n), "MessageGroupId": "g"} for n in range(10)])
        numbers = [int(entry["SequenceNumber"]) for entry in sent["Successful"]]
        assert numbers == sorted(numbers)
    assert bodies(receive(sqs, fifo, 30)) == [str(n) for n in range(30)]
