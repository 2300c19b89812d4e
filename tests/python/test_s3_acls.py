"""Access control lists where ownership allows them, through boto3.

User guide: "Access control list (ACL) overview", "Controlling ownership of objects and disabling ACLs for your
bucket", "How Amazon S3 authorizes a request for an object operation".
"""

import json

import pytest

from support import Server, allow, deny, document, make_user, refused, status, unique

OTHER = ("222222222222", "test")
EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
SIGNED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


@pytest.fixture
def listed(s3, name):
    """A bucket whose objects are their writers', and which may be public."""
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    return name


@pytest.fixture
def other(server):
    """Another account."""
    return server.client("s3", key=OTHER)


@pytest.fixture
def other_id(other):
    return other.list_buckets()["Owner"]["ID"]


def test_everyone_reads_what_is_public(server, s3, listed):
    url = f"{server.endpoint}/{listed}/k"
    s3.put_object(Bucket=listed, Key="k", Body=b"x")
    assert status(url) == 403
    s3.put_object_acl(Bucket=listed, Key="k", ACL="public-read")
    assert status(url) == 200
    assert status(f"{url}?acl") == 403
    found = s3.get_object_acl(Bucket=listed, Key="k")
    assert [grant["Permission"] for grant in found["Grants"]] == ["FULL_CONTROL", "READ"]
    assert found["Grants"][1]["Grantee"] == {"Type": "Group", "URI": EVERYONE}
    s3.put_public_access_block(Bucket=listed, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert status(url) == 403
    s3.put_public_access_block(Bucket=listed, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert status(url) == 200
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=listed, Key="l", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=listed, Key="k", Body=b"y")
    assert status(url) == 403


def test_an_account_reads_what_it_is_granted(server, s3, listed, other, other_id):
    s3.put_object(Bucket=listed, Key="k", Body=b"x", GrantRead=f"id={other_id}")
    assert other.get_object(Bucket=listed, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        other.get_object_acl(Bucket=listed, Key="k")
    with refused("AccessDenied", 403):
        other.delete_object(Bucket=listed, Key="k")
    # Its users still need what their own account gives them.
    iam = server.client("iam", key=OTHER)
    may = server.client("s3", key=make_user(iam, unique("may"), allow("s3:GetObject")))
    may_not = server.client("s3", key=make_user(iam, unique("may-not")))
    assert may.get_object(Bucket=listed, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        may_not.get_object(Bucket=listed, Key="k")
    # A denial of the bucket's policy stands above.
    s3.put_bucket_policy(Bucket=listed, Policy=document({
        **deny("s3:GetObject", f"arn:aws:s3:::{listed}/*"), "Principal": {"AWS": OTHER[0]}}))
    with refused("AccessDenied", 403):
        other.get_object(Bucket=listed, Key="k")


def test_a_bucket_s_list(server, s3, listed, other, other_id):
    with refused("AccessDenied", 403):
        other.list_objects_v2(Bucket=listed)
    s3.put_bucket_acl(Bucket=listed, GrantRead=f"id={other_id}", GrantWrite=f"id={other_id}")
    assert other.list_objects_v2(Bucket=listed)["KeyCount"] == 0
    other.put_object(Bucket=listed, Key="theirs", Body=b"x")
    assert status(f"{server.endpoint}/{listed}") == 403
    s3.put_bucket_acl(Bucket=listed, GrantRead=f'uri="{SIGNED}"')
    assert status(f"{server.endpoint}/{listed}") == 403
    assert other.list_objects_v2(Bucket=listed)["KeyCount"] == 1
    s3.put_bucket_acl(Bucket=listed, ACL="public-read")
    assert status(f"{server.endpoint}/{listed}") == 200
    s3.put_bucket_acl(Bucket=listed, ACL="private")
    assert status(f"{server.endpoint}/{listed}") == 403


def test_writers_own_what_they_write(s3, listed, other, other_id):
    s3.put_bucket_acl(Bucket=listed, GrantWrite=f"id={other_id}")
    other.put_object(Bucket=listed, Key="theirs", Body=b"x")
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=listed, Key="theirs")
    assert other.get_object(Bucket=listed, Key="theirs")["Body"].read() == b"x"
    contents = s3.list_objects_v2(Bucket=listed, FetchOwner=True)["Contents"]
    assert [entry["Owner"]["ID"] for entry in contents] == [other_id]
    other.put_object_acl(Bucket=listed, Key="theirs", ACL="bucket-owner-read")
    assert s3.get_object(Bucket=listed, Key="theirs")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        s3.put_object_acl(Bucket=listed, Key="theirs", ACL="private")
    s3.put_bucket_ownership_controls(Bucket=listed, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    other.put_object(Bucket=listed, Key="given", Body=b"x", ACL="bucket-owner-full-control")
    s3.put_object_acl(Bucket=listed, Key="given", ACL="private")
    with refused("AccessDenied", 403):
        other.get_object(Bucket=listed, Key="given")


def test_ownership_turns_lists_off_and_on(server, s3, listed):
    s3.put_object(Bucket=listed, Key="k", Body=b"x", ACL="public-read")
    s3.put_bucket_acl(Bucket=listed, ACL="public-read")

    def own(ownership):
        s3.put_bucket_ownership_controls(Bucket=listed, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})

    with refused("InvalidBucketAclWithObjectOwnership", 400):
        own("BucketOwnerEnforced")
    s3.put_bucket_acl(Bucket=listed, ACL="private")
    own("BucketOwnerEnforced")
    assert status(f"{server.endpoint}/{listed}/k") == 403
    assert len(s3.get_object_acl(Bucket=listed, Key="k")["Grants"]) == 1
    own("ObjectWriter")
    assert status(f"{server.endpoint}/{listed}/k") == 200
    s3.delete_bucket_ownership_controls(Bucket=listed)
    with refused("OwnershipControlsNotFoundError", 404):
        s3.get_bucket_ownership_controls(Bucket=listed)
    assert status(f"{server.endpoint}/{listed}/k") == 200


def test_lists_outlive_a_restart(own):
    s3, bucket = own.client("s3"), unique()
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    own.restart_after_kill()
    assert status(f"{own.endpoint}/{bucket}") == 200
    assert status(f"{own.endpoint}/{bucket}/k") == 200


def test_classic_buckets(tmp_path):
    server = Server(tmp_path / "data", "--s3-classic-buckets")
    try:
        s3, bucket = server.client("s3"), unique()
        s3.create_bucket(Bucket=bucket, ACL="public-read")
        for call, code in ((s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
                           (s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError")):
            with refused(code, 404):
                call(Bucket=bucket)
        assert status(f"{server.endpoint}/{bucket}") == 200
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
        assert status(f"{server.endpoint}/{bucket}/k") == 200
        stack, name = server.client("cloudformation"), unique("classic")
        stack.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"B": {
            "Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, "AccessControl": "PublicRead"}}}}))
        stack.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        assert status(f"{server.endpoint}/{name}") == 200
    finally:
        server.kill()


def test_a_stack_s_list_needs_ownership_and_no_block(server, s3):
    cfn, name = server.client("cloudformation"), unique("listed")
    cfn.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"B": {
        "Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": name, "AccessControl": "PublicRead",
            "PublicAccessBlockConfiguration": {"BlockPublicPolicy": True},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}}}}}))
    cfn.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 2
    cfn.delete_stack(StackName=name)
    cfn.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
