"""What requests of CloudFormation say beside the template: who is told, which types, what stays."""

import json

import pytest

from support import ACCOUNT, REGION, eventually, make_user, allow, queue_arn, refused, document, unique
from test_cloudformation import cfn, create, delete, queues, resources, settled, stack_of, update  # noqa: F401

QUEUE = "AWS::SQS::Queue"


def template(name, **properties):
    return {"Resources": {"Queue": {"Type": QUEUE, "Properties": {"QueueName": name, **properties}}},
            "Outputs": {"Topics": {"Value": {"Fn::Join": [",", {"Ref": "AWS::NotificationARNs"}]}}}}


@pytest.fixture
def name():
    return unique("options")


@pytest.fixture
def topic(server, sqs, name):
    """A topic, and how to read what it was sent."""
    sns = server.client("sns")
    arn, url = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=f"{name}-told")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(
        {**allow("sqs:SendMessage"), "Principal": {"Service": "sns.amazonaws.com"}})})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn(sqs, url))
    found = []

    def told():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            body = json.loads(message["Body"])
            assert body["Subject"] == "AWS CloudFormation Notification"
            found.append(dict(line.split("=", 1) for line in body["Message"].splitlines()))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return arn, told


def test_topics_are_told_of_events(cfn, server, topic, name):
    arn, told = topic
    stack = create(cfn, name, template(name), NotificationARNs=[arn])
    assert stack["NotificationARNs"] == [arn] and stack["Outputs"][0]["OutputValue"] == arn
    events = eventually(lambda: len(told()) >= 5 and told(), "the creation's events")
    first = min(events, key=lambda event: event["Timestamp"])
    assert (first["StackId"], first["ResourceType"]) == (f"'{stack['StackId']}'", "'AWS::CloudFormation::Stack'")
    assert {(e["LogicalResourceId"], e["ResourceStatus"]) for e in events} >= {
        (f"'{name}'", "'CREATE_IN_PROGRESS'"), ("'Queue'", "'CREATE_COMPLETE'"), (f"'{name}'", "'CREATE_COMPLETE'")}
    assert {event["Namespace"] for event in events} == {f"'{ACCOUNT}'"} and {event["StackName"] for event in events} == {f"'{name}'"}
    # An update says nothing of it, and keeps it; an empty list ends it.
    update(cfn, name, template(name, DelaySeconds=1))
    eventually(lambda: any(e["ResourceStatus"] == "'UPDATE_COMPLETE'" and e["LogicalResourceId"] == f"'{name}'" for e in told()),
               "the update's events")
    assert "NotificationARNs" not in update(cfn, name, template(name, DelaySeconds=2), NotificationARNs=[]) or \
        stack_of(cfn, name)["NotificationARNs"] == []
    # By a change set, too.
    cfn.create_change_set(StackName=name, ChangeSetName="c", TemplateBody=json.dumps(template(name, DelaySeconds=3)), NotificationARNs=[arn])
    assert cfn.describe_change_set(StackName=name, ChangeSetName="c")["NotificationARNs"] == [arn]
    cfn.execute_change_set(StackName=name, ChangeSetName="c")
    assert settled(cfn, name, "UPDATE_COMPLETE")["NotificationARNs"] == [arn]
    delete(cfn, name)
    eventually(lambda: any(e["ResourceStatus"] == "'DELETE_COMPLETE'" and e["LogicalResourceId"] == f"'{name}'" for e in told()),
               "the deletion's events")


def test_who_names_a_topic_may_publish_to_it(cfn, server, topic, name):
    arn, _ = topic
    key = make_user(server.client("iam"), name, allow(["cloudformation:*", "sqs:*"]))
    with refused(("AccessDenied", "AuthorizationError"), 403, "sns:Publish"):
        create(server.client("cloudformation", key=key), name, template(name), NotificationARNs=[arn])
    with refused("ValidationError", 400, "Invalid notification ARN"):
        create(cfn, name, template(name), NotificationARNs=[f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"])
    with refused("ValidationError", 400, "less than or equal to 5"):
        create(cfn, name, template(name), NotificationARNs=[arn] * 6)


def test_types_that_a_request_allows(cfn, name):
    both = {"Resources": {**template(name)["Resources"], "Topic": {"Type": "AWS::SNS::Topic"}}}
    with refused("ValidationError", 400, "Resource type AWS::SNS::Topic is not allowed by parameter ResourceTypes [AWS::SQS::*]"):
        create(cfn, name, both, ResourceTypes=["AWS::SQS::*"])
    create(cfn, name, both, ResourceTypes=["AWS::SQS::*", "AWS::SNS::Topic"])
    with refused("ValidationError", 400, "AWS::SQS::Queue is not allowed"):
        update(cfn, name, template(name), ResourceTypes=["Custom::*"])
    delete(cfn, name)


@pytest.mark.parametrize("retained", [True, False])
def test_what_a_failed_operation_made_may_go(cfn, server, name, retained):
    good = {"Type": QUEUE, "DeletionPolicy": "Retain", "Properties": {"QueueName": f"{name}-good"}}
    bad = {"Type": QUEUE, "DependsOn": "Good", "Properties": {"QueueName": f"{name}-bad", "DelaySeconds": 901}}
    more = {} if retained else {"RetainExceptOnCreate": True}
    failing = {"Resources": {"Good": good, "Bad": bad}}
    create(cfn, name, failing, "ROLLBACK_COMPLETE", **more)
    assert queues(server, f"{name}-good") == ([f"{name}-good"] if retained else [])
    if retained:
        server.client("sqs").delete_queue(QueueUrl=server.client("sqs").get_queue_url(QueueName=f"{name}-good")["QueueUrl"])
    delete(cfn, name)
    base = {"Topic": {"Type": "AWS::SNS::Topic"}}
    create(cfn, f"{name}-u", {"Resources": base})
    good["Properties"]["QueueName"], bad["Properties"]["QueueName"] = f"{name}-other", f"{name}-worse"
    update(cfn, f"{name}-u", {"Resources": {**base, **failing["Resources"]}}, "UPDATE_ROLLBACK_COMPLETE", **more)
    assert queues(server, f"{name}-other") == ([f"{name}-other"] if retained else [])
    delete(cfn, f"{name}-u")


def test_a_deletion_is_forced(cfn, s3, name):
    create(cfn, name, {"Resources": {"Files": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}},
                                     "Topic": {"Type": "AWS::SNS::Topic"}}})
    with refused("ValidationError", 400, "DELETE_FAILED"):
        cfn.delete_stack(StackName=name, DeletionMode="FORCE_DELETE_STACK")
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    delete(cfn, name, "DELETE_FAILED")
    stack = stack_of(cfn, name)["StackId"]
    cfn.delete_stack(StackName=name, DeletionMode="FORCE_DELETE_STACK")
    settled(cfn, stack, "DELETE_COMPLETE")
    assert resources(cfn, stack)["Files"]["ResourceStatus"] == "DELETE_SKIPPED"
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
