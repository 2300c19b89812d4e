"""CloudTrail through boto3 and the aws CLI: the history, trails, what they deliver, digests.

Sources: the CloudTrail API reference; in the user guide "CloudTrail record contents", "CloudTrail userIdentity element",
"CloudTrail log file examples", "CloudTrail digest file structure", "Amazon S3 bucket policy for CloudTrail".
"""

import gzip
import json
import re
import subprocess
from datetime import timedelta

import pytest

from support import ACCOUNT, AWS, REGION, allow, deny, document, eventually, make_user, refused, trust, unique

KEY = re.compile(rf"AWSLogs/{ACCOUNT}/CloudTrail/([a-z0-9-]+)/\d{{4}}/\d\d/\d\d/"
                 rf"{ACCOUNT}_CloudTrail_\1_\d{{8}}T\d{{4}}Z_[A-Za-z0-9]{{16}}\.json\.gz")
DIGESTS = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/"


def bucket_policy(bucket, prefix="", **condition):
    service = {"Service": "cloudtrail.amazonaws.com"}
    owned = {"s3:x-amz-acl": "bucket-owner-full-control", **condition}
    return document(
        allow("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", Principal=service),
        allow("s3:PutObject", f"arn:aws:s3:::{bucket}/{prefix}AWSLogs/{ACCOUNT}/*", Principal=service,
              Condition={"StringEquals": owned}))


class Trails:
    """A bucket for trails, and clients."""

    def __init__(self, server):
        self.server = server
        self.trail, self.s3, self.sqs, self.iam = (server.client(s) for s in ("cloudtrail", "s3", "sqs", "iam"))
        self.bucket = unique("trails")
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=bucket_policy(self.bucket))

    def create(self, name=None, start=True, **more):
        name = name or unique("trail")
        self.trail.create_trail(Name=name, S3BucketName=self.bucket, **more)
        if start:
            self.trail.start_logging(Name=name)
        return name

    def keys(self, prefix=f"AWSLogs/{ACCOUNT}/CloudTrail/"):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, key):
        return json.loads(gzip.decompress(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()))

    def records(self):
        return [record for key in self.keys() for record in self.read(key)["Records"]]

    def delivered(self, test, seconds=5 * 60):
        """The first delivered record of which this is true, once the clock has moved that far."""
        self.server.advance(seconds)
        return eventually(lambda: next((r for r in self.records() if test(r)), None), "a delivered record")

    def lookup(self, key, value, **more):
        found = self.trail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}], **more)
        return [event for page in found for event in page["Events"]]


@pytest.fixture
def trails(own):
    return Trails(own)


def test_history_tells_of_changes_at_once(trails):
    name = unique("queue")
    url = trails.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"]
    [event] = trails.lookup("ResourceName", name)
    assert (event["EventName"], event["EventSource"], event["ReadOnly"]) == ("CreateQueue", "sqs.amazonaws.com", "false")
    assert event["Resources"] == [{"ResourceType": "AWS::SQS::Queue", "ResourceName": name}]
    assert event["Username"] == "root" and event["AccessKeyId"] == "test"
    record = json.loads(event["CloudTrailEvent"])
    assert record["userIdentity"] == {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root",
                                      "accountId": ACCOUNT, "accessKeyId": "test"}
    assert record["requestParameters"] == {"queueName": name, "attributes": {"DelaySeconds": "3"}}
    assert record["responseElements"] == {"queueUrl": url}
    assert record["eventID"] == event["EventId"]
    assert record["sourceIPAddress"] == "127.0.0.1" and "Boto3" in record["userAgent"]
    expected = {"eventName": "CreateQueue", "eventSource": "sqs.amazonaws.com", "awsRegion": REGION, "readOnly": False,
                "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": ACCOUNT,
                "eventCategory": "Management"}
    assert expected.items() <= record.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["eventTime"])
    assert tuple(map(int, record["eventVersion"].split("."))) >= (1, 8)


def test_history_tells_of_reads_and_failures_within_a_second(trails):
    name = unique("none")
    with refused("AWS.SimpleQueueService.NonExistentQueue") as caught:
        trails.sqs.get_queue_url(QueueName=name)
    request = caught.value.response["ResponseMetadata"]["RequestId"]

    def found():
        events = [json.loads(e["CloudTrailEvent"]) for e in trails.lookup("EventName", "GetQueueUrl")]
        return [e for e in events if e["requestID"] == request]

    [record] = eventually(found, "the event of a read")
    assert record["readOnly"] is True and record["responseElements"] is None
    assert record["errorCode"] == "QueueDoesNotExist" and record["errorMessage"]
    assert record["requestParameters"] == {"queueName": name}
    # What is a data event is in no history.
    url = trails.sqs.create_queue(QueueName=name)["QueueUrl"]
    trails.sqs.send_message(QueueUrl=url, MessageBody="secret")
    assert trails.lookup("EventName", "SendMessage") == []
    assert trails.lookup("EventName", "PutObject") == []


def test_denials_sessions_and_secrets(trails):
    user, role = unique("alice"), unique("role")
    key = make_user(trails.iam, user, allow("sts:AssumeRole"))
    arn = trails.iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(
        allow("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"})).replace('"Resource": "*", ', ""))
    arn = arn["Role"]["Arn"]
    with refused("AccessDenied"):
        trails.server.client("sqs", key=key).create_queue(QueueName="denied")
    found = eventually(lambda: trails.lookup("AccessKeyId", key[0]), "a denial")
    record = json.loads(found[0]["CloudTrailEvent"])
    assert record["errorCode"] == "AccessDenied" and record["userIdentity"]["type"] == "IAMUser"
    assert record["userIdentity"]["userName"] == user and found[0]["Username"] == user
    session = trails.server.client("sts", key=key).assume_role(RoleArn=arn, RoleSessionName="night")["Credentials"]
    key = (session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    with refused("AccessDenied"):
        trails.server.client("sqs", key=key).create_queue(QueueName="denied")
    found = eventually(lambda: trails.lookup("AccessKeyId", key[0]), "a session's denial")
    identity = json.loads(found[0]["CloudTrailEvent"])["userIdentity"]
    assert identity["type"] == "AssumedRole" and identity["arn"].endswith(f"{role}/night")
    issuer = identity["sessionContext"]["sessionIssuer"]
    assert (issuer["arn"], issuer["userName"], issuer["type"]) == (arn, role, "Role")
    assert identity["sessionContext"]["attributes"]["creationDate"]
    # Neither the secret of the user's key nor that of the session is anywhere.
    text = json.dumps(trails.trail.lookup_events()["Events"], default=str)
    assert key[1] not in text and "secretAccessKey" not in text
    [made] = trails.lookup("EventName", "CreateAccessKey")
    assert json.loads(made["CloudTrailEvent"])["responseElements"]["accessKey"]["status"] == "Active"


def test_lookup_pages_newest_first(trails):
    names = [unique("q") for _ in range(7)]
    for name in names:
        trails.sqs.create_queue(QueueName=name)
    arguments = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}], "MaxResults": 3}
    pages, token = [], {}
    while True:
        page = trails.trail.lookup_events(**arguments, **token)
        pages.append([event["Resources"][0]["ResourceName"] for event in page["Events"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert [name for page in pages for name in page] == names[::-1]
    assert max(map(len, pages)) == 3
    now = trails.server.now()
    assert trails.lookup("EventName", "CreateQueue", StartTime=now + timedelta(hours=1), EndTime=now + timedelta(hours=2)) == []
    with refused("InvalidNextTokenException", 400):
        trails.trail.lookup_events(NextToken="none")
    with refused("InvalidTimeRangeException", 400):
        trails.trail.lookup_events(StartTime=now, EndTime=now - timedelta(hours=1))
    with refused("InvalidLookupAttributesException", 400):
        trails.trail.lookup_events(LookupAttributes=arguments["LookupAttributes"] * 2)
    # A history is of 90 days.
    trails.server.advance(90 * 24 * 3600 + 2 * 3600)
    assert trails.lookup("EventName", "CreateQueue") == []


def test_trails_are_kept_and_told(trails):
    name = trails.create(start=False, IncludeGlobalServiceEvents=False, S3KeyPrefix="",
                         TagsList=[{"Key": "a", "Value": "1"}])
    arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{name}"
    expected = {"Name": name, "TrailARN": arn, "S3BucketName": trails.bucket, "IncludeGlobalServiceEvents": False,
                "IsMultiRegionTrail": False, "HomeRegion": REGION, "LogFileValidationEnabled": False,
                "HasCustomEventSelectors": False, "HasInsightSelectors": False, "IsOrganizationTrail": False}
    assert trails.trail.get_trail(Name=arn)["Trail"] == expected
    assert trails.trail.describe_trails()["trailList"] == [expected]
    assert trails.trail.list_trails()["Trails"] == [{"TrailARN": arn, "Name": name, "HomeRegion": REGION}]
    with refused("TrailAlreadyExistsException", 400):
        trails.create(name)
    other = trails.server.client("cloudtrail", region="eu-west-1")
    assert other.describe_trails()["trailList"] == []
    trails.trail.update_trail(Name=name, IsMultiRegionTrail=True)
    assert [trail["Name"] for trail in other.describe_trails()["trailList"]] == [name]
    assert other.describe_trails(includeShadowTrails=False)["trailList"] == []
    with refused("InvalidHomeRegionException", 400):
        other.stop_logging(Name=arn)
    trails.trail.add_tags(ResourceId=arn, TagsList=[{"Key": "b", "Value": "2"}])
    trails.trail.remove_tags(ResourceId=arn, TagsList=[{"Key": "a"}])
    [tags] = trails.trail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
    assert tags == {"ResourceId": arn, "TagsList": [{"Key": "b", "Value": "2"}]}
    trails.server.restart_after_kill()
    assert trails.trail.get_trail(Name=name)["Trail"]["IsMultiRegionTrail"] is True
    trails.trail.delete_trail(Name=name)
    with refused("TrailNotFoundException", 400, f"Unknown trail: {arn} for the user: {ACCOUNT}"):
        trails.trail.get_trail(Name=name)
    for number in range(5):
        trails.create(f"trail-{number}")
    with refused("MaximumNumberOfTrailsExceededException", 400):
        trails.create("trail-5")


@pytest.mark.parametrize("name", ["ab", "a" * 129, "a b c", "-abc", "abc-", "a..b", "192.168.1.1"])
def test_names_of_trails(trails, name):
    with refused("InvalidTrailNameException", 400):
        trails.create(name)


def test_what_is_not_there_is_refused_by_name(trails):
    for member, value in {"KmsKeyId": "k", "CloudWatchLogsLogGroupArn": "arn:x", "IsOrganizationTrail": True}.items():
        with refused("UnsupportedOperationException", 400, member):
            trails.create(**{member: value})
    for call in ("create_event_data_store", "put_insight_selectors", "list_channels"):
        arguments = {"create_event_data_store": {"Name": "lake"}, "put_insight_selectors": {"InsightSelectors": []}}
        with refused("NotImplemented", 501):
            getattr(trails.trail, call)(**arguments.get(call, {}))


def test_policies_of_buckets_and_topics_are_checked(trails):
    with refused("S3BucketDoesNotExistException", 400):
        trails.trail.create_trail(Name="trail", S3BucketName="is-not-there")
    closed = unique("closed")
    trails.s3.create_bucket(Bucket=closed)
    text = f"Incorrect S3 bucket policy is detected for bucket: {closed}"
    with refused("InsufficientS3BucketPolicyException", 400, text):
        trails.trail.create_trail(Name="trail", S3BucketName=closed)
    arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/"
    trails.s3.put_bucket_policy(Bucket=closed, Policy=bucket_policy(closed, "logs/", **{"aws:SourceArn": arn + "right"}))
    for name, prefix in (("wrong", "logs"), ("right", "other")):
        with refused("InsufficientS3BucketPolicyException", 400):
            trails.trail.create_trail(Name=name, S3BucketName=closed, S3KeyPrefix=prefix)
    trails.trail.create_trail(Name="right", S3BucketName=closed, S3KeyPrefix="logs")
    with refused("InsufficientSnsTopicPolicyException", 400):
        trails.trail.update_trail(Name="right", SnsTopicName="no-topic")
    with refused("InsufficientS3BucketPolicyException", 400):
        trails.trail.update_trail(Name="right", S3KeyPrefix="")


def test_files_are_delivered_every_five_minutes(trails):
    topics = trails.server.client("sns")
    topic = topics.create_topic(Name=unique("told"))["TopicArn"]
    topics.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document(
        allow("sns:Publish", topic, Principal={"Service": "cloudtrail.amazonaws.com"})))
    url = trails.sqs.create_queue(QueueName=unique("told"))["QueueUrl"]
    queue = trails.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trails.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
        allow("sqs:SendMessage", queue, Principal={"Service": "sns.amazonaws.com"}))})
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    name = trails.create(SnsTopicName=topic.split(":")[-1])
    trails.sqs.create_queue(QueueName="audited")
    record = trails.delivered(lambda r: r["eventName"] == "CreateQueue")
    [event] = trails.lookup("ResourceName", "audited")
    assert record == json.loads(event["CloudTrailEvent"])
    assert all(KEY.fullmatch(key) for key in trails.keys()), trails.keys()
    messages = trails.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    told = json.loads(messages[0]["Body"])
    assert told["s3Bucket"] == trails.bucket and told["s3ObjectKey"][0] in trails.keys()
    status = eventually(lambda: (s := trails.trail.get_trail_status(Name=name)).get("LatestDeliveryTime") and s)
    assert status["IsLogging"] and status["StartLoggingTime"] and "LatestDeliveryError" not in status
    trails.trail.stop_logging(Name=name)
    trails.sqs.create_queue(QueueName="unaudited")
    trails.server.advance(600)
    eventually(lambda: not trails.trail.get_trail_status(Name=name)["IsLogging"])
    # Nothing of what came afterwards; the history has it all the same.
    assert trails.lookup("ResourceName", "unaudited")
    assert "unaudited" not in json.dumps(trails.records())


def test_selectors_decide_what_is_taken(trails):
    functions = trails.server.client("lambda")
    writes = trails.create(start=False)
    selectors = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False, "DataResources": [
        {"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{trails.bucket}/in/"]},
        {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}]}]
    told = trails.trail.put_event_selectors(TrailName=writes, EventSelectors=selectors)["EventSelectors"]
    assert told == [{**selectors[0], "ExcludeManagementEventSources": []}]
    assert trails.trail.get_event_selectors(TrailName=writes)["EventSelectors"] == told
    assert trails.trail.get_trail(Name=writes)["Trail"]["HasCustomEventSelectors"] is True
    trails.trail.start_logging(Name=writes)
    trails.s3.put_object(Bucket=trails.bucket, Key="in/a", Body=b"what it says")
    trails.s3.get_object(Bucket=trails.bucket, Key="in/a")
    trails.s3.put_object(Bucket=trails.bucket, Key="out/b", Body=b"")
    with refused("ResourceNotFoundException"):
        functions.invoke(FunctionName="missing", Payload=b'"secret"')
    # What failed is recorded soon, not at once.
    invoked = lambda: any(r["eventName"] == "Invoke" for r in trails.records())
    eventually(lambda: trails.server.advance(301) and invoked(), "the event of an invocation")
    records = {(r["eventName"], (r["requestParameters"] or {}).get("key")): r for r in trails.records()}
    assert set(records) == {("PutObject", "in/a"), ("Invoke", None)}
    put = records["PutObject", "in/a"]
    arn = f"arn:aws:s3:::{trails.bucket}"
    assert put["resources"] == [{"type": "AWS::S3::Object", "ARN": f"{arn}/in/a"},
                                {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": arn}]
    assert put["eventCategory"] == "Data" and put["managementEvent"] is False
    assert put["requestParameters"]["bucketName"] == trails.bucket
    assert "what it says" not in json.dumps(trails.records()) and "secret" not in json.dumps(trails.records())
    advanced = [{"Name": "reads below in/", "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "resources.ARN", "StartsWith": [f"{arn}/in/"]}, {"Field": "readOnly", "Equals": ["true"]}]}]
    told = trails.trail.put_event_selectors(TrailName=writes, AdvancedEventSelectors=advanced)
    assert told["AdvancedEventSelectors"] == advanced and "EventSelectors" not in told
    trails.s3.get_object(Bucket=trails.bucket, Key="in/a")
    trails.s3.get_object(Bucket=trails.bucket, Key="out/b")
    found = lambda: [r for r in trails.records() if r["eventName"] == "GetObject"]
    eventually(lambda: trails.server.advance(301) and found(), "the event of a read object")
    assert [r["requestParameters"]["key"] for r in found()] == ["in/a"]
    for wrong in ([{"DataResources": [{"Type": "AWS::DynamoDB::Table", "Values": ["arn:aws:dynamodb"]}]}],
                  [{"ExcludeManagementEventSources": ["sqs.amazonaws.com"]}], [{}] * 6):
        with refused("InvalidEventSelectorsException", 400):
            trails.trail.put_event_selectors(TrailName=writes, EventSelectors=wrong)


def test_a_trail_of_all_regions_takes_them(trails):
    trails.create(IsMultiRegionTrail=True)
    trails.server.client("sqs", region="eu-west-1").create_queue(QueueName="far")
    record = trails.delivered(lambda r: r["eventName"] == "CreateQueue")
    assert record["awsRegion"] == "eu-west-1"
    assert any("/eu-west-1/" in key for key in trails.keys())
    assert trails.lookup("ResourceName", "far") == []


def test_events_of_answered_changes_survive_kills(trails):
    """What was answered is delivered, however often the server dies before that."""
    trails.create()
    names = []
    for number in range(6):
        for _ in range(5):
            names.append(unique("kept"))
            trails.sqs.create_queue(QueueName=names[-1])
        # Now and then the buffer is closed, and the delivery is cut short.
        if number % 2:
            trails.server.advance(301)
        trails.server.restart_after_kill()
    trails.server.advance(301)

    def all_there():
        found = [r["requestParameters"]["queueName"] for r in trails.records() if r["eventName"] == "CreateQueue"]
        return sorted(set(found)) == sorted(names) and found

    found = eventually(all_there, "every event")
    # A file that was put again after a crash has its own key: nothing is there twice.
    assert len(found) == len(names)


def test_deliveries_wait_for_the_bucket(trails):
    name = trails.create()
    trails.s3.put_bucket_policy(Bucket=trails.bucket, Policy=document(
        deny("s3:PutObject", f"arn:aws:s3:::{trails.bucket}/*", Principal={"Service": "cloudtrail.amazonaws.com"})))
    trails.sqs.create_queue(QueueName="waits")
    trails.server.advance(301)
    status = lambda: trails.trail.get_trail_status(Name=name)
    eventually(lambda: status().get("LatestDeliveryError") == "AccessDenied", "the reason")
    assert trails.keys() == []
    trails.s3.put_bucket_policy(Bucket=trails.bucket, Policy=bucket_policy(trails.bucket))
    eventually(lambda: trails.server.advance(11) and trails.keys(), "the file")
    assert any(r["eventName"] == "CreateQueue" for r in trails.records())
    eventually(lambda: "LatestDeliveryError" not in status())


def test_digests_are_chained_and_hold(trails):
    """`aws cloudtrail validate-logs`, before and after a file is changed."""
    began = trails.server.now() - timedelta(minutes=1)
    name = trails.create(EnableLogFileValidation=True)
    for hour in range(3):
        trails.sqs.create_queue(QueueName=f"hour-{hour}")
        trails.delivered(lambda r: (r["requestParameters"] or {}).get("queueName") == f"hour-{hour}")
        trails.server.advance(3600 - 300)
        eventually(lambda: len(trails.keys(DIGESTS)) == hour + 1, "a digest an hour")
        if hour == 1:
            trails.server.restart_after_kill()
    first, second, third = (trails.read(key) for key in trails.keys(DIGESTS))
    assert first["previousDigestSignature"] is None and first["previousDigestS3Object"] is None
    assert second["previousDigestS3Object"] == first["digestS3Object"]
    assert second["digestStartTime"] == first["digestEndTime"]
    assert [len(digest["logFiles"]) for digest in (first, second, third)] == [1, 1, 1]
    [key] = trails.trail.list_public_keys(StartTime=began, EndTime=trails.server.now())["PublicKeyList"]
    assert key["Fingerprint"] == first["digestPublicKeyFingerprint"]

    def validate():
        arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{name}"
        stamp = lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")
        done = trails.server.run(
            *AWS, "cloudtrail", "validate-logs", "--trail-arn", arn, "--start-time", stamp(began),
            "--end-time", stamp(trails.server.now()), "--verbose", check=False)
        return done.returncode, done.stdout + done.stderr

    code, text = validate()
    assert code == 0 and "3/3 digest files valid" in text and "3/3 log files valid" in text, text
    victim = trails.keys()[0]
    whole = trails.s3.get_object(Bucket=trails.bucket, Key=victim)["Body"].read()
    changed = gzip.compress(gzip.decompress(whole).replace(b"hour-0", b"hour-9"))
    trails.s3.put_object(Bucket=trails.bucket, Key=victim, Body=changed)
    code, text = validate()
    assert code != 0 and "2/3 log files valid, 1/3 log files INVALID" in text, text


def test_reaching_the_history_needs_permission(trails):
    key = make_user(trails.iam, unique("bob"), allow("cloudtrail:LookupEvents"))
    client = trails.server.client("cloudtrail", key=key)
    assert client.lookup_events()["Events"]
    with refused("AccessDeniedException", 400):
        client.describe_trails()


TEMPLATE = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "Name"}}},
        "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": {
            "Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                allow(["s3:GetBucketAcl", "s3:PutObject"],
                      [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}],
                      Principal={"Service": "cloudtrail.amazonaws.com"})]}}},
        "Trail": {"Type": "AWS::CloudTrail::Trail", "DependsOn": "Policy", "Properties": {
            "S3BucketName": {"Ref": "Bucket"}, "IsLogging": True, "EnableLogFileValidation": True,
            "EventSelectors": [{"ReadWriteType": "WriteOnly", "DataResources": [
                {"Type": "AWS::S3::Object", "Values": [{"Fn::Sub": "${Bucket.Arn}/"}]}]}],
            "Tags": [{"Key": "a", "Value": "1"}]}}},
    "Parameters": {"Name": {"Type": "String"}},
    "Outputs": {"Trail": {"Value": {"Ref": "Trail"}}, "Arn": {"Value": {"Fn::GetAtt": ["Trail", "Arn"]}}},
}


def test_trails_of_templates(trails):
    stacks, bucket = trails.server.client("cloudformation"), unique("stack")

    def deploy(call, template, waiter):
        call(StackName="trails", TemplateBody=json.dumps(template),
             Parameters=[{"ParameterKey": "Name", "ParameterValue": bucket}])
        stacks.get_waiter(waiter).wait(StackName="trails", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        [stack] = stacks.describe_stacks(StackName="trails")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    outputs = deploy(stacks.create_stack, TEMPLATE, "stack_create_complete")
    name, arn = outputs["Trail"], outputs["Arn"]
    assert arn == f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{name}"
    found = trails.trail.get_trail(Name=name)["Trail"]
    assert found["LogFileValidationEnabled"] and found["HasCustomEventSelectors"] and found["S3BucketName"] == bucket
    assert trails.trail.get_trail_status(Name=name)["IsLogging"]
    [selector] = trails.trail.get_event_selectors(TrailName=name)["EventSelectors"]
    assert selector["ReadWriteType"] == "WriteOnly" and selector["DataResources"]
    changed = json.loads(json.dumps(TEMPLATE))
    properties = changed["Resources"]["Trail"]["Properties"]
    properties.update(IsLogging=False, IsMultiRegionTrail=True, Tags=[{"Key": "b", "Value": "2"}])
    del properties["EventSelectors"], properties["EnableLogFileValidation"]
    assert deploy(stacks.update_stack, changed, "stack_update_complete") == outputs
    found = trails.trail.get_trail(Name=name)["Trail"]
    assert not found["LogFileValidationEnabled"] and not found["HasCustomEventSelectors"] and found["IsMultiRegionTrail"]
    assert not trails.trail.get_trail_status(Name=name)["IsLogging"]
    [tags] = trails.trail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
    assert {"Key": "b", "Value": "2"} in tags["TagsList"] and {"Key": "a", "Value": "1"} not in tags["TagsList"]
    stacks.delete_stack(StackName="trails")
    stacks.get_waiter("stack_delete_complete").wait(StackName="trails", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert trails.trail.list_trails()["Trails"] == []
