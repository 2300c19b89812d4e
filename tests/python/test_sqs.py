"""SQS through boto3: queues, messages, receiving, time, promises; the errors as boto3 sees them."""

import contextlib
import hashlib
import http.client
import json
import resource
import socket
import threading

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support import (ACCOUNT, REGION, attributes, bodies, counts, document, eventually, in_threads,
                     md5_of_attributes, queue_arn, receive, refused, unique)

MIB = 1024 * 1024
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


# ---- queues -------------------------------------------------------------------------------------------


def test_a_new_queue_has_the_documented_defaults(server, sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert url == f"{server.endpoint}/{ACCOUNT}/{name}"
    found = attributes(sqs, url)
    assert found["QueueArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    assert {k: found[k] for k in ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod",
                                  "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout", "SqsManagedSseEnabled")} == {
        "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true"}
    assert "FifoQueue" not in found and "Policy" not in found
    assert int(found["CreatedTimestamp"]) <= int(found["LastModifiedTimestamp"])
    assert counts(sqs, url) == (0, 0, 0)


def test_attributes_make_the_round_trip(sqs, name):
    wanted = {"DelaySeconds": "5", "MaximumMessageSize": "2048", "MessageRetentionPeriod": "120",
              "ReceiveMessageWaitTimeSeconds": "3", "VisibilityTimeout": "7"}
    url = sqs.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"]
    assert attributes(sqs, url, *wanted) == wanted
    changed = {name: str(int(value) + 1) for name, value in wanted.items()}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    assert attributes(sqs, url, *wanted) == changed


@pytest.mark.parametrize("attribute, value", [
    ("DelaySeconds", "901"), ("DelaySeconds", "-1"), ("DelaySeconds", "x"), ("MaximumMessageSize", "1023"),
    ("MaximumMessageSize", "1048577"), ("MessageRetentionPeriod", "59"), ("MessageRetentionPeriod", "1209601"),
    ("ReceiveMessageWaitTimeSeconds", "21"), ("VisibilityTimeout", "43201"), ("Policy", "no policy"),
])
def test_attributes_out_of_range_are_refused(sqs, queue, attribute, value):
    before = attributes(sqs, queue)
    with refused("InvalidAttributeValue", 400, attribute):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={attribute: value})
    assert attributes(sqs, queue) == before
    with refused("InvalidAttributeValue", 400):
        sqs.create_queue(QueueName=unique(), Attributes={attribute: value})


def test_unknown_attributes_are_refused(sqs, queue, name):
    for attribute in ("Colour", "QueueArn", "FifoQueue", "ContentBasedDeduplication"):
        with refused("InvalidAttributeName", 400):
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={attribute: "true"})
    with refused("InvalidAttributeName", 400):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Colour"])


def test_key_ids_are_refused_by_name_until_there_is_kms(sqs, queue):
    with pytest.raises(ClientError, match="KmsMasterKeyId"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"KmsMasterKeyId": "alias/mine"})


def test_creating_again_gives_the_same_queue_unless_attributes_differ(sqs, name):
    first = sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"})["QueueUrl"]
    assert sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"})["QueueUrl"] == first
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == first
    with refused("QueueAlreadyExists", 400):
        sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "2"})


@pytest.mark.parametrize("bad", ["", "a" * 81, "with space", "dot.ted", "ü"])
def test_bad_names_are_refused(sqs, bad):
    with refused("InvalidParameterValue", 400):
        sqs.create_queue(QueueName=bad)


def test_a_fifo_queue_needs_its_suffix_and_its_attribute(sqs, name):
    with refused("InvalidParameterValue", 400):
        sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    with refused("InvalidParameterValue", 400):
        sqs.create_queue(QueueName=f"{name}.fifo")


def test_queue_urls_and_queues_that_are_not_there(server, sqs, queue, name):
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == queue
    assert sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=ACCOUNT)["QueueUrl"] == queue
    with refused(NO_QUEUE, 400, "The specified queue does not exist"):
        sqs.get_queue_url(QueueName=unique())
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.send_message(QueueUrl=f"{server.endpoint}/{ACCOUNT}/{unique()}", MessageBody="x")
    sqs.delete_queue(QueueUrl=queue)
    with refused(NO_QUEUE, 400):
        sqs.receive_message(QueueUrl=queue)
    with refused(NO_QUEUE, 400):
        sqs.delete_queue(QueueUrl=queue)


def test_a_queue_belongs_to_its_region_and_account(server, sqs, queue, name):
    for other in (server.client("sqs", region="eu-west-1"), server.client("sqs", key=("111111111111", "test"))):
        with refused(NO_QUEUE, 400):
            other.get_queue_url(QueueName=name)
        assert other.create_queue(QueueName=name)
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == queue


def test_a_deleted_name_is_free_after_60_seconds_on_a_strict_server(strict):
    sqs = strict.client("sqs")
    url = sqs.create_queue(QueueName="once")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=url)
    with refused("AWS.SimpleQueueService.QueueDeletedRecently", 400, "60 seconds"):
        sqs.create_queue(QueueName="once")


def test_list_queues_pages(sqs, name):
    urls = [sqs.create_queue(QueueName=f"{name}-{n}")["QueueUrl"] for n in range(7)]
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == urls
    assert "NextToken" not in sqs.list_queues(QueueNamePrefix=name)
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name, PaginationConfig={"PageSize": 3}))
    assert [len(page["QueueUrls"]) for page in pages] == [3, 3, 1]
    assert [url for page in pages for url in page["QueueUrls"]] == urls
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=unique("none"))
    with refused("InvalidParameterValue", 400):
        sqs.list_queues(MaxResults=1001)
    with pytest.raises(ClientError):
        sqs.list_queues(MaxResults=2, NextToken="made up")


def test_tags(sqs, name):
    url = sqs.create_queue(QueueName=name, tags={"team": "blue"})["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "test", "team": "green"})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "test", "team": "green"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["team", "none"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "test"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["stage"])
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)
    with pytest.raises(ClientError):
        sqs.tag_queue(QueueUrl=url, Tags={f"k{n}": "v" for n in range(51)})


def test_permissions_let_another_account_in(server, sqs, queue):
    other = server.client("sqs", key=("222222222222", "test"))
    with refused("AccessDenied", 403):
        other.send_message(QueueUrl=queue, MessageBody="x")
    sqs.add_permission(QueueUrl=queue, Label="send", AWSAccountIds=["222222222222"], Actions=["SendMessage"])
    statement, = json.loads(attributes(sqs, queue, "Policy")["Policy"])["Statement"]
    assert statement["Sid"] == "send" and statement["Effect"] == "Allow"
    other.send_message(QueueUrl=queue, MessageBody="let in")
    with refused("AccessDenied", 403):
        other.receive_message(QueueUrl=queue)
    with refused("InvalidParameterValue", 400):
        sqs.add_permission(QueueUrl=queue, Label="send", AWSAccountIds=["222222222222"], Actions=["SendMessage"])
    sqs.remove_permission(QueueUrl=queue, Label="send")
    with refused("AccessDenied", 403):
        other.send_message(QueueUrl=queue, MessageBody="x")
    with refused("InvalidParameterValue", 400):
        sqs.remove_permission(QueueUrl=queue, Label="send")
    assert bodies(receive(sqs, queue, 1)) == ["let in"]


# ---- messages -----------------------------------------------------------------------------------------


def test_sums_of_body_and_attributes(sqs, queue):
    body = "Grüße, 世界 \U0001f680\t\n"
    given = {
        "plain": {"DataType": "String", "StringValue": "text ü"},
        "number": {"DataType": "Number", "StringValue": "12.50"},
        "own": {"DataType": "Number.float", "StringValue": "1"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
    }
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=given,
                            MessageSystemAttributes=system)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    assert sent["MD5OfMessageAttributes"] == md5_of_attributes(given)
    assert sent["MD5OfMessageSystemAttributes"] == md5_of_attributes(system)
    message, = receive(sqs, queue, 1, MessageAttributeNames=["All"], AttributeNames=["All"])
    assert message["Body"] == body and message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == md5_of_attributes(given)
    own = message["Attributes"]
    assert own["AWSTraceHeader"] == system["AWSTraceHeader"]["StringValue"]
    assert own["ApproximateReceiveCount"] == "1" and own["SenderId"]
    assert int(own["SentTimestamp"]) <= int(own["ApproximateFirstReceiveTimestamp"])
    assert "SequenceNumber" not in own and "MessageGroupId" not in own


def test_only_wanted_attributes_are_given(sqs, queue):
    given = {name: {"DataType": "String", "StringValue": name} for name in ("a", "b.one", "b.two")}
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=given)
    for wanted, expected in (([], {}), (["a", "none"], {"a"}), (["b.*"], {"b.one", "b.two"}), ([".*"], set(given))):
        message, = receive(sqs, queue, 1, delete=False, VisibilityTimeout=0, MessageAttributeNames=wanted)
        shown = message.get("MessageAttributes", {})
        assert set(shown) == set(expected)
        assert message.get("MD5OfMessageAttributes") == (md5_of_attributes(shown) if shown else None)
        assert "Attributes" not in message
    message, = receive(sqs, queue, 1, MessageSystemAttributeNames=["SentTimestamp"])
    assert list(message["Attributes"]) == ["SentTimestamp"]


@pytest.mark.parametrize("given", [
    {"n": {"DataType": "Number", "StringValue": "twelve"}},
    {"n": {"DataType": "Text", "StringValue": "x"}},
    {"n": {"DataType": "String", "StringValue": ""}},
    {"n": {"DataType": "String"}},
    {"n": {"DataType": "Binary", "StringValue": "x"}},
    {"AWS.n": {"DataType": "String", "StringValue": "x"}},
    {".n": {"DataType": "String", "StringValue": "x"}},
    {"n..m": {"DataType": "String", "StringValue": "x"}},
    {"n m": {"DataType": "String", "StringValue": "x"}},
    {f"n{i}": {"DataType": "String", "StringValue": "x"} for i in range(11)},
])
def test_bad_message_attributes_are_refused(sqs, queue, given):
    with refused("InvalidParameterValue", 400):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=given)
    assert counts(sqs, queue) == (0, 0, 0)


def test_contents_that_are_refused(sqs, queue):
    with refused("MissingParameter", 400, "MessageBody"):
        sqs.send_message(QueueUrl=queue, MessageBody="")
    for bad in ("a\0b", "bell \x07", "\ufffe"):
        with refused("InvalidMessageContents", 400):
            sqs.send_message(QueueUrl=queue, MessageBody=bad)
    for parameter in ({"DelaySeconds": 901}, {"DelaySeconds": -1}):
        with refused("InvalidParameterValue", 400, "DelaySeconds"):
            sqs.send_message(QueueUrl=queue, MessageBody="x", **parameter)
    assert counts(sqs, queue) == (0, 0, 0)


def test_a_message_of_1_mib_and_none_that_is_longer(sqs, queue):
    body = "ö" * (MIB // 2)
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    message, = receive(sqs, queue, 1)
    assert message["Body"] == body
    with refused("InvalidParameterValue", 400, "shorter than 1048576 bytes"):
        sqs.send_message(QueueUrl=queue, MessageBody=body + "x")
    attribute = {"name": {"DataType": "String", "StringValue": "value"}}
    longest = "x" * (MIB - len("nameStringvalue"))
    with refused("InvalidParameterValue", 400):
        sqs.send_message(QueueUrl=queue, MessageBody=longest + "x", MessageAttributes=attribute)
    sqs.send_message(QueueUrl=queue, MessageBody=longest, MessageAttributes=attribute)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    with refused("InvalidParameterValue", 400, "shorter than 1024 bytes"):
        sqs.send_message(QueueUrl=queue, MessageBody="x" * 1025)


def test_batches_with_partial_failures(sqs, queue):
    entries = [{"Id": "good", "MessageBody": "one"}, {"Id": "late", "MessageBody": "two", "DelaySeconds": 901},
               {"Id": "odd", "MessageBody": "\0"}, {"Id": "fine", "MessageBody": "three"}]
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [(e["Id"], e["MD5OfMessageBody"]) for e in sent["Successful"]] == [
        ("good", hashlib.md5(b"one").hexdigest()), ("fine", hashlib.md5(b"three").hexdigest())]
    failed = {e["Id"]: e for e in sent["Failed"]}
    assert failed["late"]["Code"] == "InvalidParameterValue" and failed["late"]["SenderFault"] is True
    assert failed["odd"]["Code"] == "InvalidMessageContents" and failed["odd"]["SenderFault"] is True
    got = receive(sqs, queue, 2, delete=False)
    assert sorted(bodies(got)) == ["one", "three"]

    handles = [message["ReceiptHandle"] for message in got]
    changed = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[
        {"Id": "0", "ReceiptHandle": handles[0], "VisibilityTimeout": 100},
        {"Id": "1", "ReceiptHandle": handles[1], "VisibilityTimeout": 43201},
        {"Id": "2", "ReceiptHandle": "made up", "VisibilityTimeout": 1}])
    assert [e["Id"] for e in changed["Successful"]] == ["0"]
    assert {e["Id"]: e["Code"] for e in changed["Failed"]} == {
        "1": "InvalidParameterValue", "2": "ReceiptHandleIsInvalid"}

    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=[
        {"Id": "a", "ReceiptHandle": handles[0]}, {"Id": "b", "ReceiptHandle": "made up"},
        {"Id": "c", "ReceiptHandle": handles[1]}])
    assert [e["Id"] for e in deleted["Successful"]] == ["a", "c"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in deleted["Failed"]] == [
        ("b", "ReceiptHandleIsInvalid", True)]
    assert counts(sqs, queue) == (0, 0, 0)


@pytest.mark.parametrize("entries, code", [
    ([], "EmptyBatchRequest"),
    ([{"Id": str(n), "MessageBody": "x"} for n in range(11)], "TooManyEntriesInBatchRequest"),
    ([{"Id": "a", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct"),
    ([{"Id": "not good", "MessageBody": "x"}], "InvalidBatchEntryId"),
    ([{"Id": "a" * 81, "MessageBody": "x"}], "InvalidBatchEntryId"),
    ([{"Id": str(n), "MessageBody": "x" * (MIB // 2 + 1)} for n in range(2)], "BatchRequestTooLong"),
])
def test_batches_that_are_refused_whole(sqs, queue, entries, code):
    with refused(f"AWS.SimpleQueueService.{code}", 400):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert counts(sqs, queue) == (0, 0, 0)


# ---- receiving ----------------------------------------------------------------------------------------


def test_a_long_poll_ends_when_a_message_comes(sqs, queue):
    """An answer with the message is the proof: a poll that slept on would answer empty."""
    began = threading.Barrier(4)

    def poll(_):
        began.wait()
        return sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])

    def work(n):
        if n < 3:
            return poll(n)
        began.wait()
        return [sqs.send_message(QueueUrl=queue, MessageBody=str(i)) and None for i in range(3)]

    results = in_threads(4, work)
    assert sorted(b for messages in results[:3] for b in bodies(messages)) == ["0", "1", "2"]


def read_answer(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


def test_a_long_poll_ends_empty_by_the_clock(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="idle", Attributes={"ReceiveMessageWaitTimeSeconds": "20"})["QueueUrl"]
    answers = []
    poll = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=url)))
    poll.start()
    eventually(lambda: own.advance(20) and answers, "the poll's end")
    poll.join()
    assert "Messages" not in answers[0]


def test_thousands_of_idle_polls_hold_nobody_up(own):
    """One of them gets the message, and all others end empty by the clock: none is refused for their number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    polls = min(5000, most // 4)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="idle")["QueueUrl"]
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20})
    request = AWSRequest("POST", own.endpoint + "/", data=body, headers={
        "Host": own.listen, "X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"})
    SigV4Auth(Credentials(*own.key), "sqs", REGION).add_auth(request)
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    asked = f"POST / HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    host, port = own.listen.split(":")
    with contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(socket.create_connection((host, int(port)))) for _ in range(polls)]
        for n, connection in enumerate(connections):
            connection.sendall(asked)
            if n % 500 == 0:
                counts(sqs, url)  # Behind those before: at most so many wait for the queue at a time.
        sqs.send_message(QueueUrl=url, MessageBody="for one")
        eventually(lambda: counts(sqs, url) == (0, 1, 0), "the one that gets it")
        own.advance(20)
        answers = [read_answer(connection) for connection in connections]
    assert {status for status, _ in answers} == {200}
    assert [bodies(answer["Messages"]) for _, answer in answers if "Messages" in answer] == [["for one"]]


@pytest.mark.parametrize("arguments", [
    {"MaxNumberOfMessages": 0}, {"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"WaitTimeSeconds": -1},
    {"VisibilityTimeout": 43201}, {"VisibilityTimeout": -1}])
def test_receives_that_are_refused(sqs, queue, arguments):
    with refused("InvalidParameterValue", 400, next(iter(arguments))):
        sqs.receive_message(QueueUrl=queue, **arguments)


def test_visibility(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "40"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")

    def look(**arguments):
        return sqs.receive_message(QueueUrl=url, **arguments).get("Messages", [])

    first, = look()
    assert counts(sqs, url) == (0, 1, 0) and not look()
    own.advance(41)
    second, = look(VisibilityTimeout=100, AttributeNames=["ApproximateReceiveCount"])
    assert second["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    own.advance(60)
    assert not look()
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=600)
    own.advance(500)
    assert not look()
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    third, = look()
    handle = third["ReceiptHandle"]
    own.advance(43_000)
    fourth, = look()
    handle = fourth["ReceiptHandle"]
    with refused("InvalidParameterValue", 400):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_201)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    own.advance(100)
    assert not look() and counts(sqs, url) == (0, 0, 0)


def test_no_message_stays_in_flight_for_more_than_12_hours(own):
    """"The maximum is 12 hours from when the message is received": API reference, ChangeMessageVisibility."""
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    got, = sqs.receive_message(QueueUrl=url, VisibilityTimeout=40_000)["Messages"]
    own.advance(10_000)
    with refused("InvalidParameterValue", 400, "43200 seconds"):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=40_000)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=33_000)
    own.advance(32_990)
    assert counts(sqs, url) == (0, 1, 0)


def test_receipt_handles(sqs, queue, name):
    for call in (lambda h: sqs.delete_message(QueueUrl=queue, ReceiptHandle=h),
                 lambda h: sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=h, VisibilityTimeout=1)):
        for bad in ("made up", "AQEB" * 40):
            with refused("ReceiptHandleIsInvalid"):
                call(bad)
    other = sqs.create_queue(QueueName=f"{name}-other")["QueueUrl"]
    sqs.send_message(QueueUrl=other, MessageBody="x")
    foreign, = receive(sqs, other, 1, delete=False)
    with pytest.raises(ClientError):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=foreign["ReceiptHandle"])
    assert counts(sqs, other) == (0, 1, 0)
    # Deleting twice is no error (API reference, DeleteMessage); changing what is gone is.
    for _ in range(2):
        sqs.delete_message(QueueUrl=other, ReceiptHandle=foreign["ReceiptHandle"])
    with refused("InvalidParameterValue", 400):
        sqs.change_message_visibility(QueueUrl=other, ReceiptHandle=foreign["ReceiptHandle"], VisibilityTimeout=1)


def test_an_old_receipt_handle_does_not_change_visibility(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    message, = receive(sqs, queue, 1, delete=False, VisibilityTimeout=0)
    with refused("AWS.SimpleQueueService.MessageNotInflight", 400):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5)


def test_counts_are_right_when_idle(sqs, queue):
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(10)])
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=900)
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=4)["Messages"]
    assert counts(sqs, queue) == (10 - len(got), len(got), 1)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got[0]["ReceiptHandle"])
    assert counts(sqs, queue) == (10 - len(got), len(got) - 1, 1)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=got[1]["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(sqs, queue) == (11 - len(got), len(got) - 2, 1)


def test_many_hands_get_each_message_once(sqs, queue):
    def send(n):
        entries = [{"Id": str(i), "MessageBody": f"{n}-{i}"} for i in range(10)]
        assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 10

    def take(_):
        got = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            got += bodies(found)
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(found)]
            assert sqs.delete_message_batch(QueueUrl=queue, Entries=entries)["Failed"] == []
        return got

    in_threads(8, send)
    got = sorted(body for part in in_threads(4, take) for body in part)
    assert got == sorted(f"{n}-{i}" for n in range(8) for i in range(10))
    assert counts(sqs, queue) == (0, 0, 0)


def test_fair_queues_keep_the_group(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="tenant-7")
    message, = receive(sqs, queue, 1, AttributeNames=["All"])
    assert message["Attributes"]["MessageGroupId"] == "tenant-7"


# ---- time ---------------------------------------------------------------------------------------------


def test_delays(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "60"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="by the queue")
    sqs.send_message(QueueUrl=url, MessageBody="at once", DelaySeconds=0)
    sqs.send_message(QueueUrl=url, MessageBody="by itself", DelaySeconds=900)
    assert counts(sqs, url) == (1, 0, 2)
    assert bodies(receive(sqs, url, 1, WaitTimeSeconds=0)) == ["at once"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    own.advance(61)
    assert bodies(receive(sqs, url, 1)) == ["by the queue"]
    assert counts(sqs, url) == (0, 0, 1)
    own.restart_after_kill()
    assert counts(sqs, url) == (0, 0, 1)
    own.advance(840)
    assert bodies(receive(sqs, url, 1)) == ["by itself"]


def test_the_end_of_a_delay_wakes_a_long_poll(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=10)

    def work(n):
        return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20) if n else own.advance(10)

    assert bodies(in_threads(2, work)[1]["Messages"]) == ["x"]


def test_retention(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    own.advance(40)
    sqs.send_message(QueueUrl=url, MessageBody="young")
    own.advance(30)
    assert bodies(receive(sqs, url, 1, delete=False, VisibilityTimeout=0)) == ["young"]
    assert counts(sqs, url) == (1, 0, 0)
    own.advance(31)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    eventually(lambda: counts(sqs, url) == (0, 0, 0), "the count of an empty queue")


def test_purge(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    for n in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=str(n), DelaySeconds=n % 2)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)
    sqs.purge_queue(QueueUrl=url)
    eventually(lambda: counts(sqs, url) == (0, 0, 0), "the end of the purge")
    sqs.send_message(QueueUrl=url, MessageBody="after")
    with refused("AWS.SimpleQueueService.PurgeQueueInProgress"):
        sqs.purge_queue(QueueUrl=url)
    assert bodies(receive(sqs, url, 1)) == ["after"]
    own.advance(61)
    sqs.purge_queue(QueueUrl=url)


# ---- promises -----------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_kill(own):
    sqs = own.client("sqs")
    queue = sqs.create_queue(QueueName="q", tags={"a": "b"})["QueueUrl"]
    doomed = sqs.create_queue(QueueName="doomed")["QueueUrl"]
    sqs.delete_queue(QueueUrl=doomed)
    sent, tried, deleted = set(), set(), set()
    enough = threading.Event()

    def work(n):
        client = own.client("sqs")
        for i in range(10_000):
            body = f"{n}-{i}"
            try:
                client.send_message(QueueUrl=queue, MessageBody=body)
                sent.add(body)
                if i % 3 == 0:
                    for message in client.receive_message(QueueUrl=queue).get("Messages", []):
                        tried.add(message["Body"])
                        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                        deleted.add(message["Body"])
            except Exception:
                return  # the server is gone
            if len(sent) > 60:
                enough.set()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    own.kill()
    for thread in threads:
        thread.join()
    own.start()
    assert sqs.list_queues()["QueueUrls"] == [queue]
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"a": "b"}
    own.advance(31)
    visible, in_flight, _ = counts(sqs, queue)
    left = set(bodies(receive(sqs, queue, visible + in_flight)))
    assert sent - tried <= left, "acknowledged and lost"
    assert not deleted & left, "deleted and delivered"


def test_messages_are_not_readable_on_the_disk(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    marks = ["SMALL-MARK-" + "s" * 30, "LARGE-MARK-" + "l" * 200_000]
    for mark in marks:
        sqs.send_message(QueueUrl=url, MessageBody=mark)
    assert own.stop() == 0
    stored = [path.read_bytes() for path in own.directory.rglob("*") if path.is_file()]
    assert sum(map(len, stored)) > 200_000
    assert not any(mark in data for data in stored for mark in (b"SMALL-MARK", b"LARGE-MARK"))
    own.start()
    assert sorted(bodies(receive(sqs, url, 2))) == sorted(marks)


def test_a_policy_decides_for_everybody(server, sqs, queue):
    arn = queue_arn(sqs, queue)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"StringEquals": {"aws:PrincipalAccount": "333333333333"}}}
    grant = {"Effect": "Allow", "Principal": {"AWS": ["333333333333", "444444444444"]}, "Action": "sqs:*",
             "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(deny, grant)})
    server.client("sqs", key=("444444444444", "test")).send_message(QueueUrl=queue, MessageBody="x")
    with refused("AccessDenied", 403):
        server.client("sqs", key=("333333333333", "test")).send_message(QueueUrl=queue, MessageBody="x")
    assert counts(sqs, queue) == (1, 0, 0)
