"""CloudWatch Logs through boto3: groups, streams, events and filters, retention by the server's clock, what a
crash leaves, and the command lines that read."""

import base64
import gzip
import json
import subprocess
import threading
import time

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

import test_cloudformation as stacks
import test_lambda as lambdas
from support import (ACCOUNT, AWS, BINARY, REGION, Server, allow, deny, document, eventually, make_user, refused, trust,
                     unique)

DAY = 24 * 60 * 60 * 1000


@pytest.fixture
def logs(server):
    return server.client("logs")


@pytest.fixture
def bare(tmp_path):
    """A server of one's own whose functions have no AWS SDK: none needs to be fetched."""
    server = Server(tmp_path / "data", "--no-runtime-sdk")
    yield server
    if server.process.poll() is None:
        server.kill()


def now():
    return int(time.time() * 1000)


def make(logs, streams=("s",), **more):
    """A group with streams; gives its name."""
    group = unique("/test/group")
    logs.create_log_group(logGroupName=group, **more)
    for stream in streams:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    return group


def put(logs, group, messages, stream="s", at=None, step=1):
    """Puts messages, a millisecond apart; gives the time of the first."""
    at = now() - 60_000 if at is None else at
    events = [{"timestamp": at + n * step, "message": message} for n, message in enumerate(messages)]
    answer = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert "rejectedLogEventsInfo" not in answer, answer
    return at


def texts(answer):
    return [event["message"] for event in answer["events"]]


def get(logs, group, stream="s", **more):
    return logs.get_log_events(logGroupName=group, logStreamName=stream, **more)


def filtered(logs, group, pattern="", **more):
    """All messages that match, page by page."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=pattern, **more)
    return [message for page in pages for message in texts(page)]


def test_events_are_read_as_they_were_put(logs):
    group = make(logs)
    at = put(logs, group, ["one", "two", "drei — ü\n"])
    answer = get(logs, group)
    assert texts(answer) == ["one", "two", "drei — ü\n"]
    first = answer["events"][0]
    assert first["timestamp"] == at and abs(first["ingestionTime"] - now()) < 60_000
    stream, = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (at, at + 2)
    assert stream["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:s"
    assert stream["storedBytes"] == 0 and stream["creationTime"] <= stream["lastIngestionTime"]


def test_groups_and_streams_that_are_not_there_or_there_already(logs):
    group = make(logs)
    with refused("ResourceAlreadyExistsException", 400, "The specified log group already exists"):
        logs.create_log_group(logGroupName=group)
    with refused("ResourceAlreadyExistsException", 400, "The specified log stream already exists"):
        logs.create_log_stream(logGroupName=group, logStreamName="s")
    for call in (lambda: get(logs, "nowhere"), lambda: put(logs, "nowhere", ["x"]), lambda: filtered(logs, "nowhere"),
                 lambda: logs.delete_log_group(logGroupName="nowhere"),
                 lambda: logs.create_log_stream(logGroupName="nowhere", logStreamName="s")):
        with refused("ResourceNotFoundException", 400, "The specified log group does not exist."):
            call()
    for call in (lambda: get(logs, group, "other"), lambda: put(logs, group, ["x"], "other"),
                 lambda: filtered(logs, group, logStreamNames=["s", "other"]),
                 lambda: logs.delete_log_stream(logGroupName=group, logStreamName="other")):
        with refused("ResourceNotFoundException", 400, "The specified log stream does not exist."):
            call()
    with refused("InvalidParameterException", 400, "failed to satisfy constraint"):
        logs.create_log_group(logGroupName="no spaces")
    with refused("InvalidParameterException", 400, "failed to satisfy constraint"):
        logs.create_log_stream(logGroupName=group, logStreamName="no:colons")


def test_acknowledged_events_survive_a_kill(own):
    logs = own.client("logs")
    group = make(logs)
    for n in range(20):
        put(logs, group, [f"event {n}.{m}" for m in range(10)], at=now() - 1000 + n)
    own.restart_after_kill()
    assert sorted(texts(get(own.client("logs"), group))) == sorted(
        f"event {n}.{m}" for n in range(20) for m in range(10))


def test_what_is_acknowledged_under_load_survives_kills(own):
    group = make(own.client("logs"), [f"s{n}" for n in range(4)])
    acknowledged, attempted, running = set(), set(), threading.Event()

    def writer(stream):
        logs, number = own.client("logs", connect_timeout=2, read_timeout=10), 0
        while running.is_set():
            messages = [f"{stream}.{number}.{n}" for n in range(5)]
            attempted.update(messages)
            try:
                put(logs, group, messages, stream, at=now())
                acknowledged.update(messages)
            except (BotoCoreError, ClientError):
                running.wait(0.02)
            number += 1

    running.set()
    threads = [threading.Thread(target=writer, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(acknowledged)
        eventually(lambda: len(acknowledged) > before + 100, "some more events")
        own.restart_after_kill()
    running.clear()
    for thread in threads:
        thread.join()
    logs = own.client("logs")
    found = filtered(logs, group)
    assert acknowledged <= set(found) <= attempted
    assert len(found) == len(set(found)), "what was put once is there once"
    by_stream = [message for n in range(4) for message in texts(get(logs, group, f"s{n}"))]
    assert sorted(by_stream) == sorted(found)
    stored = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"]
    assert stored == sum(len(message) + 26 for message in found)


# ---- groups ---------------------------------------------------------------------------------------------


def test_groups_are_described_by_prefix_and_pattern_page_by_page(logs):
    base = unique("/pages/x")
    names = sorted(f"{base}/{part}-{n}" for part in ("alpha", "beta") for n in range(4))
    for group in names:
        logs.create_log_group(logGroupName=group)

    def described(**more):
        pages = logs.get_paginator("describe_log_groups").paginate(**more)
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    assert described(logGroupNamePrefix=base) == names
    assert described(logGroupNamePrefix=base, PaginationConfig={"PageSize": 3}) == names
    assert described(logGroupNamePattern=base[2:] + "/beta", PaginationConfig={"PageSize": 1}) == names[4:]
    assert described(logGroupNamePrefix=base, logGroupClass="INFREQUENT_ACCESS") == []
    with refused("InvalidParameterException", 400, "mutually exclusive"):
        described(logGroupNamePrefix=base, logGroupNamePattern=base)
    with refused("InvalidParameterException", 400, "nextToken"):
        logs.describe_log_groups(nextToken="§")
    found = logs.describe_log_groups(logGroupIdentifiers=[names[2], names[0], "nowhere"])["logGroups"]
    assert [group["logGroupName"] for group in found] == [names[2], names[0]]
    listed = logs.list_log_groups(logGroupNamePattern=f"^{base[:20]}", limit=1000)["logGroups"]
    assert set(names) <= {group["logGroupName"] for group in listed}
    logs.delete_log_group(logGroupName=names[0])
    assert described(logGroupNamePrefix=base) == names[1:]


def test_what_is_set_for_a_group(logs):
    group = make(logs, tags={"team": "a"})

    def described():
        return logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]

    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    first = described()
    assert (first["arn"], first["logGroupArn"], first["logGroupClass"]) == (f"{arn}:*", arn, "STANDARD")
    assert (first["storedBytes"], first["metricFilterCount"]) == (0, 0) and "retentionInDays" not in first
    put(logs, group, ["12345678"])
    assert described()["storedBytes"] == 34
    logs.put_retention_policy(logGroupName=group, retentionInDays=14)
    assert described()["retentionInDays"] == 14
    with refused("InvalidParameterException", 400, "retentionInDays"):
        logs.put_retention_policy(logGroupName=group, retentionInDays=2)
    logs.delete_retention_policy(logGroupName=group)
    assert "retentionInDays" not in described()
    logs.put_log_group_deletion_protection(logGroupIdentifier=arn, deletionProtectionEnabled=True)
    with refused("ValidationException", 400, "deletion protection"):
        logs.delete_log_group(logGroupName=group)
    logs.put_log_group_deletion_protection(logGroupIdentifier=group, deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=group)


def test_tags_in_both_ways(logs):
    group = make(logs, tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    logs.tag_log_group(logGroupName=group, tags={"b": "2"})
    logs.tag_resource(resourceArn=arn, tags={"c": "3", "a": "one"})
    tags = {"a": "one", "b": "2", "c": "3"}
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == tags
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    logs.untag_log_group(logGroupName=group, tags=["a"])
    logs.untag_resource(resourceArn=arn, tagKeys=["c", "no such"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    with refused("TooManyTagsException", 400):
        logs.tag_resource(resourceArn=arn, tags={f"k{n}": "v" for n in range(50)})
    with refused("ResourceNotFoundException", 400):
        logs.list_tags_for_resource(resourceArn=arn + "x")


def test_streams_are_described_by_name_and_by_last_event(logs):
    names = [f"s{n:02}" for n in range(7)]
    group = make(logs, names)
    order = [3, 0, 6, 1]
    for n, stream in enumerate(order):
        put(logs, group, ["x"], names[stream], at=now() - 10_000 + n)

    def described(**more):
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, **more)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    for size in (1, 3, 50):
        page = {"PaginationConfig": {"PageSize": size}}
        assert described(**page) == names
        assert described(descending=True, **page) == names[::-1]
        by_time = described(orderBy="LastEventTime", descending=True, **page)
        assert by_time[:4] == [names[n] for n in reversed(order)] and sorted(by_time) == names
    assert described(logStreamNamePrefix="s0", PaginationConfig={"PageSize": 2}) == names
    assert described(logStreamNamePrefix="s03") == ["s03"]
    with refused("InvalidParameterException", 400, "Cannot order by LastEventTime with a logStreamNamePrefix."):
        described(orderBy="LastEventTime", logStreamNamePrefix="s")
    logs.delete_log_stream(logGroupName=group, logStreamName="s03")
    assert "s03" not in described() and "s03" not in described(orderBy="LastEventTime")
    with refused("InvalidParameterException", 400):
        logs.describe_log_streams()


# ---- events ---------------------------------------------------------------------------------------------


def test_pages_forward_and_backward(logs):
    group = make(logs)
    at = put(logs, group, [str(n) for n in range(100)])
    last = get(logs, group, limit=10)
    assert texts(last) == [str(n) for n in range(90, 100)]
    before = get(logs, group, limit=10, nextToken=last["nextBackwardToken"])
    assert texts(before) == [str(n) for n in range(80, 90)]
    again = get(logs, group, limit=10, nextToken=before["nextForwardToken"], startFromHead=True)
    assert texts(again) == texts(last)
    end = get(logs, group, nextToken=again["nextForwardToken"], startFromHead=True)
    assert end["events"] == [] and end["nextForwardToken"] == again["nextForwardToken"]
    head = get(logs, group, limit=3, startFromHead=True)
    assert texts(head) == ["0", "1", "2"]
    start = get(logs, group, nextToken=head["nextBackwardToken"])
    assert start["events"] == [] and start["nextBackwardToken"] == head["nextBackwardToken"]
    assert texts(get(logs, group, startTime=at + 10, endTime=at + 13)) == ["10", "11", "12"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    assert len(logs.get_log_events(logGroupIdentifier=arn, logStreamName="s")["events"]) == 100
    with refused("InvalidParameterException", 400, "unmask"):
        get(logs, group, unmask=True)


def test_limits_of_a_put(server, logs):
    group = make(logs)
    at = now()
    with refused("InvalidParameterException", 400, "chronological order"):
        put(logs, group, ["a", "b"], step=-1)
    with refused("InvalidParameterException", 400, "24 hours"):
        put(logs, group, ["a", "b"], at=at - DAY - 1000, step=DAY + 1)
    with refused("InvalidParameterException", 400, "Log event too large"):
        put(logs, group, ["x" * (1024 * 1024)])
    with refused("InvalidParameterException", 400, "Upload too large"):
        put(logs, group, ["x" * (1024 * 512)] * 2)
    with refused("InvalidParameterException", 400, "10000"):
        put(logs, group, ["x"] * 10_001)
    unchecked = server.client("logs", parameter_validation=False)
    with refused("InvalidParameterException", 400, "message"):
        put(unchecked, group, [""])
    put(logs, group, ["x" * (1024 * 1024 - 26)])
    put(logs, group, ["y"] * 10_000)
    answer = logs.put_log_events(
        logGroupName=group, logStreamName="s", sequenceToken="whatever it was",
        logEvents=[{"timestamp": t, "message": "z"} for t in (at - 20 * DAY, at - 15 * DAY, at, at + 3 * 3_600_000)])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3}
    assert answer["nextSequenceToken"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    answer = logs.put_log_events(logGroupName=group, logStreamName="s",
                                 logEvents=[{"timestamp": at - DAY - 60_000, "message": "z"}])
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert len(filtered(logs, group)) == 10_002


def test_filtering_over_streams(logs):
    group = make(logs, ("web-1", "web-2", "job"))
    at = now() - 60_000
    for n in range(30):
        put(logs, group, [json.dumps({"n": n, "level": "error" if n % 3 == 0 else "info"})],
            ("web-1", "web-2", "job")[n % 3], at=at + n)

    def numbers(pattern="", **more):
        return [json.loads(text)["n"] for text in filtered(logs, group, pattern, **more)]

    assert numbers() == list(range(30))
    assert numbers(PaginationConfig={"PageSize": 7}) == list(range(30))
    assert numbers('{ $.level = "error" && $.n > 10 }') == [12, 15, 18, 21, 24, 27]
    assert numbers("error -27") == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    assert numbers(logStreamNamePrefix="web") == [n for n in range(30) if n % 3 != 2]
    assert numbers(logStreamNames=["job"]) == list(range(2, 30, 3))
    assert numbers(logStreamNames=["job", "web-1"], startTime=at + 10, endTime=at + 16) == [11, 12, 14, 15]
    assert numbers(startTime=at + 25, startFromHead=False, PaginationConfig={"PageSize": 2}) == [29, 28, 27, 26, 25]
    page = logs.filter_log_events(logGroupName=group, interleaved=True, limit=5)
    assert page["searchedLogStreams"] == []
    ids = [event["eventId"] for event in page["events"]]
    assert len(set(ids)) == 5 and {event["logStreamName"] for event in page["events"]} == {"web-1", "web-2", "job"}
    with refused("InvalidParameterException", 400):
        logs.filter_log_events(logGroupName=group, logStreamNames=["job"], logStreamNamePrefix="j")
    with refused("InvalidParameterException", 400, "Invalid character(s) in term 'a/b'"):
        logs.filter_log_events(logGroupName=group, filterPattern="a/b")
    with refused("InvalidParameterException", 400):
        logs.filter_log_events(logGroupName=group, startFromHead=False)


def test_patterns_can_be_tried(logs):
    lines = ['127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 200 1534',
             '127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /apache_pb.gif HTTP/1.0" 500 5324']
    matches = logs.test_metric_filter(
        filterPattern="[ip, identity, user_id, timestamp, request, status_code = 5*, size]",
        logEventMessages=lines)["matches"]
    assert matches == [{"eventNumber": 2, "eventMessage": lines[1], "extractedValues": {
        "$ip": "127.0.0.1", "$identity": "-", "$user_id": "frank", "$timestamp": "10/Oct/2000:13:35:22 -0700",
        "$request": "GET /apache_pb.gif HTTP/1.0", "$status_code": "500", "$size": "5324"}}]
    assert logs.test_metric_filter(filterPattern="200", logEventMessages=lines)["matches"][0]["eventNumber"] == 1


def test_retention_deletes_by_the_servers_clock(own):
    logs = own.client("logs")
    group = make(logs)
    put(logs, group, ["old"], at=now() - 2 * DAY)
    put(logs, group, ["new"])
    logs.put_retention_policy(logGroupName=group, retentionInDays=3)
    assert filtered(logs, group) == ["old", "new"]
    own.advance(DAY // 1000 + 60)
    assert filtered(logs, group) == ["new"]
    own.advance(3600)
    stored = lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"]
    eventually(lambda: stored() == 29, "only the new event is stored")
    own.restart_after_kill()
    logs = own.client("logs")
    own.advance(4 * DAY // 1000)
    eventually(lambda: stored() == 0, "nothing is stored")
    assert filtered(logs, group) == []


# ---- subscriptions --------------------------------------------------------------------------------------


def archive(own):
    """A delivery stream, its bucket, and the ARN of a role that may put records."""
    s3, iam, firehose = (own.client(service) for service in ("s3", "iam", "firehose"))
    s3.create_bucket(Bucket="archive")
    iam.create_role(RoleName="delivery", AssumeRolePolicyDocument=trust(Service="firehose.amazonaws.com"))
    iam.put_role_policy(RoleName="delivery", PolicyName="p", PolicyDocument=document(
        allow("s3:*", ["arn:aws:s3:::archive", "arn:aws:s3:::archive/*"])))
    stream = firehose.create_delivery_stream(
        DeliveryStreamName="archive", DeliveryStreamType="DirectPut", ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/delivery", "BucketARN": "arn:aws:s3:::archive",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 5}})["DeliveryStreamARN"]
    role = iam.create_role(RoleName="logs", AssumeRolePolicyDocument=trust(Service="logs.amazonaws.com"))
    iam.put_role_policy(RoleName="logs", PolicyName="p", PolicyDocument=document(allow("firehose:PutRecord", stream)))
    return stream, role["Role"]["Arn"]


def delivered(own, events):
    """What the bucket has once there are so many log events: data messages, in order."""
    s3 = own.client("s3")

    def look():
        own.advance(61)
        found = []
        for entry in s3.list_objects_v2(Bucket="archive").get("Contents", []):
            body = s3.get_object(Bucket="archive", Key=entry["Key"])["Body"].read()
            # Records are gzip members, one behind the other.
            text, decoder = gzip.decompress(body).decode(), json.JSONDecoder()
            while text:
                record, end = decoder.raw_decode(text)
                found.append(record)
                text = text[end:]
        data = [record for record in found if record["messageType"] == "DATA_MESSAGE"]
        assert len(found) > len(data) or not found, "the probe is there too"
        return data if sum(len(record["logEvents"]) for record in data) >= events else None

    return eventually(look, f"{events} events in the archive")


def test_a_subscription_reaches_the_archive_also_after_a_kill(own):
    logs = own.client("logs")
    stream, role = archive(own)
    group = make(logs)
    logs.put_subscription_filter(logGroupName=group, filterName="errors", filterPattern="ERROR",
                                 destinationArn=stream, roleArn=role)
    described, = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert (described["filterName"], described["filterPattern"], described["destinationArn"], described["roleArn"]) == (
        "errors", "ERROR", stream, role)
    for n in range(10):
        put(logs, group, [f"ERROR {n}", f"fine {n}"], at=now() - 1000 + n)
    own.restart_after_kill()
    data = delivered(own, 10)
    assert all((record["logGroup"], record["logStream"], record["owner"]) == (group, "s", ACCOUNT) for record in data)
    messages = [event["message"] for record in data for event in record["logEvents"]]
    assert messages == [f"ERROR {n}" for n in range(10)], "each once, in order"
    logs = own.client("logs")
    logs.delete_subscription_filter(logGroupName=group, filterName="errors")
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []
    with refused("ResourceNotFoundException", 400, "The specified subscription filter does not exist."):
        logs.delete_subscription_filter(logGroupName=group, filterName="errors")


def test_subscriptions_that_cannot_be(own):
    logs, iam = own.client("logs"), own.client("iam")
    stream, role = archive(own)
    group = make(logs)

    def subscribe(name="f", pattern="", destination=stream, by=role, client=logs):
        more = {"roleArn": by} if by else {}
        client.put_subscription_filter(logGroupName=group, filterName=name, filterPattern=pattern,
                                       destinationArn=destination, **more)

    with refused("InvalidParameterException", 400, "destinationArn"):
        subscribe(destination=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s")
    with refused("InvalidParameterException", 400, "Could not execute the lambda function"):
        subscribe(destination=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none", by=None)
    with refused("InvalidParameterException", 400, "Could not deliver test message"):
        subscribe(destination=stream + "-other")
    with refused("InvalidParameterException", 400, "Could not deliver test message"):
        subscribe(by=f"arn:aws:iam::{ACCOUNT}:role/delivery")
    with refused("InvalidParameterException", 400, "Invalid character(s)"):
        subscribe(pattern="a/b")
    with refused("InvalidParameterException", 400, "emitSystemFields"):
        logs.put_subscription_filter(logGroupName=group, filterName="f", filterPattern="", destinationArn=stream,
                                     roleArn=role, emitSystemFields=["@aws.account"])
    key = make_user(iam, "nopass", allow("logs:*"))
    with refused("AccessDeniedException", 400, "iam:PassRole"):
        subscribe(client=own.client("logs", key=key))
    subscribe("one")
    subscribe("two")
    subscribe("two", pattern="again")
    with refused("LimitExceededException", 400, "Resource limit exceeded."):
        subscribe("three")
    filters = logs.describe_subscription_filters(logGroupName=group, filterNamePrefix="t")["subscriptionFilters"]
    assert [(f["filterName"], f["filterPattern"]) for f in filters] == [("two", "again")]
    pages = logs.get_paginator("describe_subscription_filters").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 1})
    assert [f["filterName"] for page in pages for f in page["subscriptionFilters"]] == ["one", "two"]


# ---- functions ------------------------------------------------------------------------------------------

DECODE = """
import base64, gzip, json
def handler(event, context):
    print("got", gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode())
"""
LOGGING = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])


def test_what_a_function_prints_is_put_as_its_role(bare):
    logs, iam, functions = (bare.client(service) for service in ("logs", "iam", "lambda"))
    quiet = lambdas.make_role(iam, "quiet")
    role = lambdas.make_role(iam, "chatty", LOGGING)
    lambdas.create(functions, "quiet", quiet)
    lambdas.create(functions, "chatty", role)
    lambdas.invoke(functions, "quiet", {"say": "nothing"})
    answer, _ = lambdas.invoke(functions, "chatty", {"say": "hello"})
    request = answer["ResponseMetadata"]["RequestId"]
    group = "/aws/lambda/chatty"

    def lines():
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        found = filtered(logs, group) if groups else []
        return found if any(line.startswith("REPORT") for line in found) else None

    found = eventually(lines, "the lines of the function")
    assert [line.split()[0] for line in found if "INIT" not in line] == ["START", "saw", "END", "REPORT"]
    assert found[-1].startswith(f"REPORT RequestId: {request}") and all(line.endswith("\n") for line in found)
    stream, = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert "[$LATEST]" in stream["logStreamName"]
    # Put before those of the other: where they are not by now, they are not at all.
    assert [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]] == [group]
    printed = bare.run(BINARY, "logs", "chatty", "--filter", "saw").stdout
    assert printed.rstrip().endswith('saw {"say": "hello"}')
    other = {"LogGroup": "/elsewhere"}
    lambdas.create(functions, "configured", role, LoggingConfig=other)
    lambdas.invoke(functions, "configured", {"say": "here"})
    eventually(lambda: 'saw {"say": "here"}' in bare.run(BINARY, "logs", "configured", check=False).stdout,
               "the lines of a function that logs elsewhere")
    assert len(filtered(logs, "/elsewhere", "here")) == 1
    # What was printed last is not lost when the server stops.
    lambdas.invoke(functions, "chatty", {"say": "bye"})
    assert bare.stop() == 0
    bare.start()
    assert "bye" in filtered(bare.client("logs"), group, "saw")[-1]


def test_a_subscription_invokes_a_function(bare):
    logs, iam, functions = (bare.client(service) for service in ("logs", "iam", "lambda"))
    role = lambdas.make_role(iam, "reader", LOGGING)
    arn = lambdas.create(functions, "reader", role, DECODE)["FunctionArn"]
    group = make(logs)
    more = {"logGroupName": group, "filterName": "f", "filterPattern": "{ $.level = error }", "destinationArn": arn}
    with refused("InvalidParameterException", 400, "Could not execute the lambda function"):
        logs.put_subscription_filter(**more)
    functions.add_permission(FunctionName="reader", StatementId="logs", Action="lambda:InvokeFunction",
                             Principal="logs.amazonaws.com", SourceAccount=ACCOUNT,
                             SourceArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*")
    with refused("InvalidParameterException", 400, "roleArn"):
        logs.put_subscription_filter(roleArn=role, **more)
    logs.put_subscription_filter(**more)
    put(logs, group, ['{"level": "error", "n": 1}', '{"level": "info", "n": 2}'])

    def got():
        groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/reader")["logGroups"]
        return groups and filtered(logs, "/aws/lambda/reader", "got")

    line, = eventually(got, "the function's own log")
    data = json.loads(line.split(" ", 1)[1])
    assert (data["messageType"], data["owner"], data["logGroup"], data["logStream"]) == (
        "DATA_MESSAGE", ACCOUNT, group, "s")
    assert data["subscriptionFilters"] == ["f"]
    event, = data["logEvents"]
    assert json.loads(event["message"])["n"] == 1
    sent = logs.filter_log_events(logGroupName=group, filterPattern="error")["events"]
    assert [(e["eventId"], e["timestamp"]) for e in sent] == [(event["id"], event["timestamp"])]


# ---- who may, and what is not there ---------------------------------------------------------------------


def test_policies_name_groups_as_aws_does(server, logs):
    iam, name = server.client("iam"), unique("writer")
    group, other = make(logs), make(logs)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    key = make_user(iam, name, allow(["logs:CreateLogStream", "logs:PutLogEvents", "logs:FilterLogEvents"], f"{arn}:*"),
                    allow("logs:GetLogEvents", f"{arn}:log-stream:mine"),
                    deny("logs:PutLogEvents", f"{arn}:log-stream:s"))
    mine = server.client("logs", key=key)
    mine.create_log_stream(logGroupName=group, logStreamName="mine")
    put(mine, group, ["x"], "mine")
    assert texts(get(mine, group, "mine")) == ["x"] and filtered(mine, group) == ["x"]
    for call in (lambda: put(mine, group, ["x"]), lambda: put(mine, other, ["x"]), lambda: get(mine, group, "s"),
                 lambda: filtered(mine, other), lambda: mine.describe_log_groups(),
                 lambda: mine.delete_log_group(logGroupName=group),
                 lambda: mine.describe_log_streams(logGroupIdentifier=group),
                 lambda: mine.list_tags_for_resource(resourceArn=arn)):
        with refused("AccessDeniedException", 400, "is not authorized to perform: logs:"):
            call()


def test_what_is_not_implemented_is_refused_by_name(logs):
    group = make(logs)
    with refused("InvalidParameterException", 400, "kmsKeyId"):
        logs.create_log_group(logGroupName=unique("g"), kmsKeyId="arn:aws:kms:us-east-1:000000000000:key/k")
    with refused("InvalidParameterException", 400, "INFREQUENT_ACCESS"):
        logs.create_log_group(logGroupName=unique("g"), logGroupClass="INFREQUENT_ACCESS")
    metric = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
    calls = {
        "PutMetricFilter": dict(logGroupName=group, filterName="f", filterPattern="", metricTransformations=[metric]),
        "StartQuery": dict(logGroupName=group, startTime=0, endTime=1, queryString="fields @message"),
        "CreateExportTask": dict(logGroupName=group, fromTime=0, to=1, destination="b"),
        "PutDestination": dict(destinationName="d", targetArn="a", roleArn="r"),
        "PutDataProtectionPolicy": dict(logGroupIdentifier=group, policyDocument="{}"),
        "PutResourcePolicy": dict(policyName="p", policyDocument="{}"),
        "AssociateKmsKey": dict(logGroupName=group, kmsKeyId="k"),
    }
    for name, call in calls.items():
        with pytest.raises(ClientError, match=name):
            getattr(logs, xform_name(name))(**call)


# ---- command lines, templates ---------------------------------------------------------------------------


def test_the_aws_cli_reads(server, logs):
    """Version 1 of the CLI, which has no `logs tail`: that of version 2 calls what the paginator here calls."""
    group = make(logs)
    put(logs, group, ["first line", "second line", "third line"])
    done = server.run(*AWS, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "line -third",
                      "--page-size", "1", "--interleaved", "--query", "events[].message", "--output", "json")
    assert json.loads(done.stdout) == ["first line", "second line"]
    done = server.run(*AWS, "logs", "get-log-events", "--log-group-name", group, "--log-stream-name", "s",
                      "--limit", "1", "--query", "events[].message", "--output", "text")
    assert done.stdout.strip() == "third line"


def test_ropeway_logs_of_a_group_and_of_a_function(server, logs):
    function = unique("fn")
    group = f"/aws/lambda/{function}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    at = put(logs, group, ["start\n", '{"level": "error"}', "end"])
    put(logs, group, ["long ago"], at=at - 3_600_000)
    plain = server.run(BINARY, "logs", function).stdout.splitlines()
    assert [line.split(" ", 2)[1:] for line in plain] == [["s", "start"], ["s", '{"level": "error"}'], ["s", "end"]]
    assert len(server.run(BINARY, "logs", group, "--since", "2h").stdout.splitlines()) == 4
    line, = server.run(BINARY, "logs", function, "--filter", '{ $.level = "error" }', "--json").stdout.splitlines()
    found = json.loads(line)
    assert (found["message"], found["logStreamName"], found["timestamp"]) == ('{"level": "error"}', "s", at + 1)
    missing = server.run(BINARY, "logs", unique("none"), check=False)
    assert missing.returncode == 1 and "there is no log group" in missing.stderr
    wrong = server.run(BINARY, "logs", function, "--since", "yesterday", check=False)
    assert wrong.returncode == 2
    refused_pattern = server.run(BINARY, "logs", function, "--filter", "a/b", check=False)
    assert refused_pattern.returncode == 1 and "InvalidParameterException" in refused_pattern.stderr


def test_ropeway_logs_follows(own):
    logs, group = own.client("logs"), unique("/follow/group")
    follow = subprocess.Popen([BINARY, "logs", "-f", group], stdout=subprocess.PIPE, text=True, env=own.environment())
    try:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        for n in range(5):
            put(logs, group, [f"line {n}"], at=now())
            # Each comes once, before the next is put.
            assert follow.stdout.readline().split(" ", 2)[2] == f"line {n}\n"
        assert follow.poll() is None
    finally:
        follow.terminate()
        follow.wait()


def test_a_stack_with_logs(own):
    cfn, logs = own.client("cloudformation"), own.client("logs")
    stream, role = archive(own)

    def template(days=7, pattern="ERROR", tags=({"Key": "team", "Value": "a"},), name="/stack/group",
                 first="first"):
        group = {"LogGroupName": name, "Tags": list(tags), "RetentionInDays": days}
        return {
            "Resources": {
                "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {k: v for k, v in group.items() if v}},
                "Stream": {"Type": "AWS::Logs::LogStream",
                           "Properties": {"LogGroupName": {"Ref": "Group"}, "LogStreamName": first}},
                "Filter": {"Type": "AWS::Logs::SubscriptionFilter",
                           "Properties": {"LogGroupName": {"Ref": "Group"}, "FilterPattern": pattern,
                                          "DestinationArn": stream, "RoleArn": role}},
                "Named": {"Type": "AWS::Logs::LogGroup"},
            },
            "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}, "Named": {"Value": {"Ref": "Named"}}},
        }

    outputs = stacks.outputs(stacks.create(cfn, "logs", template()))
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/stack/group"
    assert outputs["Arn"] == f"{arn}:*" and outputs["Named"].startswith("logs-Named-")

    def group():
        return logs.describe_log_groups(logGroupNamePrefix="/stack/group")["logGroups"][0]

    assert group()["retentionInDays"] == 7
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"]["team"] == "a"
    assert logs.describe_log_streams(logGroupName="/stack/group")["logStreams"][0]["logStreamName"] == "first"
    stacks.update(cfn, "logs", template(None, "WARN", ({"Key": "more", "Value": "b"},)))
    assert "retentionInDays" not in group()
    tags = logs.list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags["more"] == "b" and "team" not in tags
    described, = logs.describe_subscription_filters(logGroupName="/stack/group")["subscriptionFilters"]
    assert described["filterPattern"] == "WARN"
    stacks.update(cfn, "logs", template(name="/stack/other", first="second"))
    names = [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix="/stack/")["logGroups"]]
    assert names == ["/stack/other"]
    stacks.delete(cfn, "logs")
    assert logs.describe_log_groups()["logGroups"] == []
    metric = {"Resources": {"M": {"Type": "AWS::Logs::MetricFilter", "Properties": {}}}}
    with refused("ValidationError", 400, "AWS::Logs::MetricFilter"):
        cfn.create_stack(StackName="metrics", TemplateBody=json.dumps(metric))
