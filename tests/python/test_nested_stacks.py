"""Stacks within stacks.

Sources: the CloudFormation user guide, "Split a template into reusable pieces using nested stacks"; the template
reference, `AWS::CloudFormation::Stack`.
"""

import json

import pytest

from support import AWS, eventually, refused, unique
from test_cloudformation import create, delete, outputs, queues, resources, settled, stack_of, update


@pytest.fixture
def cfn(server):
    return server.client("cloudformation")


class Templates:
    """Templates in a bucket."""

    def __init__(self, server, bucket=None):
        self.server, self.s3 = server, server.client("s3")
        self.bucket = bucket or unique("templates")
        if bucket is None:
            self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key, template):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(template).encode())
        return f"{self.server.endpoint}/{self.bucket}/{key}"


@pytest.fixture
def templates(server):
    return Templates(server)


def queue(name=None, **more):
    properties = {**({"QueueName": name} if name else {}), **more}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def child(**queues_):
    return {"Parameters": {"Delay": {"Type": "Number", "Default": 0}}, "Resources": queues_,
            "Outputs": {"Delay": {"Value": {"Ref": "Delay"}},
                        "Queue": {"Value": {"Fn::GetAtt": [next(iter(queues_)), "Arn"]}}}}


def nested(url, **parameters):
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": parameters}}


def events(cfn, stack):
    return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason"))
            for e in cfn.describe_stack_events(StackName=stack)["StackEvents"]]


def test_a_life_of_nested_stacks(cfn, templates, server, name):
    inner = templates.put("inner.json", child(Queue=queue(f"{name}-inner", DelaySeconds={"Ref": "Delay"})))
    middle = {"Resources": {"Inner": nested(inner, Delay=5)},
              "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Queue"]}}}}
    outer = {"Resources": {"Middle": nested(templates.put("middle.json", middle)),
                           "Topic": {"Type": "AWS::SNS::Topic", "Properties": {
                               "DisplayName": {"Fn::Sub": "of ${Middle.Outputs.Arn}"}}}},
             "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Middle", "Outputs.Arn"]}}}}
    root = create(cfn, name, outer, Tags=[{"Key": "team", "Value": "a"}])
    assert outputs(root)["Arn"].endswith(f":{name}-inner")
    middle_id = resources(cfn, name)["Middle"]["PhysicalResourceId"]
    inner_id = resources(cfn, middle_id)["Inner"]["PhysicalResourceId"]
    found = stack_of(cfn, inner_id)
    assert (found["ParentId"], found["RootId"]) == (middle_id, root["StackId"])
    assert found["StackName"].startswith(f"{name}-Middle-") and "-Inner-" in found["StackName"]
    assert {"Key": "team", "Value": "a"} in found["Tags"] and "ParentId" not in stack_of(cfn, name)
    assert stack_of(cfn, middle_id)["RootId"] == root["StackId"]
    with refused("ValidationError"):
        cfn.update_termination_protection(StackName=inner_id, EnableTerminationProtection=True)

    # Nothing has changed but what a URL leads to.
    templates.put("inner.json", child(Queue=queue(f"{name}-other", DelaySeconds={"Ref": "Delay"})))
    assert outputs(update(cfn, name, outer))["Arn"].endswith(f":{name}-other")
    assert queues(server, name) == [f"{name}-other"]
    # An update that changes nothing leaves the nested stacks alone.
    before = events(cfn, inner_id)
    update(cfn, name, outer)
    assert events(cfn, inner_id) == before
    delete(cfn, name)
    assert queues(server, name) == []
    assert stack_of(cfn, inner_id)["StackStatus"] == "DELETE_COMPLETE"


def test_creations_fail_together(cfn, templates, server, name):
    broken = child(Good=queue(f"{name}-good"), Bad={**queue(f"{name}-bad", DelaySeconds=9999), "DependsOn": "Good"})
    outer = {"Resources": {"First": queue(f"{name}-first"),
                           "Nested": {**nested(templates.put("broken.json", broken)), "DependsOn": "First"}}}
    create(cfn, name, outer, "ROLLBACK_COMPLETE")
    assert queues(server, name) == []
    reason = next(r for id_, status, r in events(cfn, name) if (id_, status) == ("Nested", "CREATE_FAILED"))
    assert "was not successfully created: The following resource(s) failed to create: [Bad]." in reason


def test_updates_are_taken_back_together(cfn, templates, server, name):
    """What a nested stack has replaced is still there when its parent fails after it."""
    url = templates.put("inner.json", child(Queue=queue(f"{name}-one"), Kept=queue(f"{name}-kept", DelaySeconds=1)))
    outer = {"Resources": {"Nested": nested(url, Delay=1), "After": {**queue(f"{name}-after"), "DependsOn": "Nested"}}}
    create(cfn, name, outer)
    sqs = server.client("sqs")
    one = sqs.get_queue_url(QueueName=f"{name}-one")["QueueUrl"]
    sqs.send_message(QueueUrl=one, MessageBody="still here")
    nested_id = resources(cfn, name)["Nested"]["PhysicalResourceId"]
    before = stack_of(cfn, nested_id)
    # The template that the URL leads to is gone when it is wanted back.
    templates.put("inner.json", child(Queue=queue(f"{name}-two"), Kept=queue(f"{name}-kept", DelaySeconds=2)))
    outer["Resources"]["After"]["Properties"]["DelaySeconds"] = 9999
    update(cfn, name, outer, "UPDATE_ROLLBACK_COMPLETE")
    assert sorted(queues(server, name)) == [f"{name}-after", f"{name}-kept", f"{name}-one"]
    assert sqs.receive_message(QueueUrl=one)["Messages"][0]["Body"] == "still here"
    kept = sqs.get_queue_url(QueueName=f"{name}-kept")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=kept, AttributeNames=["All"])["Attributes"]["DelaySeconds"] == "1"
    after = stack_of(cfn, nested_id)
    assert after["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE" and after["Outputs"] == before["Outputs"]
    # The other way round: the nested stack fails.
    outer["Resources"]["After"]["Properties"]["DelaySeconds"] = 3
    templates.put("inner.json", child(Queue=queue(f"{name}-two", DelaySeconds=9999)))
    update(cfn, name, outer, "UPDATE_ROLLBACK_COMPLETE")
    reason = next(r for id_, status, r in events(cfn, name) if (id_, status) == ("Nested", "UPDATE_FAILED"))
    assert "was not successfully updated. Currently in UPDATE_ROLLBACK" in reason
    templates.put("inner.json", child(Queue=queue(f"{name}-two")))
    update(cfn, name, outer)
    assert sorted(queues(server, name)) == [f"{name}-after", f"{name}-two"]
    assert stack_of(cfn, nested_id)["StackStatus"] == "UPDATE_COMPLETE"
    delete(cfn, name)


def test_nested_stacks_outlive_kills(own):
    cfn, templates, name = own.client("cloudformation"), Templates(own), unique()
    many = {f"Queue{n}": queue(f"{name}-{n}") for n in range(12)}
    outer = {"Resources": {"A": nested(templates.put("a.json", child(**many))),
                           "After": {**queue(f"{name}-after"), "DependsOn": "A"}}}
    cfn.create_stack(StackName=name, TemplateBody=json.dumps(outer))
    eventually(lambda: len(queues(own, name)) > 3)
    own.restart_after_kill()
    settled(cfn, name, "CREATE_COMPLETE")
    assert len(queues(own, name)) == 13
    templates.put("a.json", child(**{f"Queue{n}": queue(f"{name}-x{n}") for n in range(12)}))
    outer["Resources"]["After"]["Properties"]["DelaySeconds"] = 9999
    inner = resources(cfn, name)["A"]["PhysicalResourceId"]
    cfn.update_stack(StackName=name, TemplateBody=json.dumps(outer))
    # Its events stay, while its queues may be gone again before anyone looks.
    eventually(lambda: any(status == "UPDATE_IN_PROGRESS" and id_.startswith("Queue") for id_, status, _ in events(cfn, inner)))
    own.restart_after_kill()
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    assert sorted(queues(own, name)) == sorted([f"{name}-after", *(f"{name}-{n}" for n in range(12))])
    cfn.delete_stack(StackName=name)
    own.restart_after_kill()
    eventually(lambda: not queues(own, name))


def test_what_a_template_cannot_have(cfn, templates, name):
    create(cfn, name, {"Resources": {"A": nested("https://example.com/t.json")}}, "ROLLBACK_COMPLETE")
    assert any("TemplateURL must be a supported URL" in (r or "") for _, _, r in events(cfn, name))
    name, missing = unique(), templates.put("x", {})[:-1] + "missing"
    create(cfn, name, {"Resources": {"A": nested(missing)}}, "ROLLBACK_COMPLETE")
    name = unique()
    url = templates.put("child.json", child(Queue=queue()))
    create(cfn, name, {"Resources": {"A": nested(url, Unknown=1)}}, "ROLLBACK_COMPLETE")
    assert any("Parameters: [Unknown] do not exist in the template" in (r or "") for _, _, r in events(cfn, name))
    with refused("ValidationError", text="does not support attribute type Queue"):
        cfn.create_stack(StackName=unique(), TemplateBody=json.dumps({
            "Resources": {"A": nested(url)}, "Outputs": {"A": {"Value": {"Fn::GetAtt": ["A", "Queue"]}}}}))
    # One that names itself comes to an end.
    name = unique()
    own_url = f"{templates.server.endpoint}/{templates.bucket}/self.json"
    templates.put("self.json", {"Resources": {"Self": nested(own_url)}})
    create(cfn, name, {"Resources": {"Self": nested(own_url)}}, "ROLLBACK_COMPLETE")


def test_folders_of_nested_templates_are_deployed(server, cfn, tmp_path, name):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "queue.yaml").write_text(
        f"Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: {name}-q\n"
        "Outputs:\n  Name:\n    Value: !GetAtt Queue.QueueName\n")
    (tmp_path / "middle.json").write_text(json.dumps({
        "Resources": {"Part": nested("parts/queue.yaml")},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Part", "Outputs.Name"]}}}}))
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Middle:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: ./middle.json\n"
        "Outputs:\n  Name:\n    Value: !GetAtt Middle.Outputs.Name\n")
    from support import BINARY
    done = server.run(BINARY, "deploy", tmp_path, "--stack-name", name)
    assert f"{name}-q" in done.stdout
    (tmp_path / "parts" / "queue.yaml").write_text(
        (tmp_path / "parts" / "queue.yaml").read_text().replace(f"{name}-q", f"{name}-r"))
    server.run(BINARY, "deploy", tmp_path, "--stack-name", name)
    assert queues(server, name) == [f"{name}-r"]
    delete(cfn, name)


def test_what_the_aws_cli_packages_is_deployed(server, cfn, templates, tmp_path, name):
    (tmp_path / "child.json").write_text(json.dumps(child(Queue=queue(f"{name}-q"))))
    (tmp_path / "template.json").write_text(json.dumps({"Resources": {"Part": nested("child.json")}}))
    server.run(*AWS, "cloudformation", "package", "--template-file", tmp_path / "template.json", "--s3-bucket",
               templates.bucket, "--output-template-file", tmp_path / "packaged.yaml")
    server.run(*AWS, "cloudformation", "deploy", "--template-file", tmp_path / "packaged.yaml", "--stack-name", name)
    assert queues(server, name) == [f"{name}-q"]
    delete(cfn, name)
