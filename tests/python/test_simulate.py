"""The policy simulator: IAM's SimulateCustomPolicy, SimulatePrincipalPolicy and GetContextKeysFor…Policy."""

import json

import pytest

from support import ACCOUNT, allow, deny, document, make_user, refused, trust

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"


def simulate(iam, statement_lists, action="sqs:SendMessage", resource=QUEUE, **more):
    """The result for one action on one resource, of policies of these statements."""
    answer = iam.simulate_custom_policy(PolicyInputList=[document(*s) for s in statement_lists], ActionNames=[action],
                                        ResourceArns=[resource], **more)
    assert answer["IsTruncated"] is False and "Marker" not in answer
    result, = answer["EvaluationResults"]
    return result


def entry(key, kind, *values):
    return {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": list(values)}


def test_the_example_of_the_aws_cli_reference(iam):
    """`aws iam simulate-custom-policy`: its policy, its context, the answer's positions."""
    policy = ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*",'
              '"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"}}}}')
    asked = {"PolicyInputList": [policy], "ActionNames": ["dynamodb:CreateBackup"]}
    result, = iam.simulate_custom_policy(**asked, ContextEntries=[
        entry("aws:CurrentTime", "date", "2019-04-25T11:00:00Z")])["EvaluationResults"]
    assert result == {
        "EvalActionName": "dynamodb:CreateBackup", "EvalResourceName": "*", "EvalDecision": "allowed",
        "MatchedStatements": [{"SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "IAM Policy",
                               "StartPosition": {"Line": 1, "Column": 38}, "EndPosition": {"Line": 1, "Column": 167}}],
        "MissingContextValues": []}
    result, = iam.simulate_custom_policy(**asked, ContextEntries=[
        entry("aws:CurrentTime", "date", "2014-04-25T11:00:00Z")])["EvaluationResults"]
    assert (result["EvalDecision"], result["MatchedStatements"]) == ("implicitDeny", [])
    result, = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["aws:CurrentTime"])


@pytest.mark.parametrize("policies, more, decision", [
    ([[allow("sqs:*")]], {}, "allowed"),
    ([[allow("s3:*")]], {}, "implicitDeny"),
    ([[allow("sqs:*")], [deny("sqs:Send*")]], {}, "explicitDeny"),
    ([[allow("sqs:*")]], {"PermissionsBoundaryPolicyInputList": [document(allow("sqs:*"))]}, "allowed"),
    ([[allow("sqs:*")]], {"PermissionsBoundaryPolicyInputList": [document(allow("s3:*"))]}, "implicitDeny"),
    ([[allow("sqs:*", "arn:aws:sqs:*:*:${aws:username}")]], {"ContextEntries": [entry("aws:username", "string", "orders")]}, "allowed"),
    ([[allow("sqs:*", "arn:aws:sqs:*:*:${aws:username}")]], {"CallerArn": f"arn:aws:iam::{ACCOUNT}:user/orders"}, "allowed"),
    ([[allow("sqs:*", "arn:aws:sqs:*:*:${aws:username}")]], {}, "implicitDeny"),
])
def test_decisions(iam, policies, more, decision):
    assert simulate(iam, policies, **more)["EvalDecision"] == decision


@pytest.mark.parametrize("caller, identity, principal, decision, by_identity, by_resource", [
    (ACCOUNT, [], f"arn:aws:iam::{ACCOUNT}:user/eve", "allowed", None, None),
    ("222222222222", [], "arn:aws:iam::222222222222:user/eve", "implicitDeny", "implicitDeny", "allowed"),
    ("222222222222", [allow("sqs:*")], "arn:aws:iam::222222222222:user/eve", "allowed", "allowed", "allowed"),
    ("222222222222", [allow("sqs:*")], f"arn:aws:iam::{ACCOUNT}:root", "implicitDeny", "allowed", "implicitDeny"),
])
def test_a_resource_policy_within_and_across_accounts(iam, caller, identity, principal, decision, by_identity, by_resource):
    policy = document({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sqs:*", "Resource": "*"})
    result = simulate(iam, [identity or [allow("s3:*")]], ResourcePolicy=policy, CallerArn=f"arn:aws:iam::{caller}:user/eve")
    one, = result["ResourceSpecificResults"]
    assert (result["EvalDecision"], one["EvalResourceDecision"]) == (decision, decision)
    expected = {"IAM Policy": by_identity, "Resource Policy": by_resource} if by_identity else {}
    assert result["EvalDecisionDetails"] == expected and one.get("EvalDecisionDetails", {}) == expected


def test_a_resource_owner(iam):
    policy = document({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ana"}, "Action": "s3:*", "Resource": "*"})
    asked = {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "ResourcePolicy": policy, "CallerArn": f"arn:aws:iam::{ACCOUNT}:user/ana"}
    assert simulate(iam, [[allow("sqs:*")]], **asked)["EvalDecision"] == "allowed"
    for owner in ("222222222222", "arn:aws:iam::222222222222:root"):
        assert simulate(iam, [[allow("sqs:*")]], ResourceOwner=owner, **asked)["EvalDecision"] == "implicitDeny"
        assert simulate(iam, [[allow("s3:*")]], ResourceOwner=owner, **asked)["EvalDecision"] == "allowed"


def test_a_principal_with_all_kinds_of_policies(iam, name):
    make_user(iam, name, allow("sqs:SendMessage", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}}))
    user = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    iam.create_group(GroupName=name)
    iam.put_group_policy(GroupName=name, PolicyName="g", PolicyDocument=document(allow("sqs:ReceiveMessage")))
    iam.add_user_to_group(GroupName=name, UserName=name)
    managed = iam.create_policy(PolicyName=f"{name}-m", PolicyDocument=json.dumps(
        json.loads(document(deny("sqs:PurgeQueue"), allow("sqs:*Attributes"))), indent=2))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=managed)

    def run(action, source=user, **more):
        result, = iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=[action], ResourceArns=[QUEUE], **more)["EvaluationResults"]
        return result["EvalDecision"], [s["SourcePolicyId"] for s in result["MatchedStatements"]]

    region = {"ContextEntries": [entry("aws:RequestedRegion", "string", "us-east-1")]}
    assert run("sqs:SendMessage", **region) == ("allowed", [f"user_{name}_inline"])
    assert run("sqs:SendMessage") == ("implicitDeny", [])
    assert run("sqs:ReceiveMessage") == ("allowed", [f"group_{name}_g"])
    assert run("sqs:ReceiveMessage", source=f"arn:aws:iam::{ACCOUNT}:group/{name}") == ("allowed", [f"group_{name}_g"])
    assert run("sqs:PurgeQueue") == ("explicitDeny", [f"{name}-m"])
    assert run("sqs:PurgeQueue", PolicyInputList=[document(allow("*"), deny("sqs:*"))]) == (
        "explicitDeny", [f"{name}-m", "PolicyInputList.1"])
    result, = iam.simulate_principal_policy(PolicySourceArn=user, ActionNames=["sqs:GetQueueAttributes"])["EvaluationResults"]
    # Of a list, a statement is read from behind the one before it.
    assert (result["MatchedStatements"][0]["StartPosition"], result["MatchedStatements"][0]["EndPosition"]) == (
        {"Line": 8, "Column": 6}, {"Line": 13, "Column": 6})
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=user, PolicyInputList=[document(
        allow("s3:*", "arn:aws:s3:::${aws:username}"))])["ContextKeyNames"]
    assert keys == ["aws:RequestedRegion", "aws:username"]
    # The user's own boundary counts, and one that is passed stands in for it.
    edge = iam.create_policy(PolicyName=f"{name}-e", PolicyDocument=document(allow("s3:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=edge)
    assert run("sqs:ReceiveMessage")[0] == "implicitDeny"
    assert run("sqs:ReceiveMessage", PermissionsBoundaryPolicyInputList=[document(allow("sqs:*"))])[0] == "allowed"


def test_a_role_is_simulated(iam, name):
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"), Path="/app/")["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(
        allow("sqs:*", Condition={"ArnEquals": {"aws:PrincipalArn": role}})))
    result, = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["sqs:SendMessage"])["EvaluationResults"]
    assert (result["EvalDecision"], result["MatchedStatements"][0]["SourcePolicyId"]) == ("allowed", f"role_{name}_p")


def test_the_paginator(iam):
    actions = [f"sqs:Do{n}" for n in range(25)]
    pages = list(iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[document(allow("sqs:*"))], ActionNames=actions, PaginationConfig={"PageSize": 10}))
    assert [len(page["EvaluationResults"]) for page in pages] == [10, 10, 5]
    assert [r["EvalActionName"] for page in pages for r in page["EvaluationResults"]] == actions


def test_context_keys_of_custom_policies(iam):
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[
        document(allow("s3:*", "arn:aws:s3:::home/${aws:PrincipalTag/Team}/*", Condition={
            "StringLike": {"s3:prefix": "${aws:username}/*"}, "Null": {"aws:TokenIssueTime": "true"}})),
        document(deny("*", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}))])["ContextKeyNames"]
    assert keys == ["aws:PrincipalTag/Team", "aws:TagKeys", "aws:TokenIssueTime", "aws:username", "s3:prefix"]


def test_who_may_simulate_and_what_is_refused(server, iam, name):
    key = make_user(iam, name, allow(["iam:SimulateCustomPolicy", "iam:GetContextKeysForCustomPolicy"]))
    mine = server.client("iam", key=key)
    user = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert simulate(mine, [[allow("sqs:*")]])["EvalDecision"] == "allowed"
    with refused("AccessDenied", 403, user):
        mine.simulate_principal_policy(PolicySourceArn=user, ActionNames=["sqs:SendMessage"])
    with refused("AccessDenied", 403):
        mine.get_context_keys_for_principal_policy(PolicySourceArn=user)
    with refused("NoSuchEntity", 404):
        iam.simulate_principal_policy(PolicySourceArn=f"{user}-none", ActionNames=["sqs:SendMessage"])
    with refused("InvalidInput", 400, "entity type and name"):
        iam.get_context_keys_for_principal_policy(PolicySourceArn=f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s")
    for bad in ({"action": "sqs:*"}, {"resource": "orders"}, {"ResourcePolicy": document(allow("*"))},
                {"ContextEntries": [entry("aws:CurrentTime", "date", "soon")]}):
        with refused("InvalidInput", 400):
            simulate(iam, [[allow("sqs:*")]], **bad)
    with refused("NotImplemented", 501, "ResourceHandlingOption"):
        simulate(iam, [[allow("sqs:*")]], ResourceHandlingOption="EC2-VPC-EBS")
