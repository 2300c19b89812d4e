"""Servers and clients for the tests.

Tests that move the clock, kill the server or count everything have a server of their own; the others
share one whose clock is never moved.
"""

import pytest

from support import Server, unique


def _stop(server):
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with `--dev` that all share."""
    server = Server(tmp_path_factory.mktemp("shared") / "data")
    yield server
    _stop(server)


@pytest.fixture
def own(tmp_path):
    """A server with `--dev` for one test: its clock may be moved, it may be killed and started again."""
    server = Server(tmp_path / "data")
    yield server
    _stop(server)


@pytest.fixture
def strict(tmp_path):
    """A server without `--dev`; its key is the one of the root that it printed."""
    server = Server(tmp_path / "strict", dev=False)
    server.key = (server.exports["AWS_ACCESS_KEY_ID"], server.exports["AWS_SECRET_ACCESS_KEY"])
    yield server
    _stop(server)


@pytest.fixture
def name():
    """A name that no other test has."""
    return unique()


@pytest.fixture
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def s3(server):
    return server.client("s3")


@pytest.fixture
def iam(server):
    return server.client("iam")


@pytest.fixture
def queue(sqs, name):
    """The URL of an empty standard queue."""
    return sqs.create_queue(QueueName=name)["QueueUrl"]


@pytest.fixture
def fifo(sqs, name):
    """The URL of an empty FIFO queue with content-based deduplication."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    return sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]


@pytest.fixture
def topic(sns, name):
    return sns.create_topic(Name=name)["TopicArn"]


@pytest.fixture
def bucket(s3, name):
    s3.create_bucket(Bucket=name)
    return name
