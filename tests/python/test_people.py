"""`ropeway iam explain`, `ropeway user add`, `ropeway root-keys rotate`, and what the log says of denials."""

import json
import os
import subprocess
import sys
from pathlib import Path


from support import (ACCOUNT, BINARY, EXPORT, allow, clean_environment, deny, document, make_user, refused, trust)


def explain(server, principal, action, resource="*", **context):
    done = server.run(BINARY, "iam", "explain", "--principal", principal, "--action", action, "--resource", resource, "--json",
                      *(word for key, value in context.items() for word in ("--context", f"{key.replace('_', ':')}={value}")))
    return json.loads(done.stdout)


def test_explain(server, iam, s3, bucket, name):
    make_user(iam, name, allow("sqs:*"), deny("sqs:PurgeQueue", Sid="NoPurge"),
              allow("s3:ListAllMyBuckets", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    user = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    told = explain(server, name, "sqs:PurgeQueue")
    assert told == {
        "principal": user, "action": "sqs:PurgeQueue", "resource": "*", "decision": "explicitDeny",
        "because": f"explicitly denied: statement 1 (NoPurge) of identity-based policy inline of {user}",
        "kind": "identity-based policy", "policy": f"inline of {user}", "sid": "NoPurge", "statement": 1, "line": 1, "missing": []}
    assert explain(server, user, "sqs:SendMessage")["decision"] == "allowed"
    told = explain(server, user, "s3:ListAllMyBuckets")
    assert (told["decision"], told["missing"]) == ("implicitDeny", ["aws:SecureTransport"])
    assert explain(server, user, "s3:ListAllMyBuckets", aws_SecureTransport="true")["statement"] == 2
    # The resource's own policy is looked up, and so is a role's trust.
    s3.put_bucket_policy(Bucket=bucket, Policy=document({**allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), "Principal": {"AWS": user}}))
    told = explain(server, name, "s3:GetObject", f"arn:aws:s3:::{bucket}/key")
    assert (told["decision"], told["kind"], told["policy"]) == ("allowed", "resource-based policy", f"arn:aws:s3:::{bucket}")
    role = iam.create_role(RoleName=f"{name}-r", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))["Role"]["Arn"]
    assert explain(server, "lambda.amazonaws.com", "sts:AssumeRole", role)["kind"] == "role trust policy"
    told = explain(server, name, "sts:AssumeRole", role)
    assert (told["decision"], told["kind"]) == ("implicitDeny", "identity-based policy")
    # For people, without credentials of anybody.
    done = subprocess.run([BINARY, "iam", "explain", "--principal", name, "--action", "sqs:PurgeQueue"], capture_output=True, text=True,
                          timeout=60, env=clean_environment(AWS_ENDPOINT_URL=server.endpoint))
    assert done.returncode == 0 and f"{user} may not sqs:PurgeQueue on *" in done.stdout and "(NoPurge)" in done.stdout
    for words, code in ((["--principal", "nobody-here", "--action", "a:b"], 1), (["--principal", name], 2),
                        (["--principal", name, "--action", "a:b", "--context", "novalue"], 2)):
        done = server.run(BINARY, "iam", "explain", *words, check=False)
        assert done.returncode == code and done.stderr, words


def test_denials_are_explained_in_the_log(own):
    """Whoever is denied, the log says by which statement, or which kind of policy does not allow it."""
    iam = own.client("iam")
    key = make_user(iam, "nosy", deny("sqs:ListQueues", Sid="NoListing"), allow("sqs:*"))
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"))
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    own.client("s3").create_bucket(Bucket="private-bucket")
    for call, code in ((lambda: own.client("sqs", key=key).list_queues(), "AccessDenied"),
                       (lambda: own.client("sns", key=key).create_topic(Name="t"), "AuthorizationError"),
                       (lambda: own.client("s3", key=key).get_object(Bucket="private-bucket", Key="k"), "AccessDenied"),
                       (lambda: own.client("sts", key=key).assume_role(RoleArn=role, RoleSessionName="sess"), "AccessDenied"),
                       (lambda: own.client("sts", key=key).assume_role(RoleArn=role + "-none", RoleSessionName="sess"), "AccessDenied")):
        with refused(code, 403):
            call()
    log = [line for line in own.internal("GET", "log/0")["lines"] if "denied" in line and "user/nosy" in line]
    user = f"arn:aws:iam::{ACCOUNT}:user/nosy"
    for action, why in (("sqs:ListQueues", f"explicitly denied: statement 0 (NoListing) of identity-based policy inline of {user}"),
                        ("sns:CreateTopic", "implicitly denied: no identity-based policy allows it"),
                        ("s3:GetObject", "implicitly denied: no identity-based policy allows it"),
                        ("sts:AssumeRole", "implicitly denied: no identity-based policy allows it"),
                        ("sts:AssumeRole", "there is no such role")):
        assert any(action in line and why in line for line in log), (action, why, log)


def test_user_add(server, iam, name, tmp_path):
    policy = iam.create_policy(PolicyName=name, PolicyDocument=document(allow("sqs:ListQueues")))["Policy"]["Arn"]
    done = server.run(BINARY, "user", "add", name, "--policy", policy)
    exports = dict(EXPORT.findall(done.stdout))
    key = exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"]
    assert server.client("sts", key=key).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    server.client("sqs", key=key).list_queues()
    # The line does what it says.
    line = next(line for line in done.stdout.splitlines() if line.startswith("  aws configure"))
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", line], check=True, timeout=120, env={**clean_environment(**files), "PATH": path})
    told = subprocess.run([sys.executable, "-c", "import boto3, sys; s = boto3.Session(profile_name=sys.argv[1]); "
                           "print(s.client('sts').get_caller_identity()['Arn'])", name],
                          env=clean_environment(**files), capture_output=True, text=True, timeout=120)
    assert told.stdout.strip() == f"arn:aws:iam::{ACCOUNT}:user/{name}", told
    done = server.run(BINARY, "user", "add", f"{name}-2", "--json")
    assert json.loads(done.stdout)["user"] == f"{name}-2"
    # What fails leaves nothing behind.
    for words, said in (([name], "already exists"), ([f"{name}-3", "--policy", f"{policy}-none"], "was not found")):
        done = server.run(BINARY, "user", "add", *words, check=False)
        assert done.returncode == 1 and said in done.stderr
    with refused("NoSuchEntity", 404):
        iam.get_user(UserName=f"{name}-3")


def test_a_user_who_cannot_be_equipped_is_not_made(server, iam, name):
    policy = iam.create_policy(PolicyName=name, PolicyDocument=document(allow("sqs:ListQueues")))["Policy"]["Arn"]
    key = make_user(iam, name, allow("iam:*"), deny("iam:CreateAccessKey"))
    done = server.run(BINARY, "user", "add", f"{name}-new", "--policy", policy, key=key, check=False)
    assert done.returncode == 1 and "iam:CreateAccessKey" in done.stderr
    with refused("NoSuchEntity", 404):
        iam.get_user(UserName=f"{name}-new")


def test_root_keys_are_rotated(strict):
    def identity(key):
        return strict.client("sts", key=key).get_caller_identity()["Arn"]

    old = strict.key
    done = strict.run(BINARY, "root-keys", "rotate")
    exports = dict(EXPORT.findall(done.stdout))
    new = exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"]
    assert f"{old[0]} is no longer good" in done.stdout and new[0] != old[0]
    assert identity(new) == f"arn:aws:iam::{ACCOUNT}:root"
    with refused("InvalidClientTokenId", 403):
        identity(old)
    strict.exports.clear()
    strict.restart_after_kill()
    assert "AWS_SECRET_ACCESS_KEY" not in strict.exports, "a start makes no key where there is one"
    assert identity(new) == f"arn:aws:iam::{ACCOUNT}:root"
    with refused("InvalidClientTokenId", 403):
        identity(old)
    # With --keep both are good until the old one is deleted as with AWS; a third there cannot be.
    kept = json.loads(strict.run(BINARY, "root-keys", "rotate", "--keep", "--json", key=new).stdout)
    newest = kept["access_key_id"], kept["secret_access_key"]
    assert identity(new) == identity(newest)
    done = strict.run(BINARY, "root-keys", "rotate", key=newest, check=False)
    assert done.returncode == 1 and new[0] in done.stderr and "delete-access-key" in done.stderr
    strict.client("iam", key=newest).delete_access_key(AccessKeyId=new[0])
    with refused("InvalidClientTokenId", 403):
        identity(new)
    assert identity(newest)


def test_a_key_that_nobody_sees_does_not_replace_the_old_one(strict):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "root-keys", "rotate"], env=strict.environment(), stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and "could not be printed" in done.stderr
    assert strict.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_only_the_root_rotates_its_keys(server, iam, name):
    key = make_user(iam, name, allow("*"))
    done = server.run(BINARY, "root-keys", "rotate", key=key, check=False)
    assert done.returncode == 1 and "by the root" in done.stderr
