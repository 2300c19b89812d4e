"""IAM and STS through boto3: users, keys, roles and policies, and that they decide every call."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from support import (ACCOUNT, REGION, Server, allow, counts, deny, document, make_user, queue_arn, receive, refused, trust,
                     unique)

ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}"


def who(server, key):
    return server.client("sts", key=key).get_caller_identity()


def assume(server, key, role, session="session", **more):
    given = server.client("sts", key=key).assume_role(RoleArn=role, RoleSessionName=session, **more)["Credentials"]
    return (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]), given


# ---- who ----------------------------------------------------------------------------------------------


def test_the_development_keys_are_roots(server):
    assert who(server, ("test", "test"))["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    other = who(server, ("123456789012", "test"))
    assert (other["Account"], other["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:root")


def test_without_dev_only_the_printed_credentials_are_good(strict):
    assert who(strict, strict.key)["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    for key in (("test", "test"), ("123456789012", "test")):
        with refused("InvalidClientTokenId", 403):
            who(strict, key)
    with refused("SignatureDoesNotMatch", 403):
        who(strict, (strict.key[0], "wrong"))
    before = dict(strict.exports)
    strict.exports.pop("AWS_SECRET_ACCESS_KEY")
    strict.restart_after_kill()
    assert "AWS_SECRET_ACCESS_KEY" not in strict.exports, "the secret is shown once"
    assert who(strict, (before["AWS_ACCESS_KEY_ID"], before["AWS_SECRET_ACCESS_KEY"]))["Account"] == ACCOUNT


def test_another_default_account(tmp_path):
    server = Server(tmp_path / "data", "--account", "424242424242")
    try:
        assert who(server, ("test", "test"))["Account"] == "424242424242"
        url = server.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        assert url.endswith("/424242424242/q")
    finally:
        server.kill()


# ---- users --------------------------------------------------------------------------------------------


def test_users(server, iam, name):
    made = iam.create_user(UserName=name, Path="/staff/", Tags=[{"Key": "a", "Value": "b"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/staff/{name}"
    assert made["UserId"].startswith("AIDA") and made["Path"] == "/staff/"
    assert iam.get_user(UserName=name)["User"]["Tags"] == [{"Key": "a", "Value": "b"}]
    assert [u["UserName"] for u in iam.list_users(PathPrefix="/staff/")["Users"] if u["UserName"] == name]
    with refused("EntityAlreadyExists", 409):
        iam.create_user(UserName=name.upper())  # names are one, whatever their case
    iam.update_user(UserName=name, NewUserName=f"{name}-new")
    with refused("NoSuchEntity", 404):
        iam.get_user(UserName=name)
    iam.create_access_key(UserName=f"{name}-new")
    with refused("DeleteConflict", 409):
        iam.delete_user(UserName=f"{name}-new")
    key, = iam.list_access_keys(UserName=f"{name}-new")["AccessKeyMetadata"]
    iam.delete_access_key(UserName=f"{name}-new", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=f"{name}-new")


def test_access_keys(server, iam, name):
    iam.create_user(UserName=name)
    first = iam.create_access_key(UserName=name)["AccessKey"]
    assert first["AccessKeyId"].startswith("AKIA") and len(first["SecretAccessKey"]) == 40
    key = (first["AccessKeyId"], first["SecretAccessKey"])
    assert who(server, key)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    with refused("SignatureDoesNotMatch", 403):
        who(server, (key[0], "x" * 40))
    iam.create_access_key(UserName=name)
    with refused("LimitExceeded", 409):
        iam.create_access_key(UserName=name)
    iam.update_access_key(UserName=name, AccessKeyId=key[0], Status="Inactive")
    with refused("InvalidClientTokenId", 403):
        who(server, key)
    iam.update_access_key(UserName=name, AccessKeyId=key[0], Status="Active")
    assert who(server, key)
    iam.delete_access_key(UserName=name, AccessKeyId=key[0])
    with refused("InvalidClientTokenId", 403):
        who(server, key)


def test_users_come_in_pages(own):
    iam = own.client("iam")
    names = sorted(iam.create_user(UserName=f"u{n:03}")["User"]["UserName"] for n in range(25))
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 10}))
    assert [len(page["Users"]) for page in pages] == [10, 10, 5]
    assert [u["UserName"] for page in pages for u in page["Users"]] == names


@pytest.mark.parametrize("bad", ["a b", "a" * 65, "ü", "a/b"])
def test_bad_user_names(iam, bad):
    with refused("ValidationError", 400):
        iam.create_user(UserName=bad)


# ---- policies decide -----------------------------------------------------------------------------------


def test_nothing_is_allowed_until_a_policy_allows_it(server, iam, sqs, queue, name):
    key = make_user(iam, name)
    mine = server.client("sqs", key=key)
    with refused("AccessDenied", 403, f"arn:aws:iam::{ACCOUNT}:user/{name}"):
        mine.send_message(QueueUrl=queue, MessageBody="x")
    iam.put_user_policy(UserName=name, PolicyName="send", PolicyDocument=document(
        allow("sqs:SendMessage", queue_arn(sqs, queue))))
    mine.send_message(QueueUrl=queue, MessageBody="x")
    with refused("AccessDenied", 403):
        mine.receive_message(QueueUrl=queue)
    with refused("AccessDenied", 403):
        mine.create_queue(QueueName=unique())
    iam.put_user_policy(UserName=name, PolicyName="no", PolicyDocument=document(deny("sqs:Send*")))
    with refused("AccessDenied", 403, "explicit deny"):
        mine.send_message(QueueUrl=queue, MessageBody="x")
    iam.delete_user_policy(UserName=name, PolicyName="no")
    mine.send_message(QueueUrl=queue, MessageBody="x")
    assert counts(sqs, queue) == (2, 0, 0)


@pytest.mark.parametrize("service, call, arguments, code", [
    ("sns", "create_topic", {"Name": "t"}, "AuthorizationError"),
    ("s3", "create_bucket", {"Bucket": "some-bucket"}, "AccessDenied"),
    ("s3", "list_buckets", {}, "AccessDenied"),
    ("sqs", "list_queues", {}, "AccessDenied"),
    ("iam", "create_user", {"UserName": "u"}, "AccessDenied"),
    ("firehose", "list_delivery_streams", {}, "AccessDeniedException"),
    ("cloudformation", "list_stacks", {}, "AccessDenied")])
def test_every_service_asks(server, iam, name, service, call, arguments, code):
    client = server.client(service, key=make_user(iam, name))
    with refused(code):
        getattr(client, call)(**arguments)


def test_managed_policies_versions_groups_and_boundaries(server, iam, sqs, queue, name):
    key = make_user(iam, name)
    mine = server.client("sqs", key=key)

    def may():
        try:
            return bool(mine.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"]))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            return False

    policy = iam.create_policy(PolicyName=name, PolicyDocument=document(allow("sqs:*")))["Policy"]
    assert policy["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/{name}" and policy["DefaultVersionId"] == "v1"
    assert not may()
    iam.create_group(GroupName=name)
    iam.attach_group_policy(GroupName=name, PolicyArn=policy["Arn"])
    iam.add_user_to_group(GroupName=name, UserName=name)
    assert may()
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document(allow("sns:*")), SetAsDefault=True)
    assert not may()
    iam.set_default_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
    assert may()
    edge = iam.create_policy(PolicyName=f"{name}-edge", PolicyDocument=document(allow("sqs:SendMessage")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=edge)
    assert not may()
    mine.send_message(QueueUrl=queue, MessageBody="within the boundary")
    iam.delete_user_permissions_boundary(UserName=name)
    assert may()
    with refused("DeleteConflict", 409):
        iam.delete_policy(PolicyArn=policy["Arn"])
    iam.remove_user_from_group(GroupName=name, UserName=name)
    assert not may()


@pytest.mark.parametrize("bad, code", [
    ("no json", "MalformedPolicyDocument"), ("{}", "MalformedPolicyDocument"),
    (document({"Effect": "Maybe", "Action": "*", "Resource": "*"}), "MalformedPolicyDocument"),
    (document({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}), "MalformedPolicyDocument"),
    (document({"Effect": "Allow", "Action": "*"}), "MalformedPolicyDocument"),
    (document(allow("*", Condition={"Resembles": {"a": "b"}})), "MalformedPolicyDocument"),
    (document(allow("sqs:" + "a" * 2100)), "LimitExceeded")])
def test_bad_policies(iam, name, bad, code):
    iam.create_user(UserName=name)
    with refused(code):
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=bad)
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == []


def test_variables_and_conditions(server, iam, sqs, name):
    iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "blue"}])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(
        allow("sqs:*", f"{ARN}:${{aws:username}}-*"),
        allow("sqs:*", f"{ARN}:team-*-{name}", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}}),
        allow("sqs:*", f"{ARN}:red-{name}", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
        allow("sqs:*", f"{ARN}:away-{name}", Condition={"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        allow("sqs:*", f"{ARN}:safe-{name}", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        allow("sqs:*", f"{ARN}:soon-{name}", Condition={"DateGreaterThan": {"aws:CurrentTime": "2200-01-01T00:00:00Z"}})))
    mine = server.client("sqs", key=(key["AccessKeyId"], key["SecretAccessKey"]))
    for good in (f"{name}-own", f"team-x-{name}"):
        mine.create_queue(QueueName=good)
    for bad in (f"x{name}-own", f"red-{name}", f"away-{name}", f"safe-{name}", f"soon-{name}"):
        with refused("AccessDenied", 403):
            mine.create_queue(QueueName=bad)


def test_s3_prefixes_by_condition(server, iam, s3, bucket, name):
    for key in ("mine/a", "theirs/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    user = server.client("s3", key=make_user(
        iam, name, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition={"StringLike": {"s3:prefix": "mine/*"}}),
        allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/mine/*")))
    assert len(user.list_objects_v2(Bucket=bucket, Prefix="mine/")["Contents"]) == 1
    for arguments in ({}, {"Prefix": "theirs/"}):
        with refused("AccessDenied", 403):
            user.list_objects_v2(Bucket=bucket, **arguments)
    assert user.get_object(Bucket=bucket, Key="mine/a")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        user.copy_object(Bucket=bucket, Key="mine/b", CopySource={"Bucket": bucket, "Key": "theirs/a"})
    answer = user.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "mine/a"}]})
    assert [e["Code"] for e in answer["Errors"]] == ["AccessDenied"]
    # Without the right to list, what is not there is not told from what is hidden.
    with refused("AccessDenied", 403):
        user.get_object(Bucket=bucket, Key="theirs/none")


def test_a_policy_changes_for_calls_that_are_under_way(server, iam, sqs, name):
    """Whatever a change allows or forbids holds from its answer on, in every thread of the server."""
    key = make_user(iam, name)
    clients = [server.client("sqs", key=key) for _ in range(4)]
    for round in range(5):
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(allow("sqs:ListQueues")))
        for client in clients:
            client.list_queues()
        iam.delete_user_policy(UserName=name, PolicyName="p")
        for client in clients:
            with refused("AccessDenied", 403):
                client.list_queues()


# ---- roles --------------------------------------------------------------------------------------------


def test_a_role_is_assumed(server, iam, sqs, queue, name):
    key = make_user(iam, name)
    user_arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=user_arn))["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}" and role["RoleId"].startswith("AROA")
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("sqs:*")))
    session, given = assume(server, key, role["Arn"], "sess", DurationSeconds=900)
    assert given["AccessKeyId"].startswith("ASIA")
    left = given["Expiration"] - datetime.now(timezone.utc)
    assert timedelta(seconds=800) < left <= timedelta(seconds=901)
    me = who(server, session)
    assert me["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/sess"
    assert me["UserId"] == f"{role['RoleId']}:sess"
    mine = server.client("sqs", key=session)
    mine.send_message(QueueUrl=queue, MessageBody="x")
    message, = receive(mine, queue, 1, AttributeNames=["SenderId"])
    assert message["Attributes"]["SenderId"] == me["UserId"]
    with refused("AccessDenied", 403):
        server.client("iam", key=session).list_users()


def test_a_token_is_needed_and_is_checked(server, iam, sqs, name):
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=ACCOUNT))["Role"]["Arn"]
    session, _ = assume(server, make_user(iam, name, allow("sts:AssumeRole")), role)
    for bad in (session[:2], (*session[:2], "made up"), (*session[:2], session[2][:-8] + "AAAAAAAA")):
        with refused(("InvalidClientTokenId", "UnrecognizedClientException")):
            server.client("sqs", key=bad).list_queues()
        with refused(("InvalidAccessKeyId", "InvalidToken")):
            server.client("s3", key=bad).list_buckets()


def test_who_may_not_assume(server, iam, name):
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:root"))["Role"]["Arn"]
    stranger = make_user(iam, name)
    with refused("AccessDenied", 403, "sts:AssumeRole"):
        assume(server, stranger, role)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(allow("sts:AssumeRole", role)))
    assert assume(server, stranger, role)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust(Service="lambda.amazonaws.com"))
    with refused("AccessDenied", 403):
        assume(server, stranger, role)
    with refused("AccessDenied", 403):
        assume(server, stranger, role + "-none")
    for arguments in ({"session": "a b"}, {"DurationSeconds": 43_201}):
        with refused("ValidationError", 400):
            assume(server, stranger, role, **arguments)


def test_the_external_id_and_other_accounts(server, iam, name):
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document({
        "Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}))["Role"]["Arn"]
    root = ("222222222222", "test")
    with refused("AccessDenied", 403, "root"):
        assume(server, root, role, ExternalId="secret")
    other = make_user(server.client("iam", key=root), name, allow("sts:AssumeRole"))
    for arguments in ({}, {"ExternalId": "guess"}):
        with refused("AccessDenied", 403):
            assume(server, other, role, **arguments)
    session, _ = assume(server, other, role, ExternalId="secret")
    assert who(server, session)["Account"] == ACCOUNT


def test_a_session_policy_only_takes_away(server, iam, sqs, queue, name):
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=ACCOUNT))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(
        allow(["sqs:SendMessage", "sqs:ReceiveMessage"])))
    key = make_user(iam, name, allow("sts:AssumeRole"))
    session, _ = assume(server, key, role, Policy=document(allow(["sqs:SendMessage", "sqs:PurgeQueue"])))
    mine = server.client("sqs", key=session)
    mine.send_message(QueueUrl=queue, MessageBody="x")
    for call in (mine.receive_message, mine.purge_queue):
        with refused("AccessDenied", 403):
            call(QueueUrl=queue)
    with refused("MalformedPolicyDocument", 400):
        assume(server, key, role, Policy="no json")


def test_sessions_end(own):
    iam = own.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(allow("*")))
    session, _ = assume(own, make_user(iam, "u", allow("sts:AssumeRole")), role, DurationSeconds=900)
    own.restart_after_kill()
    assert own.client("sqs", key=session).list_queues()
    own.advance(901)
    with refused(("ExpiredToken", "ExpiredTokenException")):
        own.client("sqs", key=session).list_queues()
    with refused("ExpiredToken", 400):
        own.client("s3", key=session).list_buckets()


def test_roles(iam, name):
    iam.create_role(RoleName=name, Path="/app/", AssumeRolePolicyDocument=trust(Service="sqs.amazonaws.com"),
                    Description="d", MaxSessionDuration=7200, Tags=[{"Key": "a", "Value": "b"}])
    found = iam.get_role(RoleName=name)["Role"]
    assert found["Path"] == "/app/" and found["Description"] == "d" and found["MaxSessionDuration"] == 7200
    assert found["AssumeRolePolicyDocument"] == json.loads(trust(Service="sqs.amazonaws.com"))
    iam.update_role(RoleName=name, Description="e", MaxSessionDuration=3600)
    assert iam.get_role(RoleName=name)["Role"]["Description"] == "e"
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("sqs:*")))
    assert iam.get_role_policy(RoleName=name, PolicyName="p")["PolicyDocument"] == json.loads(document(allow("sqs:*")))
    with refused("DeleteConflict", 409):
        iam.delete_role(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    with refused("NoSuchEntity", 404):
        iam.get_role(RoleName=name)
    with refused("MalformedPolicyDocument", 400):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(allow("sts:AssumeRole")))


def test_a_role_is_handed_over_only_by_who_may_pass_it(server, iam, s3, bucket, name):
    """`iam:PassRole`, asked for where a delivery stream is given its role; so is the role's trust."""
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="firehose.amazonaws.com"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:*")))
    key = make_user(iam, name, allow("firehose:*"))
    mine = server.client("firehose", key=key)
    target = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{bucket}"}
    with refused("AccessDeniedException", text="iam:PassRole"):
        mine.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=target)
    iam.put_user_policy(UserName=name, PolicyName="pass", PolicyDocument=document(
        allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "firehose.amazonaws.com"}})))
    mine.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=target)


# ---- promises -----------------------------------------------------------------------------------------


def test_principals_survive_a_kill(own):
    iam = own.client("iam")
    key = make_user(iam, "u", allow("sqs:*"))
    gone = make_user(iam, "gone", allow("sqs:*"))
    iam.delete_access_key(UserName="gone", AccessKeyId=gone[0])
    own.restart_after_kill()
    own.client("sqs", key=key).create_queue(QueueName="q")
    with refused("InvalidClientTokenId"):
        own.client("sqs", key=gone).list_queues()
    assert [u["UserName"] for u in iam.list_users()["Users"]] == ["gone", "u"]


def test_secrets_are_not_readable_on_the_disk(own):
    iam = own.client("iam")
    key = make_user(iam, "u")
    own.stop()
    stored = [path.read_bytes() for path in own.directory.rglob("*") if path.is_file()]
    assert stored and not any(key[1].encode() in data for data in stored)


def test_a_denial_is_explained_to_the_operator(own):
    iam = own.client("iam")
    key = make_user(iam, "nosy", deny("sqs:ListQueues"), allow("sqs:*"))
    with refused("AccessDenied", 403):
        own.client("sqs", key=key).list_queues()
    lines = [line for line in own.internal("GET", "log/0")["lines"] if "denied" in line]
    assert any("nosy" in line and "sqs:ListQueues" in line for line in lines), lines
