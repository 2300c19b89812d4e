"""Dead-letter queues through boto3: redrive policies, who may use a queue so, and the way back."""

import json

import pytest
from botocore.exceptions import ClientError

from support import (ACCOUNT, REGION, attributes, bodies, counts, eventually, queue_arn, receive, refused,
                     unique)


def with_dead_letters(sqs, name, receives=2, suffix="", **extra):
    """A queue and its dead-letter queue: URL, URL and ARN of the latter."""
    dead = sqs.create_queue(QueueName=f"{name}-dead{suffix}", Attributes=extra)["QueueUrl"]
    dead_arn = queue_arn(sqs, dead)
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": receives})
    url = sqs.create_queue(QueueName=f"{name}{suffix}", Attributes={"RedrivePolicy": policy, **extra})["QueueUrl"]
    return url, dead, dead_arn


def kill_messages(sqs, url):
    """Receives everything until it has gone to the dead-letter queue."""
    def gone():
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)
        return counts(sqs, url) == (0, 0, 0)

    eventually(gone, "dead letters")


def test_dead_letters_and_their_way_back(sqs, name):
    url, dead, dead_arn = with_dead_letters(sqs, name, receives=2)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    given = {"kind": {"DataType": "String", "StringValue": "poison"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes=given)
    stamps = []
    for _ in range(2):
        message, = receive(sqs, url, 1, delete=False, VisibilityTimeout=0, AttributeNames=["All"])
        stamps.append(message["Attributes"]["SentTimestamp"])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    found, = receive(sqs, dead, 1, delete=False, VisibilityTimeout=0, AttributeNames=["All"],
                     MessageAttributeNames=["All"])
    assert (found["MessageId"], found["Body"]) == (sent["MessageId"], "poison")
    assert found["MessageAttributes"] == given
    assert found["Attributes"]["DeadLetterQueueSourceArn"] == queue_arn(sqs, url)
    # Of standard queues "the enqueue timestamp is unchanged": Developer Guide, "dead-letter queues".
    assert {found["Attributes"]["SentTimestamp"]} == set(stamps)

    handle = sqs.start_message_move_task(SourceArn=dead_arn)["TaskHandle"]
    assert handle
    task = eventually(lambda: [t for t in sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
                               if t["Status"] == "COMPLETED"], "the move task's end")[0]
    assert task["SourceArn"] == dead_arn and "TaskHandle" not in task
    assert task["ApproximateNumberOfMessagesMoved"] == 1
    assert counts(sqs, dead) == (0, 0, 0)
    back, = receive(sqs, url, 1, AttributeNames=["All"])
    assert back["Body"] == "poison" and "DeadLetterQueueSourceArn" not in back["Attributes"]


def test_a_move_task_to_a_chosen_queue_with_a_rate_is_cancelled(sqs, name):
    url, dead, dead_arn = with_dead_letters(sqs, name, receives=1)
    other = sqs.create_queue(QueueName=f"{name}-other")["QueueUrl"]
    for start in range(0, 30, 10):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": str(start + n)} for n in range(10)])
    kill_messages(sqs, url)
    assert counts(sqs, dead) == (30, 0, 0)
    handle = sqs.start_message_move_task(SourceArn=dead_arn, DestinationArn=queue_arn(sqs, other),
                                         MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    with pytest.raises(ClientError):  # one active task for a queue
        sqs.start_message_move_task(SourceArn=dead_arn)
    running, = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    assert running["Status"] == "RUNNING" and running["TaskHandle"] == handle
    assert running["MaxNumberOfMessagesPerSecond"] == 1
    assert running["DestinationArn"] == queue_arn(sqs, other)
    assert running["ApproximateNumberOfMessagesToMove"] == 30
    sqs.cancel_message_move_task(TaskHandle=handle)
    task = eventually(lambda: [t for t in sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
                               if t["Status"] == "CANCELLED"], "the cancelled task")[0]
    moved = task["ApproximateNumberOfMessagesMoved"]
    eventually(lambda: counts(sqs, other)[0] == moved, "what was moved")
    assert moved < 30 and counts(sqs, dead)[0] == 30 - moved
    with pytest.raises(ClientError):
        sqs.cancel_message_move_task(TaskHandle=handle)


def test_move_tasks_that_are_refused(sqs, queue, name):
    with pytest.raises(ClientError, match="(?i)dead.letter"):
        sqs.start_message_move_task(SourceArn=queue_arn(sqs, queue))
    missing = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{unique()}"
    with refused("ResourceNotFoundException"):
        sqs.start_message_move_task(SourceArn=missing)
    with refused("ResourceNotFoundException"):
        sqs.list_message_move_tasks(SourceArn=missing)
    with pytest.raises(ClientError):
        sqs.cancel_message_move_task(TaskHandle="made up")
    _, _, dead_arn = with_dead_letters(sqs, f"{name}-x")
    with refused("InvalidParameterValue", 400):
        sqs.start_message_move_task(SourceArn=dead_arn, MaxNumberOfMessagesPerSecond=501)


def test_redrive_policies_that_are_refused(sqs, queue, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    fifo = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    good = queue_arn(sqs, dead)
    for policy in ("{", {}, {"deadLetterTargetArn": good}, {"deadLetterTargetArn": good, "maxReceiveCount": 0},
                   {"deadLetterTargetArn": good, "maxReceiveCount": 1001},
                   {"deadLetterTargetArn": good + "-none", "maxReceiveCount": 3},
                   {"deadLetterTargetArn": queue_arn(sqs, fifo), "maxReceiveCount": 3},
                   {"deadLetterTargetArn": "no arn", "maxReceiveCount": 3}):
        text = policy if isinstance(policy, str) else json.dumps(policy)
        with refused(("InvalidParameterValue", "InvalidAttributeValue",
                      "AWS.SimpleQueueService.NonExistentQueue"), 400):
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": text})
    assert "RedrivePolicy" not in attributes(sqs, queue)


def test_a_redrive_allow_policy_decides_who_may_use_the_queue(sqs, queue, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead", Attributes={
        "RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})})["QueueUrl"]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(sqs, dead), "maxReceiveCount": "3"})}
    with refused(("InvalidParameterValue", "InvalidAttributeValue"), 400):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=policy)
    named = {"redrivePermission": "byQueue", "sourceQueueArns": [queue_arn(sqs, queue)]}
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(named)})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=policy)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": ""})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead).get("queueUrls", []) == []


def test_sources_of_a_dead_letter_queue_come_in_pages(sqs, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(sqs, dead), "maxReceiveCount": 3})}
    urls = {sqs.create_queue(QueueName=f"{name}-{n}", Attributes=policy)["QueueUrl"] for n in range(5)}
    paginator = sqs.get_paginator("list_dead_letter_source_queues")
    pages = list(paginator.paginate(QueueUrl=dead, PaginationConfig={"PageSize": 2}))
    assert [len(page["queueUrls"]) for page in pages] == [2, 2, 1]
    assert {url for page in pages for url in page["queueUrls"]} == urls


def test_dead_letters_of_fifo_queues_keep_their_group(sqs, name):
    url, dead, _ = with_dead_letters(sqs, name, receives=1, suffix=".fifo", FifoQueue="true",
                                     ContentBasedDeduplication="true")
    for n in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(n), MessageGroupId="g")
    kill_messages(sqs, url)
    got = receive(sqs, dead, 3, AttributeNames=["All"])
    assert bodies(got) == ["0", "1", "2"]
    assert {m["Attributes"]["MessageGroupId"] for m in got} == {"g"}
