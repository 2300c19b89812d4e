"""Versions of objects through boto3: user guide, "Retaining multiple versions of objects with S3 Versioning"."""

import json

import pytest
from botocore.exceptions import ClientError

from support import allow, document, make_user, queue_arn, receive, refused, unique


@pytest.fixture
def versioned(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    return bucket


def test_each_write_is_a_version(s3, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    assert len(set(ids)) == 2
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == ids[1]
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=ids[0])["Body"].read() == b"one"
    assert s3.head_object(Bucket=versioned, Key="k", VersionId=ids[0])["ContentLength"] == 3
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [(v["VersionId"], v["IsLatest"]) for v in listed] == [(ids[1], True), (ids[0], False)]


def test_a_delete_marker(s3, versioned):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] is True
    with pytest.raises(ClientError) as failure:
        s3.get_object(Bucket=versioned, Key="k")
    headers = failure.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert failure.value.response["Error"]["Code"] == "NoSuchKey"
    assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", deleted["VersionId"])
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    removed = s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert (removed["DeleteMarker"], removed["VersionId"]) == (True, deleted["VersionId"])
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"x"


def test_pages_and_prefixes(s3, versioned):
    for key in ("a", "b/1", "b/2", "c"):
        for body in (b"1", b"2", b"3"):
            s3.put_object(Bucket=versioned, Key=key, Body=body)
        s3.delete_object(Bucket=versioned, Key=key)
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 3}))
    assert len(pages) == 6
    assert sum(len(page.get("Versions", [])) for page in pages) == 12
    assert sum(len(page.get("DeleteMarkers", [])) for page in pages) == 4
    folded = s3.list_object_versions(Bucket=versioned, Delimiter="/", Prefix="b")
    assert folded["CommonPrefixes"] == [{"Prefix": "b/"}] and "Versions" not in folded
    with refused("InvalidArgument", 400):
        s3.list_object_versions(Bucket=versioned, VersionIdMarker="x")


def test_deleting_many_versions(s3, versioned):
    one = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"2")
    asked = [{"Key": "k", "VersionId": one}, {"Key": "other"}, {"Key": "k", "VersionId": "0" * 32}]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": asked})
    found = {entry["Key"]: entry for entry in answer["Deleted"]}
    assert found["k"] == {"Key": "k", "VersionId": one}
    assert found["other"]["DeleteMarker"] is True and found["other"]["DeleteMarkerVersionId"]
    assert [error["Code"] for error in answer["Errors"]] == ["NoSuchVersion"]


def test_suspended_versioning_replaces_the_null_version(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"null"
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [v["VersionId"] for v in listed] == ["null", kept]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert (deleted["VersionId"], deleted["DeleteMarker"]) == ("null", True)
    assert [v["VersionId"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]] == [kept]


@pytest.mark.parametrize("configuration, code, status", [
    ({}, "IllegalVersioningConfigurationException", 400),
    ({"Status": "On"}, "MalformedXML", 400),
    ({"Status": "Enabled", "MFADelete": "Enabled"}, "NotImplemented", 501)])
def test_states_that_are_refused(s3, bucket, configuration, code, status):
    with refused(code, status):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=configuration)


def test_versions_have_actions_of_their_own(strict):
    root = strict.client("s3")
    root.create_bucket(Bucket="owned")
    root.put_bucket_versioning(Bucket="owned", VersioningConfiguration={"Status": "Enabled"})
    version = root.put_object(Bucket="owned", Key="k", Body=b"x")["VersionId"]
    key = make_user(strict.client("iam"), "ana", allow("s3:GetObject"), allow("s3:DeleteObject"))
    s3 = strict.client("s3", key=key)
    assert s3.get_object(Bucket="owned", Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        s3.get_object(Bucket="owned", Key="k", VersionId=version)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket="owned", Key="k", VersionId=version)
    assert s3.delete_object(Bucket="owned", Key="k")["DeleteMarker"] is True


def test_notifications_name_the_version(s3, sqs, versioned, queue):
    arn = queue_arn(sqs, queue)
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(statement)})
    s3.put_bucket_notification_configuration(Bucket=versioned, NotificationConfiguration={"QueueConfigurations": [
        {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]})
    put = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=put)
    told = [json.loads(message["Body"]) for message in receive(sqs, queue, 4)]
    records = [record for message in told for record in message.get("Records", [])]
    assert sorted((r["eventName"], r["s3"]["object"]["versionId"]) for r in records) == sorted([
        ("ObjectCreated:Put", put), ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectRemoved:Delete", put)])


def test_a_stack_s_bucket_has_versions(server, s3):
    cfn, name = server.client("cloudformation"), unique("versions")

    def template(status):
        return json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": name, **({"VersioningConfiguration": {"Status": status}} if status else {})}}}})

    cfn.create_stack(StackName=name, TemplateBody=template("Enabled"))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    cfn.update_stack(StackName=name, TemplateBody=template(None))
    cfn.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
