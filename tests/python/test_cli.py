"""The aws command and Ropeway's own commands, their output and exit codes."""

import json
import os
import pty
import re
import stat
import subprocess

import pytest

from support import (ACCOUNT, AWS, BINARY, READY, REGION, Server, clean_environment, eventually, make_user,
                     trust)

TEMPLATE = """
Parameters: {Delay: {Type: Number, Default: 1}, Name: {Type: String}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name, DelaySeconds: !Ref Delay}}
  Files: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub "${Name}-files"}}
Outputs:
  Url: {Value: !Ref Queue}
  Bucket: {Value: !Ref Files}
"""


def aws(server, *words, **more):
    """What an aws command prints, as JSON where there is anything."""
    # The first version of the command overlooks AWS_ENDPOINT_URL for SQS: it must be told on its command line.
    done = server.run(*AWS, "--endpoint-url", server.endpoint, "--output", "json", *words, **more)
    return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout


# ---- the aws command ------------------------------------------------------------------------------------


def test_aws_sqs(server, name):
    url = aws(server, "sqs", "create-queue", "--queue-name", name, "--attributes", "DelaySeconds=0")["QueueUrl"]
    sent = aws(server, "sqs", "send-message", "--queue-url", url, "--message-body", "by the command")
    got, = aws(server, "sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5")["Messages"]
    assert (got["MessageId"], got["Body"]) == (sent["MessageId"], "by the command")
    done = server.run(*AWS, "--endpoint-url", server.endpoint, "sqs", "get-queue-url", "--queue-name", f"{name}-none", check=False)
    assert done.returncode != 0 and "NonExistentQueue" in done.stderr


def test_aws_sns(server, name):
    arn = aws(server, "sns", "create-topic", "--name", name)["TopicArn"]
    assert aws(server, "sns", "publish", "--topic-arn", arn, "--message", "x")["MessageId"]
    assert arn in json.dumps(aws(server, "sns", "get-topic-attributes", "--topic-arn", arn))


def test_aws_s3(server, name, tmp_path):
    for n in range(3):
        (tmp_path / "in" / str(n)).mkdir(parents=True)
        (tmp_path / "in" / str(n) / "file.txt").write_text(f"file {n}\n")
    server.run(*AWS, "s3", "mb", f"s3://{name}")
    server.run(*AWS, "s3", "sync", tmp_path / "in", f"s3://{name}/tree")
    listed = server.run(*AWS, "s3", "ls", f"s3://{name}/tree/", "--recursive").stdout.split()
    assert [word for word in listed if word.startswith("tree/")] == [f"tree/{n}/file.txt" for n in range(3)]
    server.run(*AWS, "s3", "cp", f"s3://{name}/tree", tmp_path / "out", "--recursive")
    assert (tmp_path / "out" / "2" / "file.txt").read_text() == "file 2\n"
    assert server.run(*AWS, "s3", "cp", f"s3://{name}/tree/0/file.txt", "-").stdout == "file 0\n"
    server.run(*AWS, "s3", "rb", f"s3://{name}", "--force")
    assert server.run(*AWS, "s3", "ls", f"s3://{name}", check=False).returncode != 0


def test_aws_iam_sts_firehose_cloudformation(server, name):
    assert aws(server, "sts", "get-caller-identity")["Account"] == ACCOUNT
    role = aws(server, "iam", "create-role", "--role-name", name, "--assume-role-policy-document",
               trust(Service="firehose.amazonaws.com"))["Role"]["Arn"]
    server.run(*AWS, "s3", "mb", f"s3://{name}")
    arn = aws(server, "firehose", "create-delivery-stream", "--delivery-stream-name", name,
              "--extended-s3-destination-configuration", f"RoleARN={role},BucketARN=arn:aws:s3:::{name}")["DeliveryStreamARN"]
    assert arn == f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}"
    eventually(lambda: aws(server, "firehose", "describe-delivery-stream", "--delivery-stream-name", name)
               ["DeliveryStreamDescription"]["DeliveryStreamStatus"] == "ACTIVE", "an active stream")
    assert aws(server, "firehose", "put-record", "--delivery-stream-name", name, "--record", "Data=eA==")["RecordId"]
    assert "StackSummaries" in aws(server, "cloudformation", "list-stacks")


# ---- ropeway deploy, outputs, ls, destroy ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE)
    return tmp_path / "app"


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_deploy_outputs_ls_destroy(server, s3, folder, name):
    def ropeway(*words, **more):
        return server.run(BINARY, *words, **more)

    done = ropeway("deploy", folder, "--stack-name", name, "--parameter", f"Name={name}")
    assert "CREATE_COMPLETE" in done.stdout and "AWS::SQS::Queue" in done.stdout
    assert f"Bucket = {name}-files" in done.stdout
    again = ropeway("deploy", folder, "--stack-name", name, "--parameter", f"Name={name}")
    assert "nothing has changed" in again.stdout and f"Bucket = {name}-files" in again.stdout
    changed = ropeway("deploy", folder / "template.yaml", "--stack-name", name, "--parameter", f"Name={name}",
                      "--parameter", "Delay=7", "--json")
    printed = lines(changed)
    assert {"resource": "Queue", "type": "AWS::SQS::Queue", "status": "UPDATE_COMPLETE", "reason": ""} in printed
    assert printed[-1] == json.loads(ropeway("outputs", name, "--json").stdout)
    assert printed[-1]["Bucket"] == f"{name}-files"
    assert f"Url = {printed[-1]['Url']}" in ropeway("outputs", name).stdout
    assert {"stack": name, "status": "UPDATE_COMPLETE"} in lines(ropeway("ls", "--json"))
    assert {(r["resource"], r["type"]) for r in lines(ropeway("ls", name, "--json"))} == {
        ("Queue", "AWS::SQS::Queue"), ("Files", "AWS::S3::Bucket")}
    assert name in ropeway("ls").stdout and f"{name}-files" in ropeway("ls", name).stdout

    for key in ("a b/ü", "plain", "x" * 500):
        s3.put_object(Bucket=f"{name}-files", Key=key, Body=b"x")
    s3.create_multipart_upload(Bucket=f"{name}-files", Key="unfinished")
    done = ropeway("destroy", name)
    assert f"emptied the bucket {name}-files: 3 objects deleted" in done.stdout and "DELETE_COMPLETE" in done.stdout
    assert name not in ropeway("ls").stdout
    assert f"{name}-files" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_what_fails_says_so_and_exits_with_1(server, folder, name):
    for words, said in ((["outputs", name], name), (["destroy", name], name),
                        (["deploy", folder, "--stack-name", name], "Name"),
                        (["deploy", folder, "--stack-name", name, "--parameter", f"Name={name}", "--parameter", "X=1"], "X")):
        done = server.run(BINARY, *words, check=False)
        assert done.returncode == 1 and done.stderr.startswith("ropeway: ") and said in done.stderr, done
    (folder / "template.yaml").write_text("Resources: {Q: {Type: AWS::None::Such}, R: {Type: AWS::Nor::This}}")
    done = server.run(BINARY, "deploy", folder, "--stack-name", name, check=False)
    assert done.returncode == 1 and "AWS::None::Such" in done.stderr and "AWS::Nor::This" in done.stderr


def test_a_stack_that_does_not_stand_exits_with_1(server, sqs, folder, name):
    sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "900"})
    done = server.run(BINARY, "deploy", folder, "--stack-name", name, "--parameter", f"Name={name}", check=False)
    assert done.returncode == 1 and "ROLLBACK_COMPLETE" in done.stderr and "CREATE_FAILED" in done.stdout
    # The resource that failed, and why, is what is said last.
    assert f"{name} is ROLLBACK_COMPLETE: Queue (AWS::SQS::Queue): " in done.stderr.splitlines()[-1]
    server.run(BINARY, "destroy", name)


def on_terminal(server, words, answer):
    """Runs a command whose input is a terminal; its exit code and all that it printed."""
    own, terminal = pty.openpty()
    try:
        process = subprocess.Popen([BINARY, *map(str, words)], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, env=server.environment())
        os.write(own, answer.encode())
        return process.communicate(timeout=120)[0], process.returncode
    finally:
        os.close(own)
        os.close(terminal)


def test_deploy_shows_the_changes_and_asks(server, folder, name):
    words = ["deploy", folder, "--stack-name", name, "--parameter", f"Name={name}", "--confirm"]
    done = server.run(BINARY, *words, check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert subprocess.run([BINARY, "deploy", folder, "--yes"], capture_output=True, timeout=60).returncode == 2
    printed, code = on_terminal(server, words, "n\n")
    assert code == 1 and "nothing has changed" in printed and f"Apply these changes to {name}? [y/N]" in printed
    assert re.search(r"Add +AWS::SQS::Queue +Queue", printed) and name not in server.run(BINARY, "ls").stdout
    printed, code = on_terminal(server, words, "y\n")
    assert code == 0 and "CREATE_COMPLETE" in printed and f"Bucket = {name}-files" in printed
    done = server.run(BINARY, *words, "--yes")
    assert "nothing has changed" in done.stdout
    done = server.run(BINARY, *words, "--yes", "--parameter", "Delay=9", "--json")
    assert {"change": "Modify", "resource": "Queue", "type": "AWS::SQS::Queue", "replacement": "False"} in lines(done)
    assert any(line.get("status") == "UPDATE_COMPLETE" for line in lines(done))
    printed, code = on_terminal(server, [*words, "--parameter", "Delay=10"], "\n")
    assert code == 1 and "nothing has changed" in printed
    assert "UPDATE_COMPLETE" in server.run(BINARY, "ls", name).stdout
    server.run(BINARY, "destroy", name)


def test_nested_stacks_are_told_of_below_their_own(server, tmp_path, name):
    (tmp_path / "inner.json").write_text(json.dumps({"Resources": {
        "Good": {"Type": "AWS::SNS::Topic"},
        "Bad": {"Type": "AWS::SQS::Queue", "DependsOn": "Good", "Properties": {"DelaySeconds": 901}}}}))
    (tmp_path / "template.json").write_text(json.dumps({"Resources": {
        "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "inner.json"}}}}))
    done = server.run(BINARY, "deploy", tmp_path, "--stack-name", name, check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(
        f"ropeway: {name} is ROLLBACK_COMPLETE: Inner/Bad (AWS::SQS::Queue): ")
    assert re.search(r"^ {6}CREATE_COMPLETE +AWS::SNS::Topic +Good", done.stdout, re.M)
    assert re.search(r"^ {2}CREATE_FAILED +AWS::CloudFormation::Stack +Inner", done.stdout, re.M)
    server.run(BINARY, "destroy", name)


def test_what_is_used_wrongly_exits_with_2(server, tmp_path):
    for words in ([], ["frobnicate"], ["deploy"], ["deploy", tmp_path], ["deploy", tmp_path / "none", "--colour"],
                  ["start"], ["start", "--data-dir", tmp_path / "d", "--listen", "nowhere"],
                  ["start", "--data-dir", tmp_path / "d", "--dev", "--listen", "0.0.0.0:0"],
                  ["start", "--data-dir", tmp_path / "d", "--account", "12"]):
        done = subprocess.run([BINARY, *map(str, words)], env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr, (words, done)


def test_a_server_that_is_not_there(folder):
    done = subprocess.run([BINARY, "ls"], capture_output=True, text=True, timeout=60, env=clean_environment(
        AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test"))
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr


def test_commands_are_authorised(server, iam, folder, name):
    key = make_user(iam, name)
    done = server.run(BINARY, "deploy", folder, "--stack-name", name, "--parameter", f"Name={name}", key=key, check=False)
    assert done.returncode == 1 and "not authorized" in done.stderr
    done = server.run(BINARY, "ls", key=("test", "wrong"), check=False)
    assert done.returncode == 1 and "signature" in done.stderr.lower()


def test_help_teaches():
    for words in ([], ["start"], ["deploy"], ["dev"], ["iam", "explain"], ["user", "add"], ["root-keys", "rotate"], ["destroy"], ["outputs"], ["ls"], ["logs"], ["doctor"]):
        done = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True, timeout=60, env=clean_environment())
        assert done.returncode == 0 and "Usage:" in done.stdout
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=60)
    assert version.returncode == 0 and version.stdout.startswith("ropeway ")


# ---- start, logs, doctor --------------------------------------------------------------------------------


def test_logs(own):
    own.client("sqs").create_queue(QueueName="q")
    key = make_user(own.client("iam"), "nosy")
    with pytest.raises(Exception, match="AccessDenied"):
        own.client("sqs", key=key).list_queues()
    plain = own.run(BINARY, "logs").stdout
    assert "nosy" in plain
    assert [json.loads(line) for line in own.run(BINARY, "logs", "--json").stdout.splitlines()] == plain.splitlines()
    follow = subprocess.Popen([BINARY, "logs", "--follow"], stdout=subprocess.PIPE, text=True, env=own.environment())
    assert "nosy" in next(line for line in follow.stdout if "nosy" in line)
    follow.terminate()
    follow.wait()


def test_doctor(tmp_path):
    def doctor(*words):
        return subprocess.run([BINARY, "doctor", *map(str, words)], capture_output=True, text=True, timeout=60,
                              env=clean_environment())

    (tmp_path / "data").mkdir()
    done = doctor("--data-dir", tmp_path / "data", "--json")
    checks = {check["check"]: check for check in lines(done)}
    assert set(checks) == {"data directory", "write and sync", "open files", "master key", "sandbox", "runtimes"}
    assert done.returncode == (0 if all(c["ok"] for c in checks.values()) else 1)
    assert checks["write and sync"]["ok"] and list((tmp_path / "data").iterdir()) == []
    missing = doctor("--data-dir", tmp_path / "none")
    assert missing.returncode == 1 and "FAIL data directory" in missing.stdout
    (tmp_path / "data" / "master.key").write_bytes(b"k" * 32)
    (tmp_path / "data" / "master.key").chmod(0o644)
    assert "FAIL master key" in doctor("--data-dir", tmp_path / "data").stdout


def test_two_servers_do_not_share_a_directory(own):
    done = subprocess.run([BINARY, "start", "--data-dir", own.directory, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, env=clean_environment())
    assert done.returncode == 1 and done.stderr
    assert own.client("sqs").create_queue(QueueName="q")


def test_the_master_key_is_the_owner_s_alone_and_its_loss_is_said(own):
    key = own.directory / "master.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    own.stop()
    key.rename(own.directory.parent / "saved.key")
    done = subprocess.run([BINARY, "start", "--data-dir", own.directory, "--listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, env=clean_environment())
    assert done.returncode == 1 and "master key" in done.stderr
    (own.directory.parent / "saved.key").rename(key)
    own.start()


def test_settings_come_from_a_file_the_environment_and_flags(tmp_path):
    """A flag is stronger than the environment, and that than the file."""
    (tmp_path / "ropeway.toml").write_text(f'data-dir = "{tmp_path}/by-file"\naccount = "111111111111"\ndev = true\n')
    server = subprocess.Popen(
        [BINARY, "start", "--data-dir", str(tmp_path / "by-flag")], stdout=subprocess.PIPE, text=True,
        env=clean_environment(ROPEWAY_CONFIG=str(tmp_path / "ropeway.toml"), ROPEWAY_LISTEN="127.0.0.1:0",
                              ROPEWAY_DATA_DIR=str(tmp_path / "by-environment"), RUST_LOG="warn"))
    try:
        ready = next(READY.search(line.rstrip()) for line in server.stdout if READY.search(line.rstrip()))
        assert ready[2] == str(tmp_path / "by-flag") and not (tmp_path / "by-file").exists()
        there = Server.__new__(Server)
        there.endpoint, there.key = ready[1], ("test", "test")
        assert there.client("sts").get_caller_identity()["Account"] == "111111111111"
        server.terminate()
        assert server.wait(timeout=30) == 0
    finally:
        server.kill()


def test_tls_by_a_local_authority(tmp_path):
    server = Server(tmp_path / "data", "--tls")
    try:
        assert server.endpoint.startswith("https://")
        authority = next(path for path in (server.directory / "tls").iterdir() if "ca" in path.name and "key" not in path.name)
        for http in ("--http2", "--http1.1"):
            done = subprocess.run(["curl", "-sS", http, "--cacert", authority, "-w", " %{http_code}",
                                   f"{server.endpoint}/_ropeway/health"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout.endswith(" 200"), done
        done = subprocess.run(["curl", "-sS", f"{server.endpoint}/_ropeway/health"], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0  # who does not know the authority does not trust it
    finally:
        server.kill()


# ---- ropeway trace --------------------------------------------------------------------------------------


def test_a_message_s_way_is_shown(own):
    server = own
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name="way")["TopicArn"]
    for queue in ["one", "two", "deaf"]:
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
        if queue != "deaf":
            policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}}
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    request = sns.publish(TopicArn=topic, Message="x")["ResponseMetadata"]["RequestId"]

    def hops():
        done = server.run(BINARY, "trace", request, "--json", check=False)
        found = json.loads(done.stdout)["hops"] if done.returncode == 0 else []
        return len(found) == 3 and found

    found = eventually(hops)
    assert {(hop["from"], hop["to"]) for hop in found} == {("sns", "sqs")}
    assert {hop["lane"].rsplit(":", 1)[1] for hop in found} == {"one", "two", "deaf"}
    refused, = [hop for hop in found if "refused" in hop]
    assert refused["lane"].endswith("deaf") and refused["ended"] >= refused["posted"]
    printed = server.run(BINARY, "trace", found[0]["trace"]).stdout.splitlines()
    assert len(printed) == 3 and all("sns → sqs" in line for line in printed)
    server.stop()
    server.start()
    assert hops()
    alone = sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="one")["QueueUrl"], MessageBody="x")
    done = server.run(BINARY, "trace", alone["ResponseMetadata"]["RequestId"], check=False)
    assert done.returncode == 1 and "no effect" in done.stderr
    assert server.run(BINARY, "trace", "not a trace", check=False).returncode == 2
