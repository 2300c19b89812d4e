"""What answers say of lifecycle rules: `x-amz-expiration`, `x-amz-abort-date` and `x-amz-abort-rule-id`.

API reference: the headers of `PutObject`, `GetObject`, `HeadObject`, `CopyObject`, `CompleteMultipartUpload`,
`CreateMultipartUpload`, `ListParts`. User guide, "Managing the lifecycle of objects": days are rounded up to the next
midnight (UTC).
"""

import urllib.request
from datetime import timedelta

import pytest

from support import eventually, unique

FORMAT = "%a, %d %b %Y 00:00:00 GMT"


def in_days(server, days):
    """The midnight so many days from now, rounded up."""
    now = server.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days + (now != midnight))


def shown(server, days, rule):
    return f'expiry-date="{in_days(server, days).strftime(FORMAT)}", rule-id="{rule}"'


def set_rules(s3, bucket, *rules):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={
        "Rules": [{"Status": "Enabled", **rule} for rule in rules]})


@pytest.fixture
def expiring(own):
    """A server at noon, for no test to pass midnight, and a bucket whose `logs/` expire."""
    now = own.now()
    own.advance((timedelta(hours=36) - timedelta(hours=now.hour, minutes=now.minute)).seconds)
    s3, bucket = own.client("s3"), unique()
    s3.create_bucket(Bucket=bucket)
    set_rules(s3, bucket,
              {"ID": "later", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
              {"ID": "soon & ü", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}},
              {"ID": "off", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}, "Status": "Disabled"},
              {"ID": "big", "Filter": {"ObjectSizeGreaterThan": 100}, "Expiration": {"Days": 2}},
              {"ID": "tagged", "Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Expiration": {"Days": 1}},
              {"ID": "abort", "Filter": {"Prefix": "up/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
              {"ID": "abort-soon", "Filter": {"Prefix": "up/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}})
    return own, s3, bucket


def test_the_first_rule_to_come_into_effect_is_shown(expiring):
    server, s3, bucket = expiring
    soon = shown(server, 3, "soon%20%26%20%C3%BC")
    assert s3.put_object(Bucket=bucket, Key="logs/1", Body=b"x")["Expiration"] == soon
    assert s3.get_object(Bucket=bucket, Key="logs/1")["Expiration"] == soon
    assert s3.head_object(Bucket=bucket, Key="logs/1")["Expiration"] == soon
    copied = s3.copy_object(Bucket=bucket, Key="logs/2", CopySource={"Bucket": bucket, "Key": "logs/1"})
    assert copied["Expiration"] == soon
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 101)["Expiration"] == shown(server, 2, "big")
    assert s3.put_object(Bucket=bucket, Key="t", Body=b"x", Tagging="a=b")["Expiration"] == shown(server, 1, "tagged")
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="other")
    s3.put_object_tagging(Bucket=bucket, Key="other", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.head_object(Bucket=bucket, Key="other")["Expiration"] == shown(server, 1, "tagged")


def test_what_is_shown_is_what_happens(expiring):
    server, s3, bucket = expiring
    s3.put_object(Bucket=bucket, Key="logs/1", Body=b"x")
    server.advance((in_days(server, 3) - server.now()).total_seconds() - 60)
    assert s3.get_object(Bucket=bucket, Key="logs/1")["Body"].read() == b"x"
    server.advance(120)
    eventually(lambda: "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="logs/"), "the expiry")


def test_uploads_say_when_they_are_aborted(expiring):
    server, s3, bucket = expiring
    begun = s3.create_multipart_upload(Bucket=bucket, Key="up/1")
    listed = s3.list_parts(Bucket=bucket, Key="up/1", UploadId=begun["UploadId"])
    for found in (begun, listed):
        assert (found["AbortDate"], found["AbortRuleId"]) == (in_days(server, 2), "abort-soon")
    part = s3.upload_part(Bucket=bucket, Key="up/1", UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * 200)
    done = s3.complete_multipart_upload(Bucket=bucket, Key="up/1", UploadId=begun["UploadId"],
                                        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert done["Expiration"] == shown(server, 2, "big")
    other = s3.create_multipart_upload(Bucket=bucket, Key="down/1")
    assert "AbortDate" not in other and "AbortRuleId" not in other


def test_rules_are_known_after_a_restart_and_forgotten(expiring):
    server, s3, bucket = expiring
    server.restart_after_kill()
    s3.put_object(Bucket=bucket, Key="logs/1", Body=b"x")
    assert "Expiration" in s3.head_object(Bucket=bucket, Key="logs/1")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="logs/1")
    set_rules(s3, bucket, {"ID": "date", "Filter": {"Prefix": ""}, "Expiration": {"Date": "2100-01-01T00:00:00Z"}})
    assert s3.head_object(Bucket=bucket, Key="logs/1")["Expiration"] == 'expiry-date="Fri, 01 Jan 2100 00:00:00 GMT", rule-id="date"'
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="v", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="v", Body=b"2")
    # The rule is about current versions.
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="v", VersionId=old)


def test_a_form_says_it_too(expiring):
    server, s3, bucket = expiring
    form = s3.generate_presigned_post(bucket, "logs/form")
    parts = [*form["fields"].items(), ("file", "x")]
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts) + "--b--\r\n"
    request = urllib.request.Request(form["url"], body.encode(), {"Content-Type": "multipart/form-data; boundary=b"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["x-amz-expiration"] == shown(server, 3, "soon%20%26%20%C3%BC")
