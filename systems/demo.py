"""The story that `cargo xtask demo` plays: from an empty directory to a running system."""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import boto3

REGION = "us-east-1"
ROOT = Path(__file__).resolve().parent


def say(text=""):
    print(text, flush=True)


def start_server(ropeway, data_dir, listen):
    """Starts the server; gives the process, its address and the root credentials it printed."""
    server = subprocess.Popen(
        [ropeway, "start", "--data-dir", data_dir, "--listen", listen],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "RUST_LOG": "warn"},
    )
    printed = {}
    for line in server.stdout:
        if line.startswith("  export "):
            printed.update(word.split("=", 1) for word in line.split()[1:])
        if line.startswith("Ropeway is ready at "):
            return server, line.split()[4], printed
    raise SystemExit("the server ended before it was ready")


def clients(endpoint, key, secret):
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=REGION)
    return lambda service: session.client(service, endpoint_url=endpoint)


def make_principal(root, name, document=None, policy_arn=None):
    """A user that is not root, with a key; everything after the first set-up runs as such users."""
    iam = root("iam")
    iam.create_user(UserName=name)
    if document:
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(document))
    if policy_arn:
        iam.attach_user_policy(UserName=name, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def environment(endpoint, key, secret, **more):
    return {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret, **more}


def wait_for(what, look, seconds=120):
    """Looks until there is something; the demo is a user's program, so it may look at a clock."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise SystemExit(f"waited {seconds} s in vain for {what}")


def run_drivers(arguments, env, seconds):
    """Publishes for some seconds while both APIs consume; gives the ids of each."""
    out = {}
    with tempfile.TemporaryDirectory() as logs:
        files = {name: open(Path(logs, name), "w+") for name in ("message", "orders", "payment")}
        def start(name, *words):
            return subprocess.Popen([arguments.drivers / "order-events", *words, "--ids"], stdout=files[name], env=env)
        consumers = [start("orders", "consume", "orders"), start("payment", "consume", "payment")]
        count = int(arguments.rate * seconds)
        subprocess.run([arguments.drivers / "order-events", "message", "--rate", str(arguments.rate), "--count", str(count), "--ids"],
                       stdout=files["message"], env=env, check=True)
        def lines(name):
            return Path(logs, name).read_text().split()
        published = lines("message")
        for name in ("orders", "payment"):
            wait_for(f"every message in {name}", lambda name=name: len(set(lines(name))) >= len(published))
        for process in consumers:
            process.terminate()
            process.wait()
        out = {name: lines(name) for name in files}
    return out


def archived(s3, bucket):
    """Records of each archive object."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            if entry["Key"].endswith(".gz"):
                body = gzip.decompress(body)
            found[entry["Key"]] = [json.loads(line) for line in body.decode().splitlines()]
    return found


def hops(client, outputs):
    """One event on its way, with the time of each hop."""
    sqs, sns = client("sqs"), client("sns")
    body = {"id": "probe", "name": "Probe", "email": "probe@example.com", "address": "-",
            "created_at": datetime.now(timezone.utc).isoformat()}
    before = time.time()
    sns.publish(TopicArn=outputs["TopicArn"], Message=json.dumps(body))
    say(f"  publish answered, on disk with all its deliveries    {1000 * (time.time() - before):8.1f} ms")
    for name in ("Orders", "Payment"):
        url = outputs[f"{name}QueueUrl"]
        got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["SentTimestamp"])["Messages"][0]
        arrived = 1000 * (time.time() - before)
        sent = int(got["Attributes"]["SentTimestamp"]) - 1000 * before
        sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
        say(f"  topic → queue of {name.lower():<8} in the queue after {sent:8.1f} ms, received after {arrived:8.1f} ms")


def files(arguments, env, endpoint, root):
    """Files from a producer without credentials to a consumer with those of the queue alone."""
    deployed = subprocess.run([arguments.ropeway, "deploy", ROOT / "producer-consumer"], env=env, check=True,
                              stdout=subprocess.PIPE, text=True)
    say(deployed.stdout.rstrip())
    api = re.search(r"http://\S+/_user_request_", deployed.stdout)[0]
    found = subprocess.run([arguments.ropeway, "outputs", "producer-consumer", "--json"], env=env, check=True, capture_output=True)
    consumer = make_principal(root, "consumer", policy_arn=json.loads(found.stdout)["ConsumePolicyArn"])
    driver = arguments.drivers / "producer-consumer"
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"small.txt": 1_000, "large.bin": 100_000_000}
        for name, size in sizes.items():
            Path(folder, name).write_bytes(os.urandom(size))
        before = time.monotonic()
        subprocess.run([driver, "produce", "--api", api, *(Path(folder, name) for name in sizes)],
                       env=environment(endpoint, "", ""), check=True)
        subprocess.run([driver, "consume", "--api", api, "--until-empty", Path(folder, "got")],
                       env=environment(endpoint, *consumer), check=True)
        for name, size in sizes.items():
            same = Path(folder, name).read_bytes() == Path(folder, "got/input", name).read_bytes()
            say(f"  {name:<10} {size:>12} bytes {'came as they went' if same else 'DIFFER'}")
        say(f"  took {time.monotonic() - before:.1f} s")


def reports(logs, function):
    """The lines in which Lambda reports what an invocation took, the oldest first."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}", filterPattern="REPORT")
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def took(report, what):
    return float(re.search(rf"\t{what}: ([0-9.]+) ms", report).group(1))


def functions(arguments, env, client):
    """One event after the other through a queue into a function of each language."""
    subprocess.run([arguments.ropeway, "deploy", ROOT / "functions"], env=env, check=True)
    found = subprocess.run([arguments.ropeway, "outputs", "functions", "--json"], env=env, check=True, capture_output=True)
    outputs = json.loads(found.stdout)
    sqs, logs = client("sqs"), client("logs")
    for language in ("Rust", "Node", "Python"):
        for number in (1, 2):
            sqs.send_message(QueueUrl=outputs[f"{language}QueueUrl"], MessageBody=f"event {number}")
            seen = wait_for(f"the report of greet-{language.lower()}", lambda: (
                lines if len(lines := reports(logs, f"greet-{language.lower()}")) >= number else None))
        cold, warm = seen[:2]
        say(f"  {language:<7} cold: init {took(cold, 'Init Duration'):8.2f} ms, event {took(cold, 'Duration'):7.2f} ms"
            f"    warm: event {took(warm, 'Duration'):7.2f} ms")


def story(arguments, endpoint, root_keys):
    root = clients(endpoint, *root_keys)
    deployer = make_principal(root, "deployer", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    say("\n1. deploy systems/order-events, as the user deployer")
    env = environment(endpoint, *deployer)
    subprocess.run([arguments.ropeway, "deploy", ROOT / "order-events", "--parameter", f"BufferSeconds={arguments.buffer}"],
                   env=env, check=True)
    found = subprocess.run([arguments.ropeway, "outputs", "order-events", "--json"], env=env, check=True, capture_output=True)
    outputs = json.loads(found.stdout)
    drivers = make_principal(root, "drivers", policy_arn=outputs["DriversPolicyArn"])

    say(f"\n2. {arguments.rate:g} consumers a second for {arguments.seconds} s, as the user drivers; both APIs consume")
    before = time.monotonic()
    ids = run_drivers(arguments, environment(endpoint, *drivers, ARN=outputs["TopicArn"]), arguments.seconds)
    published = set(ids["message"])
    for name in ("orders", "payment"):
        exact = "exactly those" if set(ids[name]) == published and len(ids[name]) == len(published) else "NOT THOSE"
        say(f"  {name:<8} consumed {len(ids[name])} of {len(published)} published: {exact}")
    say(f"  took {time.monotonic() - before:.1f} s")

    say("\n3. one event on its way")
    client = clients(endpoint, *deployer)
    hops(client, outputs)

    say(f"\n4. the archive, at most {arguments.buffer} s later")
    s3, bucket = client("s3"), outputs["ArchiveBucket"]
    def complete():
        objects = archived(s3, bucket)
        there = {record["id"] for records in objects.values() for record in records}
        return objects if published | {"probe"} <= there else None
    objects = wait_for("the whole archive", complete)
    for key, records in sorted(objects.items()):
        say(f"  {key}  {len(records)} records")
    total = sum(len(records) for records in objects.values())
    say(f"  {total} records: {len(published)} published and the one of step 3")

    say("\n5. deploy systems/producer-consumer; files by pre-signed URLs, up and down again")
    files(arguments, env, endpoint, root)

    say("\n6. one event through a queue into a Rust, a Node and a Python function")
    functions(arguments, env, client)
    return deployer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ropeway", required=True, help="the server's binary")
    parser.add_argument("--drivers", required=True, type=Path, help="the folder of the drivers' binaries")
    parser.add_argument("--seconds", type=int, default=60, help="how long to publish")
    parser.add_argument("--rate", type=float, default=20, help="consumers a second")
    parser.add_argument("--buffer", type=int, default=20, help="seconds until an archive object is written")
    parser.add_argument("--listen", default="127.0.0.1:4566", help="where the server listens")
    parser.add_argument("--stop", action="store_true", help="stop the server at the end instead of serving on")
    arguments = parser.parse_args()
    data_dir = tempfile.mkdtemp(prefix="ropeway-demo-")
    server, endpoint, printed = start_server(arguments.ropeway, data_dir, arguments.listen)
    say(f"Ropeway serves at {endpoint}, with its data in {data_dir}")
    try:
        root_keys = printed["AWS_ACCESS_KEY_ID"], printed["AWS_SECRET_ACCESS_KEY"]
        key, secret = story(arguments, endpoint, root_keys)
        say(f"""
To go on by hand:
  export AWS_ENDPOINT_URL={endpoint} AWS_REGION={REGION}
  export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
  aws --endpoint-url $AWS_ENDPOINT_URL sqs list-queues
  aws --endpoint-url $AWS_ENDPOINT_URL sns list-topics
  aws --endpoint-url $AWS_ENDPOINT_URL cloudformation describe-stack-events --stack-name order-events
  {arguments.ropeway} ls order-events
  {arguments.ropeway} logs -f greet-node
  {arguments.ropeway} destroy order-events""")
        if arguments.stop:
            return
        say("\nThe server runs until Ctrl-C.")
        server.wait()
    except KeyboardInterrupt:
        say()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(data_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
