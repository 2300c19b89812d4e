"""Lambda: asynchronous events, their retries, destinations and dead letters."""

import json
import threading

import pytest

from support import ACCOUNT, REGION, allow, bodies, eventually, queue_arn, receive, refused
from test_lambda import create, make_role

# Tells a queue of every try, and fails as long as the event says so.
TELLS = """
import boto3, json, os
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(
        {"id": context.aws_request_id, "event": event, "arn": context.invoked_function_arn}))
    if event.get("fail"):
        raise RuntimeError("it failed")
    return {"done": event}
"""


def receive_some(sqs, url):
    """What comes within two seconds, taken."""
    found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


class World:
    """A server of one's own with a function that tells a queue what it sees."""

    def __init__(self, server):
        self.server = server
        self.sqs, self.functions = server.client("sqs"), server.client("lambda")
        self.seen = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.role = make_role(server.client("iam"), "role", allow(["sqs:*", "sns:*", "s3:*", "lambda:*"]))
        create(self.functions, "f", self.role, TELLS, Timeout=60,
               Environment={"Variables": {"SEEN": self.seen}})

    def send(self, event, **more):
        answer = self.functions.invoke(
            FunctionName="f", InvocationType="Event", Payload=json.dumps(event), **more)
        assert answer["StatusCode"] == 202 and answer["Payload"].read() == b""
        return answer["ResponseMetadata"]["RequestId"]

    def tries(self, count):
        return [json.loads(body) for body in bodies(receive(self.sqs, self.seen, count))]

    def retry(self, seconds):
        """Moves the clock until there is one more try: the end of the one before may come after a first move."""
        def once_more():
            self.server.advance(seconds)
            found = receive_some(self.sqs, self.seen)
            return [json.loads(body) for body in bodies(found)]

        return eventually(once_more, "a retry")

    def queue(self, name):
        return self.sqs.create_queue(QueueName=name)["QueueUrl"]

    def received(self, url, seconds=30):
        return json.loads(receive(self.sqs, url, 1, seconds=seconds)[0]["Body"])


@pytest.fixture
def world(own):
    return World(own)


def test_an_event_is_handled_with_the_requests_id(world):
    sent = world.send({"n": 1})
    (seen,) = world.tries(1)
    assert seen["id"] == sent and seen["event"] == {"n": 1}


def test_retries_after_one_and_two_minutes_then_the_destination(world):
    failed, done = world.queue("failed"), world.queue("done")
    destinations = {"OnFailure": {"Destination": queue_arn(world.sqs, failed)},
                    "OnSuccess": {"Destination": queue_arn(world.sqs, done)}}
    put = world.functions.put_function_event_invoke_config(FunctionName="f", DestinationConfig=destinations)
    assert put["FunctionArn"].endswith(":function:f:$LATEST") and put["DestinationConfig"] == destinations
    sent = world.send({"fail": True})
    first = world.tries(1)
    second, third = world.retry(61), world.retry(121)
    assert {t["id"] for t in first + second + third} == {sent}
    record = world.received(failed)
    assert record["version"] == "1.0"
    assert record["requestContext"] == {
        "requestId": sent, "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:$LATEST",
        "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    assert record["requestPayload"] == {"fail": True}
    assert record["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "it failed"
    world.send({"n": 2})
    record = world.received(done)
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"done": {"n": 2}}


def test_event_invoke_configurations(world):
    functions = world.functions
    with refused("ResourceNotFoundException", 404, "doesn't have an EventInvokeConfig"):
        functions.get_function_event_invoke_config(FunctionName="f")
    with refused("ResourceNotFoundException", 404):
        functions.update_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    functions.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    functions.update_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=60)
    got = functions.get_function_event_invoke_config(FunctionName="f")
    assert (got["MaximumRetryAttempts"], got["MaximumEventAgeInSeconds"]) == (0, 60)
    functions.publish_version(FunctionName="f")
    functions.put_function_event_invoke_config(FunctionName="f", Qualifier="1", MaximumRetryAttempts=1)
    listed = functions.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]
    assert sorted(c["FunctionArn"].rsplit(":", 1)[1] for c in listed) == ["$LATEST", "1"]
    functions.delete_function_event_invoke_config(FunctionName="f")
    with refused("ResourceNotFoundException", 404):
        functions.get_function_event_invoke_config(FunctionName="f")
    with refused("ValidationException", 400):
        functions.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=3)
    with refused("InvalidParameterValueException", 400):
        functions.put_function_event_invoke_config(
            FunctionName="f", DestinationConfig={"OnFailure": {"Destination": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/x"}})


def test_a_role_that_may_not_send_makes_no_destination(world):
    queue = queue_arn(world.sqs, world.queue("q"))
    role = make_role(world.server.client("iam"), "poor")
    create(world.functions, "g", role)
    with refused("InvalidParameterValueException", 400, "does not have permissions to call SendMessage"):
        world.functions.put_function_event_invoke_config(
            FunctionName="g", DestinationConfig={"OnFailure": {"Destination": queue}})


def test_dead_letters(world):
    letters = world.queue("letters")
    world.functions.update_function_configuration(
        FunctionName="f", DeadLetterConfig={"TargetArn": queue_arn(world.sqs, letters)})
    world.functions.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    sent = world.send({"fail": 1})
    (message,) = receive(world.sqs, letters, 1, MessageAttributeNames=["All"])
    assert json.loads(message["Body"]) == {"fail": 1}
    attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert attributes == {"RequestID": sent, "ErrorCode": "200", "ErrorMessage": "it failed"}


def test_destinations_of_other_kinds(world):
    s3, sns = world.server.client("s3"), world.server.client("sns")
    s3.create_bucket(Bucket="records")
    topic = sns.create_topic(Name="t")["TopicArn"]
    listener = world.queue("listener")
    arn = queue_arn(world.sqs, listener)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                                                      "Action": "sqs:SendMessage", "Resource": arn}]}
    world.sqs.set_queue_attributes(QueueUrl=listener, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

    def to(target):
        world.functions.put_function_event_invoke_config(
            FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": target}})
        return world.send({"fail": 1})

    sent = to(topic)
    assert world.received(listener)["requestContext"]["requestId"] == sent
    sent = to("arn:aws:s3:::records")
    keys = eventually(lambda: s3.list_objects_v2(Bucket="records").get("Contents"))
    assert keys[0]["Key"].startswith("aws/lambda/async/f/")
    record = json.loads(s3.get_object(Bucket="records", Key=keys[0]["Key"])["Body"].read())
    assert record["requestContext"]["requestId"] == sent
    world.tries(2)
    create(world.functions, "next", world.role, TELLS, Timeout=60, Environment={"Variables": {"SEEN": world.seen}})
    sent = to(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:next")
    seen = {t["arn"].rsplit(":", 1)[1]: t for t in world.tries(2)}
    assert seen["next"]["event"]["requestContext"]["requestId"] == sent


def test_throttled_events_wait_and_old_ones_go(world):
    failed = world.queue("failed")
    world.functions.put_function_event_invoke_config(
        FunctionName="f", DestinationConfig={"OnFailure": {"Destination": queue_arn(world.sqs, failed)}})
    world.functions.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    world.send({"n": 1})
    record = world.received(failed)
    assert record["requestContext"]["approximateInvokeCount"] == 0 and "responsePayload" not in record
    world.functions.delete_function_concurrency(FunctionName="f")
    world.functions.put_function_event_invoke_config(
        FunctionName="f", MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": queue_arn(world.sqs, failed)}})
    world.send({"fail": 1})
    world.tries(1)
    # The first retry would come too late.
    assert world.received(failed)["requestContext"]["condition"] == "EventAgeExceeded"


def test_acknowledged_events_survive_kills(world):
    world.functions.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=4)
    count, kills = 60, 3
    sent, numbers = [], iter(range(count))
    for _ in range(kills):
        batch = [next(numbers) for _ in range(count // kills)]
        lock = threading.Lock()

        def one(n):
            world.send({"n": n})
            with lock:
                sent.append(n)

        threads = [threading.Thread(target=one, args=(n,)) for n in batch]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.server.restart_after_kill()
    seen = set()

    def all_seen():
        for message in receive(world.sqs, world.seen, 1):
            seen.add(json.loads(message["Body"])["event"]["n"])
        return seen >= set(sent)

    eventually(all_seen, lambda: f"missing {set(sent) - seen}", 120)


def test_many_events_pass_through_the_slots(world):
    world.functions.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=4)
    count = 300
    for n in range(count):
        world.send({"n": n})
    seen = set()
    while len(seen) < count:
        seen |= {t["event"]["n"] for t in world.tries(1)}
    assert seen == set(range(count))


def test_topics_call_functions_that_let_them(world):
    sns = world.server.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    letters = world.queue("letters")
    arn = queue_arn(world.sqs, letters)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                                                      "Action": "sqs:SendMessage", "Resource": arn}]}
    world.sqs.set_queue_attributes(QueueUrl=letters, Attributes={"Policy": json.dumps(policy)})
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, ReturnSubscriptionArn=True,
                                 Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})})["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="denied")
    assert world.received(letters)["Records"][0]["Sns"]["Message"] == "denied"
    world.functions.add_permission(FunctionName="f", StatementId="sns", Action="lambda:InvokeFunction",
                                   Principal="sns.amazonaws.com", SourceArn=topic)
    sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "x"}})
    (seen,) = world.tries(1)
    (record,) = seen["event"]["Records"]
    assert record["EventSource"] == "aws:sns" and record["EventSubscriptionArn"] == subscription
    told = record["Sns"]
    assert (told["Message"], told["Subject"], told["TopicArn"]) == ("hello", "s", topic)
    assert told["MessageAttributes"] == {"kind": {"Type": "String", "Value": "x"}}
