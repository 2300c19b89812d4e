"""Firehose through boto3: buffering by the server's clock, keys, compression, what a crash leaves."""

import gzip
import json
import re
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from support import ACCOUNT, REGION, Server, allow, deny, document, eventually, refused, trust, unique

MIB = 1024 * 1024


class Streams:
    """What delivery streams need on a server: a bucket, a role, clients."""

    def __init__(self, server):
        self.server = server
        self.firehose, self.s3, self.iam = (server.client(s) for s in ("firehose", "s3", "iam"))
        self.bucket, self.role_name = unique("archive"), unique("delivery")
        self.s3.create_bucket(Bucket=self.bucket)
        role = self.iam.create_role(RoleName=self.role_name,
                                    AssumeRolePolicyDocument=trust(Service="firehose.amazonaws.com"))
        self.role = role["Role"]["Arn"]
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName="write", PolicyDocument=document(
            allow("s3:*", [f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::{self.bucket}/*"])))

    def destination(self, **more):
        return {"RoleARN": self.role, "BucketARN": f"arn:aws:s3:::{self.bucket}",
                "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 5}, **more}

    def create(self, name=None, **more):
        name = name or unique("stream")
        self.firehose.create_delivery_stream(DeliveryStreamName=name, DeliveryStreamType="DirectPut",
                                             ExtendedS3DestinationConfiguration=self.destination(**more))
        eventually(lambda: self.describe(name)["DeliveryStreamStatus"] == "ACTIVE", "an active stream")
        return name

    def describe(self, name):
        return self.firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]

    def put(self, name, data):
        return self.firehose.put_record(DeliveryStreamName=name, Record={"Data": data})["RecordId"]

    def keys(self):
        return [entry["Key"] for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
                for entry in page.get("Contents", [])]

    def delivered(self, count=1):
        """Keys and bodies, once there are so many objects."""
        found = eventually(lambda: len(keys := self.keys()) >= count and keys, f"{count} objects")
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in found}


@pytest.fixture
def streams(own):
    return Streams(own)


@pytest.fixture
def shared(server):
    return Streams(server)


NEWLINE = {"ProcessingConfiguration": {"Enabled": True, "Processors": [{
    "Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}]}}


def test_a_buffer_is_written_when_its_time_has_come(streams):
    name = streams.create()
    before = streams.server.now()
    for n in range(3):
        assert streams.put(name, f"record-{n};".encode())
    streams.server.advance(50)
    assert streams.keys() == []
    streams.server.advance(11)
    (key, body), = streams.delivered().items()
    assert body == b"record-0;record-1;record-2;"
    # Developer Guide, "Amazon S3 object name format".
    match = re.fullmatch(rf"(\d{{4}}/\d\d/\d\d/\d\d)/{name}-1-(\d{{4}}(?:-\d\d){{5}})-[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", key)
    assert match, key
    assert match[1] in {(before + timedelta(seconds=s)).strftime("%Y/%m/%d/%H") for s in (0, 30)}
    streams.put(name, b"next")
    streams.server.advance(61)
    assert sorted(streams.delivered(2).values())[0] == b"next"


def test_a_full_buffer_is_written_at_once(streams):
    name = streams.create(BufferingHints={"IntervalInSeconds": 900, "SizeInMBs": 1})
    for n in range(5):
        streams.put(name, bytes([65 + n]) * 250_000)
    body, = streams.delivered().values()
    assert len(body) >= 1_000_000 and set(body) <= set(b"ABCDE")
    streams.server.advance(901)
    eventually(lambda: sum(map(len, streams.delivered().values())) == 1_250_000, "the rest")


def test_prefix_delimiter_and_gzip(streams):
    name = streams.create(Prefix="landing_date=!{timestamp:yyyy-MM-dd}/!{firehose:random-string}/",
                          ErrorOutputPrefix="failed/!{firehose:error-output-type}/", CompressionFormat="GZIP", **NEWLINE)
    day = streams.server.now().strftime("%Y-%m-%d")
    for n in range(3):
        streams.put(name, json.dumps({"id": n}).encode())
    streams.server.advance(61)
    (key, body), = streams.delivered().items()
    assert re.match(rf"landing_date=\d{{4}}-\d\d-\d\d/[A-Za-z0-9]{{11}}/{name}-1-", key) and key.endswith(".gz")
    assert key.split("/")[0] in (f"landing_date={day}", f"landing_date={streams.server.now():%Y-%m-%d}")
    assert gzip.decompress(body) == b'{"id": 0}\n{"id": 1}\n{"id": 2}\n'


def test_records_of_two_days_are_not_in_one_partition_of_the_first_second(streams):
    """The time of a prefix is that of the oldest record in the object (Developer Guide, "custom prefixes")."""
    name = streams.create(Prefix="day=!{timestamp:yyyy-MM-dd}/", ErrorOutputPrefix="failed/!{firehose:error-output-type}/")
    now = streams.server.now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    streams.server.advance((midnight - now).total_seconds() - 200)
    streams.put(name, b"today")
    streams.server.advance(100)
    streams.delivered(1)
    streams.server.advance(150)
    streams.put(name, b"tomorrow")
    streams.server.advance(61)
    found = {key.split("/")[0]: body for key, body in streams.delivered(2).items()}
    assert found == {f"day={midnight - timedelta(days=1):%Y-%m-%d}": b"today", f"day={midnight:%Y-%m-%d}": b"tomorrow"}


def test_a_time_zone_of_its_own(streams):
    name = streams.create(Prefix="!{timestamp:yyyy-MM-dd-HH}/", ErrorOutputPrefix="failed/!{firehose:error-output-type}/",
                          CustomTimeZone="Asia/Tokyo")
    before = streams.server.now()
    streams.put(name, b"x")
    streams.server.advance(61)
    key, = streams.delivered()
    local = [f"{before + timedelta(hours=9, seconds=s):%Y-%m-%d-%H}" for s in (0, 30)]
    assert key.split("/")[0] in local


def test_batches(streams):
    name = streams.create(**NEWLINE)
    records = [{"Data": f"{n}".encode()} for n in range(500)]
    answer = streams.firehose.put_record_batch(DeliveryStreamName=name, Records=records)
    assert answer["FailedPutCount"] == 0
    assert len({r["RecordId"] for r in answer["RequestResponses"]}) == 500
    streams.server.advance(61)
    body, = streams.delivered().values()
    assert body.decode().split() == [str(n) for n in range(500)]


def test_puts_that_are_refused(shared):
    name = shared.create()
    with refused("ResourceNotFoundException", 400):
        shared.put(unique(), b"x")
    with pytest.raises(ClientError, match="(?i)validation"):
        shared.put(name, b"x" * 1_024_001)
    with pytest.raises(ClientError, match="(?i)validation"):
        shared.firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"x"}] * 501)
    with pytest.raises(ClientError):
        shared.firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"x" * 900_000}] * 5)


def test_what_a_crash_finds_is_delivered(streams):
    name = streams.create(**NEWLINE)
    sent = []
    for n in range(60):
        streams.put(name, str(n).encode())
        sent.append(str(n))
        if n % 20 == 19:
            streams.server.restart_after_kill()
    streams.server.advance(61)

    def all_there():
        lines = [line for body in streams.delivered(1).values() for line in body.decode().split()]
        return set(lines) == set(sent) and lines

    assert sorted(eventually(all_there, "every record")) == sorted(sent), "a record came twice"


def test_the_role_decides_and_a_delivery_waits_until_it_may(streams):
    name = streams.create()
    streams.iam.put_role_policy(RoleName=streams.role_name, PolicyName="no", PolicyDocument=document(deny("s3:*")))
    streams.put(name, b"patience")
    streams.server.advance(61)
    eventually(lambda: "AccessDenied" in streams.server.log() or "not authorized" in streams.server.log(), "a refused write")
    assert streams.keys() == []
    streams.iam.delete_role_policy(RoleName=streams.role_name, PolicyName="no")

    def delivered():
        streams.server.advance(60)  # it is tried again after a while
        return streams.keys()

    eventually(delivered, "the delivery")
    assert list(streams.delivered().values()) == [b"patience"]


# ---- streams ------------------------------------------------------------------------------------------


def test_describe_update_list_delete(shared):
    name = shared.create()
    found = shared.describe(name)
    arn = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}"
    assert (found["DeliveryStreamARN"], found["DeliveryStreamType"], found["VersionId"]) == (arn, "DirectPut", "1")
    destination, = found["Destinations"]
    extended = destination["ExtendedS3DestinationDescription"]
    assert extended["BufferingHints"] == {"IntervalInSeconds": 60, "SizeInMBs": 5}
    assert (extended["BucketARN"], extended["RoleARN"]) == (f"arn:aws:s3:::{shared.bucket}", shared.role)
    assert extended["CompressionFormat"] == "UNCOMPRESSED"
    shared.firehose.update_destination(
        DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId=destination["DestinationId"],
        ExtendedS3DestinationUpdate={"BufferingHints": {"IntervalInSeconds": 90, "SizeInMBs": 2}, "CompressionFormat": "GZIP"})
    found = shared.describe(name)
    extended = found["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert found["VersionId"] == "2" and extended["CompressionFormat"] == "GZIP"
    assert extended["BufferingHints"] == {"IntervalInSeconds": 90, "SizeInMBs": 2}
    with refused("ConcurrentModificationException", 400):
        shared.firehose.update_destination(DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1",
                                           DestinationId=destination["DestinationId"], ExtendedS3DestinationUpdate={})
    with refused("ResourceInUseException", 400):
        shared.create(name)
    shared.firehose.delete_delivery_stream(DeliveryStreamName=name)

    def gone():
        try:
            assert shared.describe(name)["DeliveryStreamStatus"] == "DELETING"
        except shared.firehose.exceptions.ResourceNotFoundException:
            return True

    eventually(gone, "the stream's end")
    with refused("ResourceNotFoundException", 400):
        shared.put(name, b"x")


def test_lists_and_tags(streams):
    names = sorted(streams.create() for _ in range(12))
    first = streams.firehose.list_delivery_streams(Limit=10)
    assert first["DeliveryStreamNames"] == names[:10] and first["HasMoreDeliveryStreams"] is True
    second = streams.firehose.list_delivery_streams(Limit=10, ExclusiveStartDeliveryStreamName=names[9])
    assert second["DeliveryStreamNames"] == names[10:] and second["HasMoreDeliveryStreams"] is False
    assert streams.firehose.list_delivery_streams(DeliveryStreamType="KinesisStreamAsSource")["DeliveryStreamNames"] == []
    streams.firehose.tag_delivery_stream(DeliveryStreamName=names[0], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    streams.firehose.untag_delivery_stream(DeliveryStreamName=names[0], TagKeys=["b"])
    assert streams.firehose.list_tags_for_delivery_stream(DeliveryStreamName=names[0])["Tags"] == [{"Key": "a", "Value": "1"}]


@pytest.mark.parametrize("change, text", [
    ({"BufferingHints": {"IntervalInSeconds": 901, "SizeInMBs": 5}}, None),
    ({"BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 129}}, None),
    ({"Prefix": "!{timestamp:yyyy}/"}, "ErrorOutputPrefix"),
    ({"Prefix": "!{colour:red}/", "ErrorOutputPrefix": "f/!{firehose:error-output-type}/"}, None),
    ({"Prefix": "a/", "ErrorOutputPrefix": "f/!{timestamp:BAD"}, None),
    ({"BucketARN": "arn:aws:s3:::"}, None), ({"RoleARN": "no arn"}, None)])
def test_bad_destinations(shared, change, text):
    with pytest.raises(ClientError) as caught:
        shared.create(**change)
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "InvalidArgumentException")
    assert text is None or text in caught.value.response["Error"]["Message"]


# Tags: https://docs.aws.amazon.com/firehose/latest/APIReference/API_Tag.html
@pytest.mark.parametrize("tag", [{"Key": "aws:x"}, {"Key": "aws:cloudformation:stack-name", "Value": "s"}, {"Key": "a", "Value": "!"}])
def test_tags_that_are_not_the_users(shared, tag):
    name = shared.create()
    with refused("ValidationException", 400):
        shared.firehose.tag_delivery_stream(DeliveryStreamName=name, Tags=[tag])
    with refused("ValidationException", 400):
        shared.firehose.create_delivery_stream(DeliveryStreamName=unique(), ExtendedS3DestinationConfiguration=shared.destination(), Tags=[tag])
    assert shared.firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"] == []


# What a description has that was not said: the members' pages in the API reference.
@pytest.mark.parametrize("said, told", [
    ({}, {"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300}, "CompressionFormat": "UNCOMPRESSED", "S3BackupMode": "Disabled",
          "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"}, "CloudWatchLoggingOptions": {"Enabled": False},
          "CustomTimeZone": "UTC"}),
    ({"DynamicPartitioningConfiguration": {"Enabled": True}, "Prefix": "!{partitionKeyFromQuery:k}/", "ErrorOutputPrefix": "e/",
      "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "MetadataExtraction", "Parameters": [
          {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
          {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{k: .k}"}]}]}},
     {"BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 300},
      "DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 300}}}),
    ({"CloudWatchLoggingOptions": {}}, {"CloudWatchLoggingOptions": {"Enabled": False}}),
    ({"ProcessingConfiguration": {}}, {"ProcessingConfiguration": {"Enabled": False, "Processors": []}})])
def test_descriptions_have_every_default(shared, said, told):
    name = unique("stream")
    given = {"RoleARN": shared.role, "BucketARN": f"arn:aws:s3:::{shared.bucket}", **said}
    shared.firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=given)
    found = shared.describe(name)
    assert (found["DeliveryStreamStatus"], found["VersionId"], found["HasMoreDestinations"]) == ("ACTIVE", "1", False)
    assert found["DeliveryStreamEncryptionConfiguration"] == {"Status": "DISABLED"} and "LastUpdateTimestamp" not in found
    destination, = found["Destinations"]
    extended = destination["ExtendedS3DestinationDescription"]
    assert {key: extended.get(key) for key in told} == told
    plain = destination["S3DestinationDescription"]
    assert all(extended[key] == value for key, value in plain.items())


@pytest.mark.parametrize("version, id, code", [
    ("2", "destinationId-000000000001", "ConcurrentModificationException"), ("0", "destinationId-000000000001", "ConcurrentModificationException"),
    ("1", "destinationId-000000000002", "InvalidArgumentException"), ("one", "destinationId-000000000001", "ValidationException"),
    ("99999999999999999999999999", "destinationId-000000000001", "ConcurrentModificationException")])
def test_updates_of_another_version_are_refused(shared, version, id, code):
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_UpdateDestination.html"""
    name = shared.create()
    with refused(code, 400):
        shared.firehose.update_destination(DeliveryStreamName=name, CurrentDeliveryStreamVersionId=version, DestinationId=id,
                                           ExtendedS3DestinationUpdate={"Prefix": "p/"})
    assert shared.describe(name)["VersionId"] == "1"


def test_pages_of_streams(streams):
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_ListDeliveryStreams.html: 10 where no limit is said."""
    names = sorted(streams.create() for _ in range(11))
    page = streams.firehose.list_delivery_streams()
    assert (page["DeliveryStreamNames"], page["HasMoreDeliveryStreams"]) == (names[:10], True)
    for start, limit, found, more in [(names[9], 10, names[10:], False), (names[10], 1, [], False), ("0", 11, names, False), (names[3], 2, names[4:6], True)]:
        page = streams.firehose.list_delivery_streams(ExclusiveStartDeliveryStreamName=start, Limit=limit, DeliveryStreamType="DirectPut")
        assert (page["DeliveryStreamNames"], page["HasMoreDeliveryStreams"]) == (found, more)
    with refused("ValidationException", 400):
        streams.firehose.list_delivery_streams(Limit=10_001)


def test_what_is_beyond_the_quota_is_refused(tmp_path):
    """Firehose's quotas: https://docs.aws.amazon.com/firehose/latest/dev/limits.html; PutRecordBatch's partial failures."""
    server = Server(tmp_path / "data", "--firehose-mib-per-second", "1")
    try:
        streams = Streams(server)
        name = streams.create(**NEWLINE)
        large = [{"Data": bytes([65 + n]) * 900_000} for n in range(4)]
        answer = streams.firehose.put_record_batch(DeliveryStreamName=name, Records=large)
        codes = [(entry.get("ErrorCode"), entry.get("ErrorMessage"), "RecordId" in entry) for entry in answer["RequestResponses"]]
        assert codes == [(None, None, True)] * 2 + [("ServiceUnavailableException", "Slow down.", False)] * 2
        assert answer["FailedPutCount"] == 2

        def refusal():
            try:
                streams.firehose.put_record(DeliveryStreamName=name, Record=large[0])
            except ClientError as error:
                return error.response

        found = eventually(refusal, "a refusal")
        assert found["Error"] == {"Code": "ServiceUnavailableException", "Message": "Slow down."}
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 500
        server.advance(10)
        streams.put(name, b"in time")
    finally:
        server.kill()


def test_development_has_no_quota(shared):
    name = shared.create()
    for _ in range(4):
        answer = shared.firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"x" * 1_000_000}] * 4)
        assert answer["FailedPutCount"] == 0


@pytest.mark.parametrize("more, named", [
    ({"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": "arn:aws:kms:us-east-1:000000000000:key/k"}}}, "KMSEncryptionConfig"),
    ({"DataFormatConversionConfiguration": {"Enabled": True}}, "(?i)DataFormatConversion")])
def test_what_is_not_implemented_is_refused_by_name(shared, more, named):
    with pytest.raises(ClientError, match=named):
        shared.create(**more)


def test_a_topic_delivers_into_a_stream(streams):
    sns = streams.server.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    name = streams.create(**NEWLINE)
    arn = streams.describe(name)["DeliveryStreamARN"]
    role = streams.iam.create_role(RoleName="subscription", AssumeRolePolicyDocument=trust(Service="sns.amazonaws.com"))
    streams.iam.put_role_policy(RoleName="subscription", PolicyName="p", PolicyDocument=document(
        allow(["firehose:PutRecord", "firehose:PutRecordBatch"], arn)))
    sns.subscribe(TopicArn=topic, Protocol="firehose", Endpoint=arn, Attributes={
        "SubscriptionRoleArn": role["Role"]["Arn"], "RawMessageDelivery": "true"})
    for n in range(20):
        sns.publish(TopicArn=topic, Message=f"m{n}")

    def all_there():
        streams.server.advance(61)
        return sorted(line for key in streams.keys() for line in
                      streams.s3.get_object(Bucket=streams.bucket, Key=key)["Body"].read().decode().split()) == \
            sorted(f"m{n}" for n in range(20))

    eventually(all_there, "every message once")
    with pytest.raises(ClientError, match="SubscriptionRoleArn"):
        sns.subscribe(TopicArn=topic, Protocol="firehose", Endpoint=arn)
