"""Servers and clients for the tests.

Tests that move the clock, kill the server or count everything have a server of their own; the others
share one whose clock is never moved.
"""

import io
import zipfile

import pytest

from support import ACCOUNT, Server, trust, unique

# What the tests' functions run on, but for those tests that are about runtimes.
RUNTIMES = ["python3.11", "nodejs20.x"]


def _stop(server):
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="session", autouse=True)
def runtimes(tmp_path_factory):
    """Has what runtimes bring fetched, once: tests take for granted that functions are active at once."""
    server = Server(tmp_path_factory.mktemp("runtimes") / "data")
    server.client("iam").create_role(
        RoleName="runtimes", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    package, functions = io.BytesIO(), server.client("lambda")
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", "")
    names = [runtime.replace(".", "-") for runtime in RUNTIMES]
    for name, runtime in zip(names, RUNTIMES):
        functions.create_function(
            FunctionName=name, Runtime=runtime, Handler="index.handler", Code={"ZipFile": package.getvalue()},
            Role=f"arn:aws:iam::{ACCOUNT}:role/runtimes")
    for name in names:
        functions.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    _stop(server)


@pytest.fixture(scope="session")
def server(tmp_path_factory, runtimes):
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
