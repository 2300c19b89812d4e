"""The second reference system, end to end, by its own drivers; producers hold no credentials."""

import hashlib
import json
import re
import urllib.error
import urllib.request

import pytest

from support import BINARY, BUILDING, DRIVERS, ROOT, allow, counts, eventually, make_user, receive

SYSTEM = ROOT / "systems/producer-consumer"
DRIVER = DRIVERS / "producer-consumer"
VARIANTS = {"rust": None, "node": ("node/", "nodejs20.x", "index.handler"), "python": ("python/", "python3.11", "app.handler")}


def template(variant):
    """The system's own template, or one whose function is of another language."""
    text = (SYSTEM / "template.yaml").read_text()
    if VARIANTS[variant] is None:
        return text
    code, runtime, handler = VARIANTS[variant]
    text = text.replace("    Metadata:\n      BuildMethod: rust-cargolambda\n", "")
    for before, after in (("CodeUri: function/", f"CodeUri: {code}"), ("Runtime: provided.al2023", f"Runtime: {runtime}"),
                          ("Handler: bootstrap", f"Handler: {handler}")):
        assert before in text
        text = text.replace(before, after)
    return text


class System:
    """The deployed system, and what a user of it does."""

    def __init__(self, server, folder, variant):
        self.server, self.folder = server, folder
        self.deployer = make_user(server.client("iam"), "deployer", allow("*"))
        source = folder / "producer-consumer"
        source.mkdir()
        for name in ("function", "node", "python"):
            (source / name).symlink_to(SYSTEM / name)
        (source / "template.yaml").write_text(template(variant))
        deployed = server.run(BINARY, "deploy", source, key=self.deployer, timeout=BUILDING)
        self.api = re.search(r"http://\S+/_user_request_", deployed.stdout)[0]
        self.outputs = json.loads(server.run(BINARY, "outputs", "producer-consumer", "--json", key=self.deployer).stdout)
        self.consumer = make_user(server.client("iam"), "consumer")
        server.client("iam").attach_user_policy(UserName="consumer", PolicyArn=self.outputs["ConsumePolicyArn"])

    def ask(self, body, path="/presign"):
        """Status, media type and text of the API's answer."""
        request = urllib.request.Request(self.api + path, data=body.encode(), method="POST")
        return answer_to(request)

    def url(self, key, action):
        status, kind, text = self.ask(json.dumps({"object_key": key, "action": action}))
        assert (status, kind) == (200, "text/plain"), text
        return text

    def produce(self, *files):
        """As somebody without any credentials."""
        self.server.run(DRIVER, "produce", "--api", self.api, *files, key=("", ""), timeout=300)

    def consume(self, into):
        done = self.server.run(DRIVER, "consume", "--api", self.api, "--until-empty", into, key=self.consumer, timeout=300)
        return {line.split(" ", 2)[2]: line.split(" ", 2)[0] for line in done.stdout.splitlines()}, done.stderr


def answer_to(request):
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get("content-type"), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("content-type"), error.read().decode()


def write(folder, name, size):
    path = folder / name
    block = hashlib.sha256(name.encode()).digest()
    path.write_bytes((block * (size // len(block) + 1))[:size])
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_go_from_producers_to_consumers(own, tmp_path, variant):
    system = System(own, tmp_path, variant)
    names = {"one byte": 1, "a+b & ü.txt": 1000, "large.bin": 20_000_000 if variant == "rust" else 100_000}
    files = [write(tmp_path, name, size) for name, size in names.items()]
    system.produce(*files)
    got, complaints = system.consume(tmp_path / "got")
    assert complaints == ""
    assert set(got) == {f"input/{name}" for name in names}
    for file in files:
        body = (tmp_path / "got/input" / file.name).read_bytes()
        assert body == file.read_bytes()
        assert got[f"input/{file.name}"] == hashlib.md5(body).hexdigest()
    sqs = own.client("sqs")
    assert counts(sqs, system.outputs["UploadsQueueUrl"]) == (0, 0, 0)
    head = own.client("s3").head_object(Bucket=system.outputs["BucketName"], Key="input/one byte")
    assert head["ServerSideEncryption"] == "AES256"

    for body, why in (('{"action": "putObject"}', "object_key is missing"), ("", "the body is not a JSON object"),
                      ('{"object_key": "x", "action": "rm"}', "action must be putObject or getObject")):
        status, kind, text = system.ask(body)
        assert (status, kind, json.loads(text)) == (400, "application/json", {"error": why})
    assert system.ask('{"object_key": "x", "action": "getObject"}', "/")[0] == 200, "any path"
    own.run(BINARY, "destroy", "producer-consumer", key=system.deployer, check=False)


def test_what_fails(own, tmp_path):
    system = System(own, tmp_path, "rust")
    sqs, failed = own.client("sqs"), system.outputs["FailedQueueArn"]
    url = system.outputs["UploadsQueueUrl"]
    [first] = receive(sqs, url, 1)
    assert json.loads(first["Body"])["Event"] == "s3:TestEvent"

    # Nothing outside of `input/` is told of; neither is it reached without a URL.
    put = urllib.request.Request(system.url("elsewhere", "putObject"), data=b"x", method="PUT")
    assert answer_to(put)[0] == 200
    assert answer_to(urllib.request.Request(f"{own.endpoint}/{system.outputs['BucketName']}/elsewhere"))[0] == 403

    # An altered URL.
    signed = system.url("elsewhere", "getObject")
    assert answer_to(urllib.request.Request(signed))[2] == "x"
    status, kind, text = answer_to(urllib.request.Request(signed.replace("elsewhere", "input/else")))
    assert (status, kind) == (403, "application/xml") and "<Code>SignatureDoesNotMatch</Code>" in text

    # A consumer that keeps failing: the fifth receive is the last.
    system.produce(write(tmp_path, "bad", 10))
    own.client("s3").delete_object(Bucket=system.outputs["BucketName"], Key="input/bad")
    for _ in range(5):
        [message] = receive(sqs, url, 1, delete=False)
        own.advance(361)
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)
    dead = sqs.get_queue_url(QueueName="producer-consumer-failed")["QueueUrl"]
    assert eventually(lambda: counts(sqs, dead) == (1, 0, 0), "the dead letter")
    sqs.start_message_move_task(SourceArn=failed)
    [back] = receive(sqs, url, 1)
    assert back["Body"] == message["Body"]
