"""`AWS::S3::Bucket`, property by property: made, changed, and removed from its template again.

CloudFormation template reference, `AWS::S3::Bucket`: properties, their updates (no interruption, but for `BucketName`) and
return values. What a template says nothing of any more is as if nobody had set it, except for versions, which can be
suspended only (S3 user guide, "How S3 Versioning works"), and locks, which stay ("Object Lock considerations").
"""

import json

import pytest

from support import REGION, eventually, refused, unique

NOTHING = object()


@pytest.fixture
def stack(server):
    """Brings a stack of one bucket to what these properties say; gives its state."""
    cfn = server.client("cloudformation")
    made = set()

    def bring(name, properties, outputs=()):
        template = json.dumps({
            "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}},
            "Outputs": {key: {"Value": {"Fn::GetAtt": ["B", key]}} for key in outputs}})
        done = "update" if name in made else "create"
        getattr(cfn, f"{done}_stack")(StackName=name, TemplateBody=template)
        made.add(name)
        cfn.get_waiter(f"stack_{done}_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        return cfn.describe_stacks(StackName=name)["Stacks"][0]

    yield bring
    for name in made:
        cfn.delete_stack(StackName=name)
        cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def read(s3, bucket, call, member=None):
    """What an operation answers, or the code of its error."""
    try:
        found = getattr(s3, call)(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    found.pop("ResponseMetadata")
    return found.get(member, NOTHING) if member else found


def rule(algorithm, bucket_key=False, blocked="SSE-C"):
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, "BucketKeyEnabled": bucket_key,
                       "BlockedEncryptionTypes": {"EncryptionType": [blocked]}}]}


def encryption(algorithm, **more):
    return {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, **more}]}


def block(**chosen):
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {name: chosen.get(name, False) for name in names}


def cors(method, **more):
    return {"CorsRules": [{"AllowedMethods": [method], "AllowedOrigins": ["*"], **more}]}


def expiry(days):
    return {"Rules": [{"Id": "one", "Status": "Enabled", "Prefix": "a/", "ExpirationInDays": days}]}


def expires(days):
    return [{"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": days}}]


def owned(name):
    return {"Rules": [{"ObjectOwnership": name}]}


# The property; two values with what the API shows of them; the operation and its member that show it; what they show once
# the property is removed.
PROPERTIES = [
    ("BucketEncryption", [
        (encryption("aws:kms", BucketKeyEnabled=True), rule("aws:kms", True)),
        (encryption("AES256", BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]}), rule("AES256"))],
     "get_bucket_encryption", "ServerSideEncryptionConfiguration", rule("AES256")),
    ("CorsConfiguration", [
        (cors("GET"), [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]),
        (cors("PUT", MaxAge=3), [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 3}])],
     "get_bucket_cors", "CORSRules", "NoSuchCORSConfiguration"),
    ("LifecycleConfiguration", [(expiry(3), expires(3)), (expiry(4), expires(4))],
     "get_bucket_lifecycle_configuration", "Rules", "NoSuchLifecycleConfiguration"),
    ("LoggingConfiguration", [
        ({"LogFilePrefix": "a/"}, {"TargetBucket": "{bucket}", "TargetPrefix": "a/"}),
        ({"LogFilePrefix": "b/"}, {"TargetBucket": "{bucket}", "TargetPrefix": "b/"})],
     "get_bucket_logging", "LoggingEnabled", NOTHING),
    ("OwnershipControls", [(owned("ObjectWriter"), owned("ObjectWriter")), (owned("BucketOwnerPreferred"), owned("BucketOwnerPreferred"))],
     "get_bucket_ownership_controls", "OwnershipControls", "OwnershipControlsNotFoundError"),
    ("PublicAccessBlockConfiguration", [
        ({"BlockPublicAcls": True}, block(BlockPublicAcls=True)),
        ({"BlockPublicPolicy": True, "RestrictPublicBuckets": False}, block(BlockPublicPolicy=True))],
     "get_public_access_block", "PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"),
    ("Tags", [
        ([{"Key": "a", "Value": "1"}], {"a": "1"}), ([{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}], {"a": "2", "b": ""})],
     "get_bucket_tagging", "TagSet", "NoSuchTagSet"),
    ("VersioningConfiguration", [({"Status": "Enabled"}, "Enabled"), ({"Status": "Suspended"}, "Suspended")],
     "get_bucket_versioning", "Status", "Suspended"),
    ("WebsiteConfiguration", [
        ({"IndexDocument": "i"}, {"IndexDocument": {"Suffix": "i"}}),
        ({"RedirectAllRequestsTo": {"HostName": "h"}}, {"RedirectAllRequestsTo": {"HostName": "h"}})],
     "get_bucket_website", None, "NoSuchWebsiteConfiguration")]


@pytest.mark.parametrize("name, values, call, member, removed", PROPERTIES, ids=[row[0] for row in PROPERTIES])
def test_a_property_is_set_changed_and_removed(s3, stack, name, values, call, member, removed):
    bucket = unique("stacked")

    def shown():
        found = read(s3, bucket, call, member)
        if name == "Tags" and isinstance(found, list):
            own = {tag["Key"]: tag["Value"] for tag in found if not tag["Key"].startswith("aws:")}
            return own or removed
        return found

    def expected(value):
        text = json.dumps(value) if value is not NOTHING else None
        return json.loads(text.replace("{bucket}", bucket)) if text else value

    for given, wanted in values:
        stack(bucket, {name: given})
        assert shown() == expected(wanted)
    stack(bucket, {})
    assert shown() == expected(removed)
    # And to a bucket that was made without it.
    given, wanted = values[1]
    stack(bucket, {name: given})
    assert shown() == expected(wanted)


def grants(s3, bucket):
    return len(s3.get_bucket_acl(Bucket=bucket)["Grants"])


def test_access_control_needs_and_follows_ownership(s3, stack):
    bucket = unique("stacked")
    lists = {"OwnershipControls": owned("ObjectWriter"), "PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}}
    stack(bucket, {**lists, "AccessControl": "PublicRead"})
    assert grants(s3, bucket) == 2
    stack(bucket, {**lists, "AccessControl": "PublicReadWrite"})
    assert grants(s3, bucket) == 3
    # The list goes first, or there could be no owner of everything.
    stack(bucket, {"OwnershipControls": owned("BucketOwnerEnforced")})
    assert grants(s3, bucket) == 1
    stack(bucket, {**lists, "AccessControl": "PublicRead"})
    assert grants(s3, bucket) == 2
    stack(bucket, lists)
    assert grants(s3, bucket) == 1


def locked(**retention):
    return {"ObjectLockEnabled": "Enabled", **({"Rule": {"DefaultRetention": retention}} if retention else {})}


def test_locks(server, s3, stack):
    bucket = unique("stacked")
    lock = ("get_object_lock_configuration", "ObjectLockConfiguration")
    stack(bucket, {"ObjectLockEnabled": True, "ObjectLockConfiguration": locked(Mode="GOVERNANCE", Days=3)})
    assert read(s3, bucket, *lock) == locked(Mode="GOVERNANCE", Days=3)
    assert read(s3, bucket, "get_bucket_versioning", "Status") == "Enabled"
    stack(bucket, {"ObjectLockEnabled": True, "ObjectLockConfiguration": locked(Mode="COMPLIANCE", Years=1)})
    assert read(s3, bucket, *lock) == locked(Mode="COMPLIANCE", Years=1)
    stack(bucket, {"ObjectLockEnabled": "true", "VersioningConfiguration": {"Status": "Enabled"}})
    assert read(s3, bucket, *lock) == locked()
    stack(bucket, {"ObjectLockEnabled": True})
    assert read(s3, bucket, "get_bucket_versioning", "Status") == "Enabled"
    cfn = server.client("cloudformation")
    cfn.update_stack(StackName=bucket, TemplateBody=json.dumps({
        "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}}}}))
    eventually(lambda: cfn.describe_stacks(StackName=bucket)["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE")
    reasons = [event.get("ResourceStatusReason", "") for event in cfn.describe_stack_events(StackName=bucket)["StackEvents"]]
    assert any("Object Lock cannot be disabled" in reason for reason in reasons)
    assert read(s3, bucket, *lock) == locked()


def test_locks_come_to_a_bucket_that_is_there(s3, stack):
    bucket = unique("stacked")
    stack(bucket, {})
    assert read(s3, bucket, "get_object_lock_configuration") == "ObjectLockConfigurationNotFoundError"
    stack(bucket, {"VersioningConfiguration": {"Status": "Enabled"}, "ObjectLockEnabled": True})
    assert read(s3, bucket, "get_object_lock_configuration", "ObjectLockConfiguration") == locked()


def test_notifications_come_and_go(server, s3, sqs, queue, stack):
    bucket = unique("stacked")
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    call = "get_bucket_notification_configuration"
    for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*"):
        stack(bucket, {"NotificationConfiguration": {"QueueConfigurations": [{"Event": event, "Queue": arn}]}})
        found, = read(s3, bucket, call, "QueueConfigurations")
        assert (found["QueueArn"], found["Events"]) == (arn, [event])
    stack(bucket, {})
    assert read(s3, bucket, call) == {}


def test_return_values(stack):
    bucket = unique("stacked")
    values = {
        "Arn": f"arn:aws:s3:::{bucket}", "DomainName": f"{bucket}.s3.amazonaws.com",
        "DualStackDomainName": f"{bucket}.s3.dualstack.{REGION}.amazonaws.com",
        "RegionalDomainName": f"{bucket}.s3.{REGION}.amazonaws.com",
        "WebsiteURL": f"http://{bucket}.s3-website-{REGION}.amazonaws.com"}
    outputs = stack(bucket, {}, values)["Outputs"]
    assert {output["OutputKey"]: output["OutputValue"] for output in outputs} == values


@pytest.mark.parametrize("name, value", [
    ("AbacStatus", "Enabled"), ("AccelerateConfiguration", {"AccelerationStatus": "Enabled"}), ("AnalyticsConfigurations", []),
    ("IntelligentTieringConfigurations", []), ("InventoryConfigurations", []), ("MetadataTableConfiguration", {}),
    ("MetricsConfigurations", [{"Id": "m"}]), ("ReplicationConfiguration", {"Role": "r", "Rules": []})])
def test_the_rest_is_refused_by_name(server, name, value):
    stack = unique("stacked")
    with refused("ValidationError", 400, name):
        server.client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps({
            "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": stack, name: value}}}}))


@pytest.mark.parametrize("value, named", [
    ({"BucketEncryption": encryption("aws:kms") | {"ServerSideEncryptionConfiguration": [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}]}}, "KMSMasterKeyID"),
    ({"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}}, "EventBridgeConfiguration"),
    ({"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Transitions": []}]}}, "Transitions")])
def test_what_is_refused_within_properties(server, value, named):
    stack = unique("stacked")
    with refused("ValidationError", 400, named):
        server.client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps({
            "Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": stack, **value}}}}))
