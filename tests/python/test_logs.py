"""CloudWatch Logs through boto3: groups, streams, events and filters, retention by the server's clock, what a
crash leaves, and the command lines that read."""

import base64
import gzip
import json
import subprocess
import time

import pytest

from support import ACCOUNT, AWS, BINARY, REGION, allow, deny, document, eventually, make_user, refused, trust, unique

DAY = 24 * 60 * 60 * 1000


@pytest.fixture
def logs(server):
    return server.client("logs")


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
