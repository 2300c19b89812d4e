"""A server in a test, AWS's clients of it, and waiting for conditions."""

import hashlib
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
# What functions need is fetched once, for all servers of all runs.
RUNTIMES = str(ROOT / "target" / "runtimes")
BINARY = os.environ.get("ROPEWAY_BIN", str(ROOT / "target/debug/ropeway"))
# Where the systems' own drivers are.
DRIVERS = Path(os.environ.get("ROPEWAY_DRIVERS", Path(BINARY).parent))
# Deploying a folder may build what is in it, from an empty target directory on.
BUILDING = 1200
REGION = "us-east-1"
ACCOUNT = "000000000000"
AWS = [sys.executable, str(Path(sys.executable).parent / "aws")]
READY = re.compile(r"Ropeway is ready at (\S+) \(data in (.*)\)$")
EXPORT = re.compile(r"(AWS_[A-Z_]+)=(\S+)")

# One session for all clients: it reads each service's model once. Making clients is not thread-safe.
_session = boto3.session.Session()
_making_clients = threading.Lock()


def fetch(url, method="GET", data=None, headers=None):
    """Status, headers and body by plain HTTP, without credentials of its own."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def eventually(look, what="", seconds=30):
    """What `look` gives, as soon as it is true; an answer that never comes fails the test."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what or look}"
        time.sleep(0.02)


def clean_environment(**more):
    """The environment without what would lead a client elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ROPEWAY_"))}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PAGER": "", **more}


class Server:
    """A `ropeway start`, on a directory that may be used again after its end."""

    def __init__(self, directory, *flags, dev=True):
        self.directory = Path(directory)
        self.flags = [*flags, *(["--dev"] if dev else [])]
        self.listen = "127.0.0.1:0"
        self.process = None
        self.exports = {}
        self.key = ("test", "test")
        self.start()

    def start(self):
        log = open(self.directory.parent / f"{self.directory.name}.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "start", "--data-dir", str(self.directory), "--listen", self.listen, *self.flags],
            stdout=subprocess.PIPE, stderr=log, text=True, env=clean_environment(RUST_LOG="info", ROPEWAY_RUNTIMES_DIR=RUNTIMES))
        log.close()
        self._read_until_ready()
        # Whatever it prints later must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def _read_until_ready(self):
        printed = []
        for line in self.process.stdout:
            printed.append(line)
            self.exports.update(EXPORT.findall(line))
            ready = READY.search(line.rstrip())
            if ready:
                self.endpoint = ready[1]
                # The same address after a restart: queue URLs stay good.
                self.listen = self.endpoint.split("://")[1]
                return
        raise AssertionError("the server ended before it was ready:\n" + "".join(printed) + self.log())

    def log(self):
        return (self.directory.parent / f"{self.directory.name}.log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart_after_kill(self):
        self.kill()
        self.start()

    def stop(self):
        """Stops as an operator does; gives the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def client(self, service, key=None, region=REGION, **config):
        """A boto3 client that neither retries nor looks for credentials elsewhere."""
        key = key or self.key
        if service == "s3":
            # boto3 would pre-sign by the old version 2 otherwise, which S3 refuses for new buckets.
            config = {"signature_version": "s3v4", **config}
        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 10, "read_timeout": 90,
                    "max_pool_connections": 64, "s3": {"addressing_style": "path"}, **config}
        with _making_clients:
            return _session.client(
                service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key[0],
                aws_secret_access_key=key[1], aws_session_token=key[2] if len(key) > 2 else None,
                config=Config(**settings))

    def environment(self, key=None, **more):
        """What a command line needs to reach this server."""
        key = key or self.key
        token = {"AWS_SESSION_TOKEN": key[2]} if len(key) > 2 else {}
        return clean_environment(AWS_ENDPOINT_URL=self.endpoint, AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION,
                                 AWS_ACCESS_KEY_ID=key[0], AWS_SECRET_ACCESS_KEY=key[1], **token, **more)

    def run(self, *command, key=None, check=True, timeout=120, **more):
        """Runs a command that finds this server by its environment."""
        done = subprocess.run([str(word) for word in command], env=self.environment(key), capture_output=True,
                              text=True, timeout=timeout, **more)
        assert not check or done.returncode == 0, done
        return done

    def internal(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_ropeway/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def advance(self, seconds):
        """Moves the server's clock forward."""
        return self.internal("POST", "clock", {"advance_seconds": seconds})

    def now(self):
        """The time by the server's clock."""
        millis = self.internal("GET", "clock")["now_millis"]
        return datetime.fromtimestamp(millis / 1000, timezone.utc)


_numbers = itertools.count(1)


def unique(prefix="t"):
    """A name that no other test has."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


@contextmanager
def refused(code, status=None, text=None):
    """The calls inside must be refused with this code, as boto3 sees it."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response
    codes = (code,) if isinstance(code, str) else code
    assert error["Error"]["Code"] in codes, error
    if status is not None:
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status, error
    if text is not None:
        assert text in error["Error"].get("Message", ""), error


def status(url):
    """The status of a plain GET by nobody."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def in_threads(count, work):
    """Runs `work(n)` for n from 0 on in as many threads; gives the results, or raises what one raised."""
    results, failures = [None] * count, []

    def run(n):
        try:
            results[n] = work(n)
        except BaseException as error:  # handed to the caller
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def receive(sqs, url, count, delete=True, seconds=30, **arguments):
    """Receives until there were `count` messages, in the order in which they came."""
    found = []

    def enough():
        arguments.setdefault("WaitTimeSeconds", 1)
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **arguments).get("Messages", [])
        for message in got:
            if delete:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found.extend(got)
        return len(found) >= count

    eventually(enough, f"{count} messages from {url}, there were {len(found)}", seconds)
    return found


def queue_arn(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def bodies(messages):
    return [message["Body"] for message in messages]


def attributes(sqs, url, *names):
    """Attributes of a queue: these, or all."""
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"]).get("Attributes", {})


def counts(sqs, url):
    """Visible, in flight, delayed."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
             "ApproximateNumberOfMessagesDelayed"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(found[name]) for name in names)


def md5_of_attributes(attributes):
    """The sum as the SQS Developer Guide, "Calculating the MD5 message digest for message attributes"."""
    digest = hashlib.md5()

    def add(data):
        data = data.encode() if isinstance(data, str) else data
        digest.update(struct.pack(">I", len(data)) + data)

    for name in sorted(attributes):
        value = attributes[name]
        add(name)
        add(value["DataType"])
        binary = value["DataType"].startswith("Binary")
        digest.update(b"\2" if binary else b"\1")
        add(value["BinaryValue"] if binary else value["StringValue"])
    return digest.hexdigest()


def document(*statements):
    """A policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(**principal):
    """A trust policy."""
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def make_user(iam, name, *statements):
    """A user with an inline policy of these statements, and its key."""
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]
