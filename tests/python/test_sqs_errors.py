"""What SQS refuses, in both of its protocols, and in which words.

Sources: "recorded" are AWS's own answers, as LocalStack's tests have recorded them (tests/aws/services/sqs/
test_sqs.snapshot.json, by the test that is named); the other rows are of the API reference's page of the operation, section
Errors, and of its "Making query API requests": what a name of the JSON protocol is called in the other one.
"""

import re

import pytest

from support import ACCOUNT, refused, unique
from test_protocols import call_query

OLD = "AWS.SimpleQueueService."
VALUE, MISSING = "InvalidParameterValue", "MissingParameter"
BAD_ID = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
NO_QUEUE = "The specified queue does not exist"


def many(count, **more):
    return [{"Id": str(n), **more} for n in range(count)]


# operation, input, code, status, message (its beginning, or None where nobody tells), source
ROWS = [
    ("get_queue_url", {"QueueName": "gone"}, OLD + "NonExistentQueue", 400, NO_QUEUE, "API_GetQueueUrl"),
    *((operation, {"QueueUrl": "{gone}", **given}, OLD + "NonExistentQueue", 400, NO_QUEUE, "QueueDoesNotExist, of each operation")
      for operation, given in (
          ("send_message", {"MessageBody": "m"}), ("send_message_batch", {"Entries": many(1, MessageBody="m")}),
          ("receive_message", {}), ("delete_queue", {}), ("purge_queue", {}),
          ("delete_message_batch", {"Entries": many(1, ReceiptHandle="r")}), ("get_queue_attributes", {"AttributeNames": ["All"]}),
          ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}), ("list_queue_tags", {}),
          ("change_message_visibility_batch", {"Entries": many(1, ReceiptHandle="r", VisibilityTimeout=1)}),
          ("tag_queue", {"Tags": {"k": "v"}}), ("untag_queue", {"TagKeys": ["k"]}), ("list_dead_letter_source_queues", {}),
          ("add_permission", {"Label": "l", "AWSAccountIds": [ACCOUNT], "Actions": ["*"]}), ("remove_permission", {"Label": "l"}))),
    *((operation, {"QueueUrl": "{q}", "Entries": many(20, **entry)}, OLD + "TooManyEntriesInBatchRequest", 400,
       "Maximum number of entries per request are 10. You have sent 20.", f"recorded: {source}") for operation, entry, source in (
        ("send_message_batch", {"MessageBody": "m"}, "test_too_many_entries_in_batch_request"),
        ("delete_message_batch", {"ReceiptHandle": "r"}, "test_delete_message_batch_with_too_large_batch"),
        ("change_message_visibility_batch", {"ReceiptHandle": "r", "VisibilityTimeout": 1},
         "test_change_message_visibility_batch_with_too_large_batch"))),
    *((operation, {"QueueUrl": "{q}", "Entries": [{"Id": name, **entry}]}, OLD + "InvalidBatchEntryId", 400, BAD_ID,
       "recorded: test_delete_message_batch_invalid_msg_id, test_invalid_batch_id")
      for name in ("", "testLongId" * 10, "invalid:id") for operation, entry in (
          ("send_message_batch", {"MessageBody": "m"}), ("delete_message_batch", {"ReceiptHandle": "r"}))),
    ("send_message_batch", {"QueueUrl": "{q}", "Entries": many(2, MessageBody="x" * 524289)}, OLD + "BatchRequestTooLong", 400,
     "Batch requests cannot be longer than 1048576 bytes. You have sent 1048578 bytes.",
     "recorded: test_send_message_batch_with_oversized_contents, with the limit of today"),
    ("send_message", {"QueueUrl": "{q}", "MessageBody": "x" * 1048577}, VALUE, 400,
     "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.", "recorded: test_send_oversized_message"),
    ("send_message", {"QueueUrl": "{small}", "MessageBody": "x" * 1025}, VALUE, 400,
     "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
     "recorded: test_send_message_with_updated_maximum_message_size"),
    ("receive_message", {"QueueUrl": "{q}", "MaxNumberOfMessages": 11}, VALUE, 400,
     "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
     "recorded: test_send_receive_max_number_of_messages"),
    ("send_message", {"QueueUrl": "{fifo}", "MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2},
     VALUE, 400, "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
     "recorded: test_fifo_queue_send_message_with_delay_seconds_fails"),
    *(("send_message", {"QueueUrl": "{fifo}", "MessageBody": "m", **more}, MISSING, 400,
       "The request must contain the parameter MessageGroupId.", "API_SendMessage, MessageGroupId")
      for more in ({}, {"MessageDeduplicationId": "d"})),
    ("send_message", {"QueueUrl": "{fifo}", "MessageBody": "m", "MessageGroupId": "g"}, VALUE, 400,
     "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
     "API_SendMessage, MessageDeduplicationId"),
    ("create_queue", {"QueueName": "{name}", "Attributes": {"DelaySeconds": "9"}}, "QueueAlreadyExists", 400,
     "A queue already exists with the same name and a different value for attribute DelaySeconds",
     "recorded: test_create_queue_with_different_attributes_raises_exception"),
    ("set_queue_attributes", {"QueueUrl": "{q}", "Attributes": {"RedrivePolicy":
                              '{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}'}}, VALUE, 400,
     'Value {"deadLetterTargetArn": "dummy", "maxReceiveCount": 42} for parameter RedrivePolicy is invalid. Reason: Invalid value '
     "for deadLetterTargetArn.", "recorded: test_invalid_dead_letter_arn_rejected_before_lookup"),
    ("remove_permission", {"QueueUrl": "{q}", "Label": "none"}, VALUE, 400,
     "Value none for parameter Label is invalid. Reason: can't find label.", "recorded: test_sqs_permission_lifecycle"),
    ("add_permission", {"QueueUrl": "{q}", "Label": "there", "AWSAccountIds": [ACCOUNT], "Actions": ["ReceiveMessage"]}, VALUE, 400,
     "Value there for parameter Label is invalid. Reason: Already exists.", "recorded: the same"),
    ("delete_message", {"QueueUrl": "{q}", "ReceiptHandle": "none"}, "ReceiptHandleIsInvalid", None, None, "API_DeleteMessage"),
    ("change_message_visibility", {"QueueUrl": "{q}", "ReceiptHandle": "none", "VisibilityTimeout": 1}, "ReceiptHandleIsInvalid", None,
     None, "API_ChangeMessageVisibility"),
    ("send_message_batch", {"QueueUrl": "{q}", "Entries": [{"Id": "a", "MessageBody": "m"}] * 2}, OLD + "BatchEntryIdsNotDistinct", 400,
     None, "API_SendMessageBatch"),
]


@pytest.fixture(scope="module")
def world(server):
    """What rows name in braces."""
    sqs, name = server.client("sqs"), unique("errors")
    make = lambda name, **attributes: sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    names = {"q": make(name), "name": name, "small": make(unique("small"), MaximumMessageSize="1024"),
             "fifo": make(unique("errors") + ".fifo", FifoQueue="true"), "gone": f"{server.endpoint}/{ACCOUNT}/gone"}
    sqs.add_permission(QueueUrl=names["q"], Label="there", AWSAccountIds=[ACCOUNT], Actions=["ReceiveMessage"])
    return server, sqs, names


def filled(given, names):
    found = {key: names.get(value[1:-1], value) if isinstance(value, str) and value.startswith("{") else value
             for key, value in given.items()}
    return found


FLAT = {"Entries": "{operation}RequestEntry.{n}", "AttributeNames": "AttributeName.{n}", "TagKeys": "TagKey.{n}",
        "AWSAccountIds": "AWSAccountId.{n}", "Actions": "ActionName.{n}"}


def as_query(operation, given):
    """The input as the older protocol has it."""
    out = {}
    for key, value in given.items():
        if isinstance(value, dict):
            kind = {"Attributes": ("Attribute", "Name"), "Tags": ("Tag", "Key")}[key]
            for n, (name, text) in enumerate(value.items(), 1):
                out[f"{kind[0]}.{n}.{kind[1]}"], out[f"{kind[0]}.{n}.Value"] = name, text
        elif isinstance(value, list):
            for n, one in enumerate(value, 1):
                prefix = FLAT[key].format(operation=operation, n=n)
                out |= {f"{prefix}.{name}": text for name, text in one.items()} if isinstance(one, dict) else {prefix: one}
        else:
            out[key] = value
    return out


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[2]}, {(row[4] or '')[:40]}")
def test_errors(world, row):
    server, sqs, names = world
    operation, given, code, status, message, _ = row
    given = filled(given, names)
    with refused(code, status) as caught:
        getattr(sqs, operation)(**given)
    said = caught.value.response["Error"]["Message"]
    assert message is None or said.startswith(message), said
    action = "".join(part.capitalize() for part in operation.split("_"))
    query_status, _, body = call_query(server, Action=action, Version="2012-11-05", **as_query(action, given))
    assert query_status == (status or query_status) and 400 <= query_status < 500, body
    assert f"<Code>{code}</Code>" in body and "<Type>Sender</Type>" in body, body
    assert re.search(r"<RequestId>[0-9a-f-]{36}</RequestId>", body), body


@pytest.mark.parametrize("missing, message", [
    ("MessageGroupId", "The request must contain the parameter MessageGroupId."),
    ("MessageDeduplicationId", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")])
def test_what_fifo_queues_ask_of_a_batch(world, missing, message):
    """It is the whole batch's error. Source: recorded, test_send_batch_missing_message_group_id_for_fifo_queue and
    test_send_batch_missing_deduplication_id_for_fifo_queue."""
    _, sqs, names = world
    sound = {"MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": unique()}
    bad = {key: value for key, value in sound.items() if key != missing}
    with refused("InvalidParameterValue", 400) as caught:
        sqs.send_message_batch(QueueUrl=names["fifo"], Entries=[{"Id": "sound", **sound}, {"Id": "bad", **bad}])
    assert caught.value.response["Error"]["Message"] == message
