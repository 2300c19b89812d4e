"""Configurations of buckets that Ropeway does not have: a PUT is refused by name, a GET and a DELETE answer as S3 does for
a bucket that has none, and lists are empty.

API reference: the operations' own pages, and the list of error codes, which has `NoSuchConfiguration` (404): "The specified
configuration does not exist." The pages of the DELETEs do not say when it comes; here they answer as the GETs do.

Metadata configurations: the API reference names no error, and the code is the one that Terraform's provider for AWS takes for
"not found", of its GET and its DELETE (`errCodeMetadataConfigurationNotFound` in internal/service/s3/errors.go of
hashicorp/terraform-provider-aws). There is one configuration, whichever generation of operations reads it ("You can use the
V2 GetBucketMetadataConfiguration API operation with V1 or V2 metadata configurations"), so the first answers with the same code;
the message is our own. ABAC: user guide, "Enabling ABAC in general purpose buckets": "By default, ABAC is disabled for all
Amazon S3 general purpose buckets."
"""

import pytest

from support import ACCOUNT, refused

BY_ID = ["analytics", "intelligent_tiering", "inventory", "metrics"]
STRANGER = "999999999999"


def put_by_id(kind):
    inventory = {
        "Id": "i", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::b", "Format": "CSV"}}}
    body = {
        "analytics": {"Id": "i", "StorageClassAnalysis": {}},
        "intelligent_tiering": {"Id": "i", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]},
        "inventory": inventory,
        "metrics": {"Id": "i"}}[kind]
    name = "".join(word.title() for word in kind.split("_")) + "Configuration"
    return f"put_bucket_{kind}_configuration", {"Id": "i", name: body}


MISSING = [
    ("get_bucket_website", {}, "NoSuchWebsiteConfiguration"),
    ("get_bucket_replication", {}, "ReplicationConfigurationNotFoundError"),
    ("get_object_lock_configuration", {}, "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_cors", {}, "NoSuchCORSConfiguration"),
    ("get_bucket_lifecycle_configuration", {}, "NoSuchLifecycleConfiguration"),
    ("get_bucket_tagging", {}, "NoSuchTagSet"),
    ("get_bucket_policy", {}, "NoSuchBucketPolicy"),
    *[(f"{verb}_bucket_metadata{generation}_configuration", {}, "MetadataConfigurationNotFound")
      for verb in ("get", "delete") for generation in ("", "_table")],
    *[(f"{verb}_bucket_{kind}_configuration", {"Id": "i"}, "NoSuchConfiguration")
      for verb in ("get", "delete") for kind in BY_ID]]


@pytest.mark.parametrize("call, arguments, code", MISSING)
def test_what_is_not_configured(s3, bucket, call, arguments, code):
    with refused(code, 404):
        getattr(s3, call)(Bucket=bucket, **arguments)
    with refused("NoSuchBucket", 404):
        getattr(s3, call)(Bucket=bucket + "-other", **arguments)
    # The owner is looked at before what there is.
    with refused("AccessDenied", 403):
        getattr(s3, call)(Bucket=bucket, ExpectedBucketOwner=STRANGER, **arguments)


# What a bucket without a configuration answers with.
EMPTY = [
    ("get_bucket_request_payment", {"Payer": "BucketOwner"}),
    ("get_bucket_logging", {}),
    ("get_bucket_accelerate_configuration", {}),
    ("get_bucket_abac", {"AbacStatus": {"Status": "Disabled"}}),
    ("get_bucket_versioning", {}),
    ("get_bucket_notification_configuration", {}),
    *[(f"list_bucket_{kind}_configurations", {"IsTruncated": False}) for kind in BY_ID],
    # Deletes of what there is at most one of are fine where there is none.
    *[(f"delete_bucket_{kind}", {})
      for kind in ("website", "replication", "cors", "lifecycle", "tagging", "policy", "encryption", "ownership_controls")],
    ("delete_public_access_block", {})]


@pytest.mark.parametrize("call, answer", EMPTY)
def test_answers_of_what_is_not_configured(s3, bucket, call, answer):
    found = getattr(s3, call)(Bucket=bucket, ExpectedBucketOwner=ACCOUNT)
    assert {key: value for key, value in found.items() if key != "ResponseMetadata"} == answer
    with refused("NoSuchBucket", 404):
        getattr(s3, call)(Bucket=bucket + "-other")
    with refused("AccessDenied", 403):
        getattr(s3, call)(Bucket=bucket, ExpectedBucketOwner=STRANGER)


REFUSED = [
    ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}}),
    ("put_bucket_replication", {"ReplicationConfiguration": {"Role": "r", "Rules": [
        {"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::b"}}]}}),
    ("create_bucket_metadata_table_configuration", {"MetadataTableConfiguration": {"S3TablesDestination": {
        "TableBucketArn": "arn:aws:s3tables:us-east-1:000000000000:bucket/b", "TableName": "t"}}}),
    ("create_bucket_metadata_configuration", {"MetadataConfiguration": {
        "JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}}}),
    ("update_bucket_metadata_inventory_table_configuration", {
        "InventoryTableConfiguration": {"ConfigurationState": "DISABLED"}}),
    ("update_bucket_metadata_journal_table_configuration", {
        "JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}}),
    ("put_bucket_abac", {"AbacStatus": {"Status": "Enabled"}}),
    *[put_by_id(kind) for kind in BY_ID]]


@pytest.mark.parametrize("call, arguments", REFUSED)
def test_configurations_that_are_refused_by_name(s3, bucket, call, arguments):
    operation = "".join(word.title() for word in call.split("_"))
    with refused("NotImplemented", 501, operation):
        getattr(s3, call)(Bucket=bucket, **arguments)


@pytest.mark.parametrize("call, arguments", [
    ("select_object_content", {"Expression": "select 1", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}},
                               "OutputSerialization": {"CSV": {}}}),
    ("restore_object", {"RestoreRequest": {"Days": 1}}),
    ("get_object_torrent", {})])
def test_operations_on_objects_that_are_refused_by_name(s3, bucket, call, arguments):
    operation = "".join(word.title() for word in call.split("_"))
    with refused("NotImplemented", 501, operation):
        getattr(s3, call)(Bucket=bucket, Key="k", **arguments)
