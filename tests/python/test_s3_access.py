"""The block of public access, ownership, access control lists and the key `aws/s3`, through boto3.

User guide: "Blocking public access to your Amazon S3 storage", "Controlling ownership of objects and disabling ACLs
for your bucket".
"""

import json
import urllib.error
import urllib.request

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import ACCOUNT, REGION, document, refused, status, unique

ALL = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def public(bucket):
    return document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})


def test_a_new_bucket_blocks_public_access(s3, bucket):
    found = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert found == dict.fromkeys(ALL, True)
    with refused("AccessDenied", 403, "BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=public(bucket))
    s3.delete_public_access_block(Bucket=bucket)
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        s3.get_public_access_block(Bucket=bucket)


def test_a_restricted_bucket_lets_in_its_own_account_alone(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={})
    s3.put_bucket_policy(Bucket=bucket, Policy=public(bucket))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    other = server.client("s3", key=("222222222222", "test"))
    assert status(f"{server.endpoint}/{bucket}/k") == 200
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert status(f"{server.endpoint}/{bucket}/k") == 403
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(public(bucket))


def test_nobody_names_a_region(server, name):
    """A request without a signature says none: it reaches a public bucket wherever that is."""
    west = server.client("s3", region="eu-west-1")
    west.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    west.put_object(Bucket=name, Key="k", Body=b"x")
    west.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={})
    assert status(f"{server.endpoint}/{name}/k") == 403
    west.put_bucket_policy(Bucket=name, Policy=public(name))
    assert status(f"{server.endpoint}/{name}/k") == 200


def test_policy_status(s3, bucket):
    with refused("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy_status(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}"}))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False


def test_access_control_lists_are_disabled(s3, bucket):
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    for found in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        grant, = found["Grants"]
        assert grant == {"Grantee": {"ID": found["Owner"]["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
        same = {"Owner": found["Owner"], "Grants": found["Grants"]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=same)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    for call in (lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read"),
                 lambda: s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read"),
                 lambda: s3.put_bucket_acl(Bucket=bucket, GrantRead="uri=http://acs.amazonaws.com/groups/global/AllUsers")):
        with refused("AccessControlListNotSupported", 400, "The bucket does not allow ACLs"):
            call()
    with refused("MissingSecurityHeader", 400):
        s3.put_bucket_acl(Bucket=bucket)


def test_the_key_of_the_service_is_for_its_account(server, s3, bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert put["ServerSideEncryption"] == "aws:kms" and put["BucketKeyEnabled"] is True
    assert put["SSEKMSKeyId"].startswith(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")
    assert upload["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == put["SSEKMSKeyId"]
    plain = s3.put_object(Bucket=bucket, Key="plain", Body=b"x", ServerSideEncryption="AES256")
    assert plain["ServerSideEncryption"] == "AES256" and "SSEKMSKeyId" not in plain
    s3.put_bucket_policy(Bucket=bucket, Policy=document({
        "Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}))
    other = server.client("s3", key=("222222222222", "test"))
    assert other.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"x"
    for call in (lambda: other.get_object(Bucket=bucket, Key="k"), lambda: other.put_object(Bucket=bucket, Key="k", Body=b"y")):
        with refused("AccessDenied", 403, "kms:"):
            call()


def test_a_stack_s_bucket_blocks_what_its_template_says(server, s3):
    cfn, name = server.client("cloudformation"), unique("blocked")

    def template(**properties):
        return json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}}})

    cfn.create_stack(StackName=name, TemplateBody=template(
        PublicAccessBlockConfiguration={"BlockPublicPolicy": "false", "BlockPublicAcls": True},
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    found = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert found == {**dict.fromkeys(ALL, False), "BlockPublicAcls": True}
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def test_a_stack_s_bucket_has_lifecycle_rules(server, s3):
    cfn, name = server.client("cloudformation"), unique("aging")

    def template(**properties):
        return json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}}})

    rules = [{"Id": "a", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": 3},
             {"Id": "b", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
             {"Id": "c", "Status": "Disabled", "ExpirationDate": "2030-01-01T00:00:00Z", "TagFilters": [
                 {"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}]}]
    cfn.create_stack(StackName=name, TemplateBody=template(LifecycleConfiguration={"Rules": rules}))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    one, two, three = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert one == {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    assert two["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert len(three["Filter"]["And"]["Tags"]) == 2 and three["Expiration"]["Date"].year == 2030
    cfn.update_stack(StackName=name, TemplateBody=template())
    cfn.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    with refused("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket=name)
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def test_an_accounts_block_is_refused_by_name(server):
    url = f"{server.endpoint}/v20180820/configuration/publicAccessBlock"
    request = AWSRequest("GET", url, headers={"x-amz-account-id": ACCOUNT})
    S3SigV4Auth(Credentials("test", "test"), "s3", REGION).add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)))
    assert error.value.code == 501 and b"S3 Control" in error.value.read()
