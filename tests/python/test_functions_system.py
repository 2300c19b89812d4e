"""systems/functions: one event through a queue into a Rust, a Node and a Python function."""

import json
import re

from support import BINARY, BUILDING, ROOT, eventually

LANGUAGES = ("Rust", "Node", "Python")
REPORT = re.compile(r"REPORT RequestId: .*Max Memory Used: \d+ MB\t(Init Duration: [0-9.]+ ms)?")


def lines(server, function):
    """What `ropeway logs` prints of a function."""
    done = server.run(BINARY, "logs", function, check=False)
    return done.stdout if done.returncode == 0 else ""


def test_an_event_goes_through_a_queue_into_each_function(own):
    own.run(BINARY, "deploy", ROOT / "systems/functions", timeout=BUILDING)
    outputs = json.loads(own.run(BINARY, "outputs", "functions", "--json").stdout)
    sqs = own.client("sqs")
    for word in ("cold", "warm"):
        for language in LANGUAGES:
            sqs.send_message(QueueUrl=outputs[f"{language}QueueUrl"], MessageBody=word)
        for language in LANGUAGES:
            function, greeting = f"greet-{language.lower()}", f"{language} greets {word}"
            # The first of a runtime's functions may have to fetch what the runtime brings.
            eventually(lambda: greeting in lines(own, function), greeting, 300)
    for language in LANGUAGES:
        function = f"greet-{language.lower()}"
        reports = eventually(lambda: len(found := REPORT.findall(lines(own, function))) >= 2 and found, function)
        assert reports[0] and not reports[-1], "a cold start first, a warm one last"
        url = outputs[f"{language}QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        empty = lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) == {"0"}
        eventually(empty, f"{language}'s queue to be empty")
    own.run(BINARY, "destroy", "functions")
    assert own.client("lambda").list_functions()["Functions"] == []
