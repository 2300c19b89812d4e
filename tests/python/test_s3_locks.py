"""Object lock through boto3: retention, legal holds, the bypass of governance, on the movable clock.

User guide: "Locking objects with Object Lock", "Object Lock considerations"; API reference: PutObjectRetention,
PutObjectLegalHold, PutObjectLockConfiguration.
"""

from datetime import timedelta

import pytest

from support import allow, deny, eventually, make_user, refused, unique

DAY = 86_400


def locked(s3, name):
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def lockable(s3, name):
    return locked(s3, name)


def until(server, days):
    return (server.now() + timedelta(days=days)).replace(microsecond=0)


def test_a_bucket_made_for_locks(s3, lockable):
    assert s3.get_bucket_versioning(Bucket=lockable)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=lockable)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=lockable, VersioningConfiguration={"Status": "Suspended"})
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=lockable, ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=lockable)["ObjectLockConfiguration"] == configuration


def test_versions_are_kept_until_their_time(own):
    s3 = own.client("s3")
    bucket, day = locked(s3, unique()), until(own, 2)
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=day)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", day)
    with refused("AccessDenied", 403, "object lock"):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=put["VersionId"], BypassGovernanceRetention=True)
    failed, = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": put["VersionId"]}]})["Errors"]
    assert failed["Code"] == "AccessDenied"
    for shorter in ({"Mode": "COMPLIANCE", "RetainUntilDate": day - timedelta(hours=1)},
                    {"Mode": "GOVERNANCE", "RetainUntilDate": day + timedelta(days=9)}, {}):
        with refused("AccessDenied", 403):
            s3.put_object_retention(Bucket=bucket, Key="k", Retention=shorter, BypassGovernanceRetention=True)
    assert s3.delete_object(Bucket=bucket, Key="k")["DeleteMarker"] is True
    own.restart_after_kill()
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=put["VersionId"])
    own.advance(2 * DAY)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=put["VersionId"])
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_governance_is_passed_over_by_those_who_may(server, s3, lockable):
    iam = server.client("iam")
    may = server.client("s3", key=make_user(iam, unique("may"), allow("s3:*")))
    may_not = server.client("s3", key=make_user(
        iam, unique("may-not"), allow("s3:*"), deny("s3:BypassGovernanceRetention")))
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until(server, 5)}
    version = s3.put_object(Bucket=lockable, Key="k", Body=b"x")["VersionId"]
    s3.put_object_retention(Bucket=lockable, Key="k", VersionId=version, Retention=retention)
    assert s3.get_object_retention(Bucket=lockable, Key="k")["Retention"] == retention
    for client, bypass in ((may, False), (may_not, True)):
        with refused("AccessDenied", 403):
            client.delete_object(Bucket=lockable, Key="k", VersionId=version, BypassGovernanceRetention=bypass)
        with refused("AccessDenied", 403):
            client.put_object_retention(Bucket=lockable, Key="k", Retention={}, BypassGovernanceRetention=bypass)
    may.put_object_retention(Bucket=lockable, Key="k", Retention={}, BypassGovernanceRetention=True)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=lockable, Key="k")
    may_not.delete_object(Bucket=lockable, Key="k", VersionId=version)


def test_a_legal_hold_stands_beside_retention(s3, lockable):
    put = s3.put_object(Bucket=lockable, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    assert s3.get_object(Bucket=lockable, Key="k")["ObjectLockLegalHoldStatus"] == "ON"
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=lockable, Key="k", VersionId=put["VersionId"], BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=lockable, Key="k", LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=lockable, Key="k")["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(Bucket=lockable, Key="k", VersionId=put["VersionId"])


def test_default_retention_covers_every_way_of_writing(server, s3, lockable):
    s3.put_object_lock_configuration(Bucket=lockable, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 1}}})
    s3.put_object(Bucket=lockable, Key="put", Body=b"x")
    s3.copy_object(Bucket=lockable, Key="copied", CopySource={"Bucket": lockable, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=lockable, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=lockable, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(Bucket=lockable, Key="parts", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for key in ("put", "copied", "parts"):
        retention = s3.get_object_retention(Bucket=lockable, Key=key)["Retention"]
        assert retention["Mode"] == "GOVERNANCE"
        assert timedelta(days=364) < retention["RetainUntilDate"] - server.now() <= timedelta(days=365)


def test_lifecycle_rules_pass_over_what_is_locked(own):
    s3 = own.client("s3")
    bucket = locked(s3, unique())
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE",
                         ObjectLockRetainUntilDate=until(own, 30))["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "a", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]})
    own.advance(4 * DAY)

    def standing():
        return [version["VersionId"] for version in s3.list_object_versions(Bucket=bucket)["Versions"]]

    eventually(lambda: len(standing()) == 2, "the one that is not locked is gone")
    assert kept in standing()


def test_what_cannot_be_locked_is_refused(s3, bucket, lockable):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("InvalidRequest", 400, "Bucket is missing Object Lock Configuration"):
        s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    with refused("InvalidBucketState", 409):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    for bad in ({"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockLegalHoldStatus": "MAYBE"},
                {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2020-01-01T00:00:00Z"}):
        with refused("InvalidArgument", 400):
            s3.put_object(Bucket=lockable, Key="k", Body=b"x", **bad)
