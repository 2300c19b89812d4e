"""Bucket notifications through boto3: each destination, filters, refusals, and what the messages say."""

import json
import re
import urllib.parse
import urllib.request
from datetime import datetime

import pytest

import test_cloudformation as stacks
from support import (
    ACCOUNT, REGION, allow, bodies, document, eventually, make_user, queue_arn, receive, refused, unique)
from test_lambda import create as create_function
from test_lambda import make_role

OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
AMBIGUOUS = ("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
             "are overlapping for the same event type.")
UNREACHED = "Unable to validate the following destination configurations"
PART = 5 * 1024 * 1024


def let_in(action, resource, bucket, **more):
    """A policy's statement that lets S3 in, on behalf of the bucket."""
    return {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": action, "Resource": resource,
            "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:*:*:{bucket}"},
                          "StringEquals": {"aws:SourceAccount": ACCOUNT}}, **more}


def open_queue(sqs, url, bucket):
    """Lets the bucket send to the queue; gives the queue's ARN."""
    arn = queue_arn(sqs, url)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(let_in("sqs:SendMessage", arn, bucket))})
    return arn


def rule(arn, *events, prefix=None, suffix=None, **more):
    """A configuration for the destination of this ARN."""
    member = {"sqs": "QueueArn", "sns": "TopicArn", "lambda": "LambdaFunctionArn"}[arn.split(":")[2]]
    filters = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("suffix", suffix)) if value]
    if filters:
        more["Filter"] = {"Key": {"FilterRules": filters}}
    return {member: arn, "Events": list(events or ["s3:ObjectCreated:*"]), **more}


def configure(s3, bucket, *rules, **more):
    """Sets the bucket's configurations."""
    members = {"QueueArn": "QueueConfigurations", "TopicArn": "TopicConfigurations",
               "LambdaFunctionArn": "LambdaFunctionConfigurations"}
    configuration = {}
    for one in rules:
        member = next(name for key, name in members.items() if key in one)
        configuration.setdefault(member, []).append(one)
    return s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration, **more)


def configured(s3, bucket):
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata")
    return found


def events(sqs, url, count):
    """So many events from a queue, without S3's test message, in the order in which they came."""
    found = []

    def enough():
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            found.extend(body.get("Records", []))
        return len(found) >= count

    eventually(enough, f"{count} events, there were {len(found)}")
    assert len(found) == count, found
    return found


def keys_of(records):
    return [urllib.parse.unquote_plus(record["s3"]["object"]["key"]) for record in records]


def names_of(records):
    return [record["eventName"] for record in records]


@pytest.fixture
def arn(sqs, queue, bucket):
    """ARN of the queue, which lets the bucket send."""
    return open_queue(sqs, queue, bucket)


# ---- queues, and what messages say -------------------------------------------------------------------------------


def test_a_put_says_what_it_was(server, s3, sqs, iam, bucket, queue, arn, name):
    key = make_user(iam, name, allow("*"))
    user = iam.get_user(UserName=name)["User"]
    configure(s3, bucket, rule(arn, Id="uploads"))
    test = json.loads(receive(sqs, queue, 1)[0]["Body"])
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    assert set(test) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    put = server.client("s3", key=key).put_object(Bucket=bucket, Key="input/a.txt", Body=b"hello")
    [record] = events(sqs, queue, 1)
    headers = put["ResponseMetadata"]["HTTPHeaders"]
    at = datetime.strptime(record.pop("eventTime"), "%Y-%m-%dT%H:%M:%S.%fZ")
    assert abs((at - datetime.strptime(test["Time"], "%Y-%m-%dT%H:%M:%S.%fZ")).total_seconds()) < 300
    sequencer = record["s3"]["object"].pop("sequencer")
    assert re.fullmatch("[0-9A-F]{18}", sequencer)
    owner = record["s3"]["bucket"].pop("ownerIdentity")["principalId"]
    assert re.fullmatch("[A-Z0-9]{14}", owner)
    assert record == {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": f"AWS:{user['UserId']}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": headers["x-amz-request-id"], "x-amz-id-2": headers["x-amz-id-2"]},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "uploads",
               "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
               "object": {"key": "input/a.txt", "size": 5, "eTag": put["ETag"].strip('"')}}}


@pytest.mark.parametrize("key, encoded", [
    ("red flower.jpg", "red+flower.jpg"), ("a+b", "a%2Bb"), ("é/ü.txt", "%C3%A9/%C3%BC.txt"), ("a@b", "a%40b"),
    ("100%/x=y&z", "100%25/x%3Dy%26z"), ("日本/🚡", "%E6%97%A5%E6%9C%AC/%F0%9F%9A%A1"), ("it's*(-_.)", "it%27s*%28-_.%29"),
])
def test_keys_are_form_encoded(s3, sqs, bucket, queue, arn, key, encoded):
    configure(s3, bucket, rule(arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key=key)
    found = events(sqs, queue, 2)
    assert [record["s3"]["object"]["key"] for record in found] == [encoded] * 2
    assert keys_of(found) == [key] * 2


def test_each_event_and_its_order(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = []
    for number, body in ((1, b"a" * PART), (2, b"b")):
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    whole = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    found = events(sqs, queue, 6)
    assert names_of(found) == ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
                               "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectRemoved:Delete"]
    objects = [record["s3"]["object"] for record in found]
    assert [each.get("size") for each in objects] == [3, 3, PART + 1, None, None, None]
    assert objects[2]["eTag"] == whole["ETag"].strip('"') == objects[3]["eTag"]
    assert [record["eventVersion"] for record in found] == ["2.1", "2.1", "2.1", "2.3", "2.3", "2.1"]
    assert set(objects[5]) == {"key", "sequencer"} and "sequencer" not in objects[3]
    sequence = [each["sequencer"] for each in objects if "sequencer" in each]
    assert sequence == sorted(sequence) and len(set(sequence)) == 4


def test_sequencers_grow_over_a_restart(own):
    s3, sqs = own.client("s3"), own.client("sqs")
    s3.create_bucket(Bucket="sequence")
    url = sqs.create_queue(QueueName="sequence")["QueueUrl"]
    configure(s3, "sequence", rule(open_queue(sqs, url, "sequence")))
    for _ in range(3):
        for _ in range(3):
            s3.put_object(Bucket="sequence", Key="k", Body=b"x")
        own.restart_after_kill()
    sequence = [record["s3"]["object"]["sequencer"] for record in events(sqs, url, 9)]
    assert len(set(sequence)) == 9 and sequence == sorted(sequence)


def test_many_deletions_in_one_request(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, "s3:ObjectRemoved:Delete"))
    names = [f"k{n:03}" for n in range(450)]
    for key in names[:3]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in names]})
    # S3 tells of keys without an object, too.
    assert sorted(keys_of(events(sqs, queue, 450))) == names


def test_a_refused_write_says_nothing(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch='"other"')
    s3.put_object(Bucket=bucket, Key="last", Body=b"z")
    assert keys_of(events(sqs, queue, 2)) == ["k", "last"]


def test_a_presigned_upload(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, prefix="input/"))
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "input/x y"})
    request = urllib.request.Request(url, data=b"presigned", method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    [record] = events(sqs, queue, 1)
    assert keys_of([record]) == ["input/x y"] and record["s3"]["object"]["size"] == 9


def test_the_region_is_the_bucket_s(server, name):
    s3, sqs = server.client("s3", region="eu-west-1"), server.client("sqs", region="eu-west-1")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    configure(s3, name, rule(open_queue(sqs, url, name)))
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert events(sqs, url, 1)[0]["awsRegion"] == "eu-west-1"


def test_the_trace_goes_along(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn))
    root = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"

    def add(request, **_):
        request.headers["X-Amzn-Trace-Id"] = root

    s3.meta.events.register("before-send.s3.PutObject", add)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    found = receive(sqs, queue, 2, MessageSystemAttributeNames=["AWSTraceHeader"])
    [message] = [m for m in found if "Records" in json.loads(m["Body"])]
    assert message["Attributes"]["AWSTraceHeader"] == root


# ---- the other destinations -----------------------------------------------------------------------------------------


def test_a_topic(s3, sns, sqs, bucket, topic, queue):
    sqs_arn = queue_arn(sqs, queue)
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                 "Resource": sqs_arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(statement)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sqs_arn)
    # The policy that a topic begins with lets no service in.
    with refused("InvalidArgument", 400, UNREACHED) as caught:
        configure(s3, bucket, rule(topic))
    error = caught.value.response["Error"]
    assert (error["ArgumentName1"], error["ArgumentValue1"]) == (
        topic, "Permissions on the destination topic do not allow S3 to publish notifications from this bucket")
    policy = document(let_in("sns:Publish", topic, bucket))
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    configure(s3, bucket, rule(topic))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    test, event = [json.loads(body) for body in bodies(receive(sqs, queue, 2))]
    assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
    assert event["Subject"] == test["Subject"] == "Amazon S3 Notification" and event["TopicArn"] == topic
    assert keys_of(json.loads(event["Message"])["Records"]) == ["k"]
    assert event["UnsubscribeURL"].startswith("http://")


def test_a_topic_that_no_longer_lets_s3_in_gets_nothing(s3, sns, sqs, bucket, topic, queue, name):
    sqs_arn = queue_arn(sqs, queue)
    statement = {"Effect": "Allow", "Principal": {"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]},
                 "Action": "sqs:SendMessage", "Resource": sqs_arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(statement)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sqs_arn, Attributes={"RawMessageDelivery": "true"})
    policy = lambda of: document(let_in("sns:Publish", topic, of))  # noqa: E731
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(bucket))
    configure(s3, bucket, rule(topic, prefix="topic/"), rule(sqs_arn, prefix="queue/"))
    receive(sqs, queue, 2)
    s3.put_object(Bucket=bucket, Key="topic/1", Body=b"x")
    assert keys_of(events(sqs, queue, 1)) == ["topic/1"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(f"{name}-other"))
    s3.put_object(Bucket=bucket, Key="topic/2", Body=b"x")
    s3.put_object(Bucket=bucket, Key="queue/3", Body=b"x")
    assert keys_of(events(sqs, queue, 1)) == ["queue/3"]


def test_a_function(server, s3, sqs, iam, bucket, queue, name):
    """The function sends what it got to a queue: nothing of it but the event is asked for."""
    functions = server.client("lambda")
    source = ("import json, os, boto3\n"
              "def handler(event, context):\n"
              "    boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody=json.dumps(event))\n")
    role = make_role(iam, name, allow("sqs:SendMessage"))
    made = create_function(functions, name, role, source, Environment={"Variables": {"QUEUE": queue}}, Timeout=30)
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    with refused("InvalidArgument", 400, UNREACHED) as caught:
        configure(s3, bucket, rule(made["FunctionArn"]))
    error = caught.value.response["Error"]
    assert error["ArgumentName1"] == f"{made['FunctionArn']}, null"
    assert error["ArgumentValue1"] == f"Not authorized to invoke function [{made['FunctionArn']}]"
    functions.add_permission(
        FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=ACCOUNT)
    configure(s3, bucket, rule(made["FunctionArn"], suffix=".png"))
    s3.put_object(Bucket=bucket, Key="no.txt", Body=b"x")
    s3.put_object(Bucket=bucket, Key="yes.png", Body=b"x")
    assert keys_of(events(sqs, queue, 1)) == ["yes.png"]


# ---- filters ---------------------------------------------------------------------------------------------------------


def test_filters(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, prefix="input/", suffix=".csv"), rule(arn, prefix="sp+ace/%C3%A9"))
    for key in ["input/a.csv", "input/a.txt", "other/a.csv", "sp ace/é1", "sp+ace/é2", "input/.csv"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert keys_of(events(sqs, queue, 3)) == ["input/a.csv", "sp ace/é1", "input/.csv"]
    found = configured(s3, bucket)["QueueConfigurations"]
    assert found[0]["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "input/"}, {"Name": "Suffix", "Value": ".csv"}]
    assert found[1]["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "sp+ace/%C3%A9"}]


def test_one_event_alone(s3, sqs, bucket, queue, arn):
    configure(s3, bucket, rule(arn, "s3:ObjectCreated:Copy"))
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    assert keys_of(events(sqs, queue, 1)) == ["b"]


# ---- configurations --------------------------------------------------------------------------------------------------


def test_configurations_are_read_back_and_replaced(s3, sqs, bucket, queue, arn):
    assert configured(s3, bucket) == {}
    configure(s3, bucket, rule(arn, Id="one"), rule(arn, "s3:ObjectRemoved:Delete"))
    first, second = configured(s3, bucket)["QueueConfigurations"]
    assert first == {"Id": "one", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    assert len(second.pop("Id")) == 48
    assert second == {"QueueArn": arn, "Events": ["s3:ObjectRemoved:Delete"]}
    configure(s3, bucket)
    assert configured(s3, bucket) == {}
    s3.put_object(Bucket=bucket, Key="unseen", Body=b"x")
    configure(s3, bucket, rule(arn))
    s3.put_object(Bucket=bucket, Key="seen", Body=b"x")
    assert keys_of(events(sqs, queue, 1)) == ["seen"]


def test_a_new_bucket_of_a_name_has_no_configuration(s3, bucket, arn):
    configure(s3, bucket, rule(arn))
    s3.delete_bucket(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        configured(s3, bucket)
    s3.create_bucket(Bucket=bucket)
    assert configured(s3, bucket) == {}


@pytest.mark.parametrize("two, message", [
    (({}, {}), OVERLAP),
    (({"prefix": "images"}, {"prefix": "images/jpg"}), AMBIGUOUS),
    (({"suffix": "jpg"}, {"suffix": "pg"}), AMBIGUOUS),
    (({"prefix": "images"}, {"suffix": "jpg"}), AMBIGUOUS),
    (({"prefix": "images"}, {}), AMBIGUOUS),
    (({"prefix": "a+b"}, {"prefix": "a%20b"}), AMBIGUOUS),
])
def test_overlapping_configurations(s3, bucket, arn, two, message):
    one, other = two
    with refused("InvalidArgument", 400, message):
        configure(s3, bucket, rule(arn, "s3:ObjectCreated:*", **one), rule(arn, "s3:ObjectCreated:Put", **other))
    assert configured(s3, bucket) == {}


def test_configurations_that_do_not_overlap(s3, bucket, arn):
    configure(s3, bucket, rule(arn, "s3:ObjectCreated:*", prefix="images/", suffix=".jpg"),
              rule(arn, "s3:ObjectCreated:*", prefix="images/", suffix=".png"),
              rule(arn, "s3:ObjectCreated:*", prefix="logs/"), rule(arn, "s3:ObjectRemoved:*", prefix="images/"))
    assert len(configured(s3, bucket)["QueueConfigurations"]) == 4


@pytest.mark.parametrize("events_, code, message", [
    (["s3:ObjectCreated:*", "s3:ObjectCreated:Put"], "InvalidArgument", OVERLAP),
    (["s3:ObjectCreated:Everything"], "InvalidArgument", "A specified event is not supported for notifications."),
    (["s3:ObjectCreated:Post"], "NotImplemented", "s3:ObjectCreated:Post"),
    (["s3:Replication:*"], "NotImplemented", "s3:Replication:*"),
    (["s3:ObjectRestore:Post"], "NotImplemented", "s3:ObjectRestore:Post"),
])
def test_events_that_are_refused(s3, bucket, arn, events_, code, message):
    with refused(code, text=message):
        configure(s3, bucket, rule(arn, *events_))


def test_filters_that_are_refused(s3, bucket, arn):
    def put(*rules):
        configure(s3, bucket, {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"],
                               "Filter": {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in rules]}}})

    with refused("InvalidArgument", 400, "filter rule name must be either prefix or suffix"):
        put(("middle", "x"))
    with refused("InvalidArgument", 400, "Cannot specify more than one prefix rule in a filter."):
        put(("prefix", "x"), ("Prefix", "y"))
    with refused("InvalidArgument", 400, "cannot exceed 1024 bytes"):
        put(("suffix", "x" * 1025))
    put(("PREFIX", "x"))
    found = configured(s3, bucket)["QueueConfigurations"][0]
    assert found["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "x"}]


def test_ids_and_numbers(s3, bucket, arn):
    with refused("InvalidArgument", 400, "Same ID used for multiple configurations."):
        configure(s3, bucket, rule(arn, Id="a"), rule(arn, "s3:ObjectRemoved:*", Id="a"))
    with refused("InvalidArgument", 400, "ID length exceeded allowed limit of 255"):
        configure(s3, bucket, rule(arn, Id="a" * 256))
    many = [rule(arn, prefix=f"{n:03}/") for n in range(101)]
    with refused("InvalidRequest", 400, "The maximum number of configurations is 100"):
        configure(s3, bucket, *many)
    configure(s3, bucket, *many[:100])
    assert len(configured(s3, bucket)["QueueConfigurations"]) == 100


# ---- destinations that are refused -----------------------------------------------------------------------------------


def test_destinations_must_be_there_and_open(s3, sqs, bucket, queue):
    arn = queue_arn(sqs, queue)
    gone = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{unique('gone')}"
    with refused("InvalidArgument", 400, UNREACHED) as caught:
        configure(s3, bucket, rule(gone), rule(arn, "s3:ObjectRemoved:*"))
    error = caught.value.response["Error"]
    assert (error["ArgumentName1"], error["ArgumentValue1"]) == (gone, "The destination queue does not exist")
    assert error["ArgumentName2"] == arn
    assert error["ArgumentValue2"] == (
        "Permissions on the destination queue do not allow S3 to publish notifications from this bucket")
    # Another bucket's permission is none.
    open_queue(sqs, queue, f"{bucket}-other")
    with refused("InvalidArgument", 400, UNREACHED):
        configure(s3, bucket, rule(arn))
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{unique('gone')}"
    with refused("InvalidArgument", 400, UNREACHED) as caught:
        configure(s3, bucket, rule(topic))
    assert caught.value.response["Error"]["ArgumentValue1"] == "The destination topic does not exist"
    assert configured(s3, bucket) == {}


def test_validation_can_be_skipped(s3, sqs, bucket, name):
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-later"
    configure(s3, bucket, rule(arn), SkipDestinationValidation=True)
    assert configured(s3, bucket)["QueueConfigurations"][0]["QueueArn"] == arn
    url = sqs.create_queue(QueueName=f"{name}-later")["QueueUrl"]
    open_queue(sqs, url, bucket)
    s3.put_object(Bucket=bucket, Key="found", Body=b"x")
    assert keys_of(events(sqs, url, 1)) == ["found"]


@pytest.mark.parametrize("destination, message", [
    ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "FIFO SQS queues are not supported."),
    ("arn:aws:sqs:eu-west-1:000000000000:q", "region is not valid for the bucket location constraint"),
    ("arn:aws:sns:eu-west-1:000000000000:q", "region is not valid for the bucket location constraint"),
    ("arn:aws:sqs:us-east-1:nobody:q", "The ARN could not be parsed"),
    ("arn:aws:lambda:us-east-1:000000000000:q", "The ARN could not be parsed"),
])
def test_arns_that_are_refused(s3, bucket, destination, message):
    for skip in (True, False):
        with refused("InvalidArgument", 400, message):
            configure(s3, bucket, rule(destination), SkipDestinationValidation=skip)


def test_event_bridge_is_refused_by_name(s3, bucket):
    with refused("NotImplemented", text="EventBridge"):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def test_permissions(server, s3, iam, bucket, arn, name):
    key = make_user(iam, name, allow("s3:GetBucketNotification", f"arn:aws:s3:::{bucket}"))
    theirs = server.client("s3", key=key)
    assert configured(theirs, bucket) == {}
    with refused("AccessDenied", 403):
        configure(theirs, bucket, rule(arn))
    with refused("AccessDenied", 403):
        configure(s3, bucket, rule(arn), ExpectedBucketOwner="111122223333")


def test_messages_outlive_a_kill(own):
    """What has not been delivered at a kill is delivered after it, once."""
    s3, sqs = own.client("s3"), own.client("sqs")
    s3.create_bucket(Bucket="kept")
    url = sqs.create_queue(QueueName="kept")["QueueUrl"]
    configure(s3, "kept", rule(open_queue(sqs, url, "kept")))
    for n in range(50):
        s3.put_object(Bucket="kept", Key=f"k{n:02}", Body=b"x")
    own.restart_after_kill()
    assert keys_of(events(sqs, url, 50)) == [f"k{n:02}" for n in range(50)]


# ---- stacks -----------------------------------------------------------------------------------------------------------

STACK = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-q"}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "${AWS::StackName}-t"}}
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: s3.amazonaws.com}, Action: "sqs:SendMessage", Resource: !GetAtt Queue.Arn,
                     Condition: {ArnLike: {"aws:SourceArn": !Sub "arn:aws:s3:::${AWS::StackName}-b"}}}]
  TopicPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: s3.amazonaws.com}, Action: "sns:Publish", Resource: !Ref Topic}]
  Bucket:
    Type: AWS::S3::Bucket
    DependsOn: %s
    Properties:
      BucketName: !Sub "${AWS::StackName}-b"
      %s
"""

NOTIFIED = """NotificationConfiguration:
        QueueConfigurations:
          - Event: "s3:ObjectCreated:*"
            Queue: !GetAtt Queue.Arn
            Filter: {S3Key: {Rules: [{Name: prefix, Value: input/}, {Name: suffix, Value: .csv}]}}
        TopicConfigurations:
          - {Event: "s3:ObjectRemoved:*", Topic: !Ref Topic}"""


def test_a_stack_notifies(server, s3, sqs, name):
    cfn = server.client("cloudformation")
    stacks.create(cfn, name, STACK % ("[QueuePolicy, TopicPolicy]", NOTIFIED))
    bucket, url = f"{name}-b", sqs.get_queue_url(QueueName=f"{name}-q")["QueueUrl"]
    s3.put_object(Bucket=bucket, Key="input/a.csv", Body=b"x")
    s3.put_object(Bucket=bucket, Key="input/a.txt", Body=b"x")
    assert keys_of(events(sqs, url, 1)) == ["input/a.csv"]
    found = configured(s3, bucket)
    assert found["TopicConfigurations"][0]["Events"] == ["s3:ObjectRemoved:*"]
    changed = NOTIFIED.replace("input/", "in/").replace("s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    stacks.update(cfn, name, STACK % ("[QueuePolicy, TopicPolicy]", changed))
    s3.put_object(Bucket=bucket, Key="input/b.csv", Body=b"x")
    s3.put_object(Bucket=bucket, Key="in/b.csv", Body=b"x")
    assert keys_of(events(sqs, url, 1)) == ["in/b.csv"]
    stacks.update(cfn, name, STACK % ("[QueuePolicy, TopicPolicy]", "Tags: []"))
    assert configured(s3, bucket) == {}
    for key in ["input/a.csv", "input/a.txt", "input/b.csv", "in/b.csv"]:
        s3.delete_object(Bucket=bucket, Key=key)
    stacks.delete(cfn, name)


def test_a_stack_s_function_is_notified(server, s3, sqs, iam, queue, name):
    source = ("import json, os, boto3\n"
              "def handler(event, context):\n"
              "    boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody=json.dumps(event))\n")
    role = make_role(iam, name, allow("sqs:SendMessage"))
    functions = server.client("lambda")
    made = create_function(functions, name, role, source, Environment={"Variables": {"QUEUE": queue}}, Timeout=30)
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.add_permission(FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
                             Principal="s3.amazonaws.com", SourceAccount=ACCOUNT)
    notification = {"LambdaConfigurations": [{"Event": "s3:ObjectCreated:Put", "Function": made["FunctionArn"]}]}
    properties = {"BucketName": f"{name}-b", "NotificationConfiguration": notification}
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}}
    stacks.create(server.client("cloudformation"), name, template)
    s3.put_object(Bucket=f"{name}-b", Key="k", Body=b"x")
    assert keys_of(events(sqs, queue, 1)) == ["k"]


def test_a_stack_whose_queue_lets_nobody_in_is_rolled_back(server, name):
    """Without `DependsOn` the bucket would race its queue's policy; without a policy it cannot be made."""
    cfn = server.client("cloudformation")
    closed = re.sub("(?s)  QueuePolicy:.*  TopicPolicy:", "  TopicPolicy:", STACK)
    stacks.create(cfn, name, closed % ("TopicPolicy", NOTIFIED), "ROLLBACK_COMPLETE")
    reasons = [event.get("ResourceStatusReason", "") for event in
               cfn.describe_stack_events(StackName=name)["StackEvents"]]
    assert any(UNREACHED in reason for reason in reasons), reasons


def test_a_stack_s_event_bridge_is_refused_by_name(server, name):
    cfn = server.client("cloudformation")
    with refused("ValidationError", text="EventBridgeConfiguration"):
        cfn.create_stack(StackName=name, TemplateBody=STACK % (
            "QueuePolicy", "NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}"))
