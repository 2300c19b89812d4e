"""Change sets that include nested stacks.

Sources: the CloudFormation user guide, "Change sets for nested stacks"; the API reference, `CreateChangeSet`,
`DescribeChangeSet`, `DeleteChangeSet`, `ExecuteChangeSet`; why a change set fails whose nested one fails, and how nested
ones are named: aws-sam-cli issue 2406.
"""

import json

import pytest
from botocore.exceptions import WaiterError

from support import AWS, eventually, refused, unique
from test_cloudformation import cfn, create, delete, outputs, queues, resources, settled, stack_of  # noqa: F401
from test_nested_stacks import Templates, child, nested, queue

FAST = {"Delay": 1, "MaxAttempts": 30}


@pytest.fixture
def templates(server):
    return Templates(server)


def change_set(cfn, stack, template, kind="UPDATE", name=None, **more):
    """A change set of a stack and all below it, once it is complete."""
    name = name or unique("set")
    cfn.create_change_set(StackName=stack, ChangeSetName=name, ChangeSetType=kind, TemplateBody=json.dumps(template),
                          IncludeNestedStacks=True, **more)
    cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=name, StackName=stack, WaiterConfig=FAST)
    return cfn.describe_change_set(ChangeSetName=name, StackName=stack)


def failing(cfn, stack, template, kind="UPDATE"):
    with pytest.raises(WaiterError):
        change_set(cfn, stack, template, kind, name="failing")
    return cfn.describe_change_set(ChangeSetName="failing", StackName=stack)


def changes(found):
    return {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in found["Changes"]}


def shown(found):
    return {id_: c["Action"] for id_, c in changes(found).items()}


def below(cfn, found, id_):
    return cfn.describe_change_set(ChangeSetName=changes(found)[id_]["ChangeSetId"])


def three_levels(templates, name, delay=1):
    inner = templates.put("inner.json", child(Queue=queue(f"{name}-inner", DelaySeconds={"Ref": "Delay"})))
    middle = {"Parameters": {"From": {"Type": "String", "AllowedPattern": "arn:.*"}},
              "Resources": {"Inner": nested(inner, Delay=delay), "Queue": queue(f"{name}-middle")},
              "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Queue"]}}, "From": {"Value": {"Ref": "From"}}}}
    topic = {"Type": "AWS::SNS::Topic"}
    return {"Resources": {"Middle": nested(templates.put("middle.json", middle), From={"Ref": "Topic"}), "Topic": topic},
            "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Middle", "Outputs.Arn"]}},
                        "From": {"Value": {"Fn::GetAtt": ["Middle", "Outputs.From"]}}}}


def test_a_life_of_nested_change_sets(cfn, server, templates, name):
    root = change_set(cfn, name, three_levels(templates, name), "CREATE", Tags=[{"Key": "team", "Value": "a"}])
    assert root["IncludeNestedStacks"] and "ParentChangeSetId" not in root and "RootChangeSetId" not in root
    assert shown(root) == {"Middle": "Add", "Topic": "Add"} and "ChangeSetId" not in changes(root)["Topic"]
    middle = below(cfn, root, "Middle")
    assert shown(middle) == {"Inner": "Add", "Queue": "Add"}
    assert (middle["ParentChangeSetId"], middle["RootChangeSetId"]) == (root["ChangeSetId"], root["ChangeSetId"])
    assert middle["ChangeSetName"].startswith(f"{root['ChangeSetName']}-Middle-")
    # What it is given comes from what is not there yet.
    assert middle["Parameters"] == [{"ParameterKey": "From", "ParameterValue": "{{changeSet:KNOWN_AFTER_APPLY}}"}]
    assert {"Key": "team", "Value": "a"} in middle["Tags"]
    inner = below(cfn, middle, "Inner")
    assert (inner["ParentChangeSetId"], inner["RootChangeSetId"]) == (middle["ChangeSetId"], root["ChangeSetId"])
    assert shown(inner) == {"Queue": "Add"} and inner["Parameters"][0]["ParameterValue"] == "1"
    review = stack_of(cfn, inner["StackId"])
    assert review["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert (review["ParentId"], review["RootId"]) == (middle["StackId"], root["StackId"])
    [summary] = cfn.list_change_sets(StackName=middle["StackName"])["Summaries"]
    assert summary["IncludeNestedStacks"] and summary["RootChangeSetId"] == root["ChangeSetId"]

    # Those of nested stacks are executed and deleted with their root.
    with refused("InvalidChangeSetStatus", 400, "root change set"):
        cfn.execute_change_set(ChangeSetName=middle["ChangeSetId"])
    with refused("InvalidChangeSetStatus", 400, "root change set"):
        cfn.delete_change_set(ChangeSetName=inner["ChangeSetId"])
    # What was reviewed is what is made, whatever the URL leads to by now.
    templates.put("inner.json", child(Other=queue(f"{name}-other")))
    cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    made = settled(cfn, name, "CREATE_COMPLETE")
    assert sorted(queues(server, name)) == [f"{name}-inner", f"{name}-middle"]
    assert outputs(made)["From"].startswith("arn:aws:sns:")
    assert resources(cfn, name)["Middle"]["PhysicalResourceId"] == middle["StackId"]
    assert stack_of(cfn, inner["StackId"])["StackStatus"] == "CREATE_COMPLETE"
    assert stack_of(cfn, inner["StackId"])["ChangeSetId"] == inner["ChangeSetId"]
    assert below(cfn, root, "Middle")["ExecutionStatus"] == "EXECUTE_COMPLETE"
    tags = stack_of(cfn, middle["StackId"])["Tags"]
    assert {"Key": "aws:cloudformation:logical-id", "Value": "Middle"} in tags and {"Key": "team", "Value": "a"} in tags
    delete(cfn, name)
    assert queues(server, name) == [] and stack_of(cfn, inner["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_updates_show_what_changes_and_nothing_else(cfn, server, templates, name):
    template = three_levels(templates, name)
    template["Resources"]["Still"] = nested(templates.put("still.json", child(Queue=queue(f"{name}-still"))))
    create(cfn, name, template)
    # Nothing changes anywhere.
    found = failing(cfn, name, template)
    assert "didn't contain changes" in found["StatusReason"] and found["ExecutionStatus"] == "UNAVAILABLE"
    cfn.delete_change_set(ChangeSetName="failing", StackName=name)

    templates.put("inner.json", child(Queue=queue(f"{name}-inner", DelaySeconds=9), New=queue(f"{name}-new")))
    root = change_set(cfn, name, template)
    assert shown(root) == {"Middle": "Modify"}
    middle = below(cfn, root, "Middle")
    # What comes from a resource that stays is what it was.
    assert middle["Parameters"][0]["ParameterValue"].startswith("arn:aws:sns:")
    inner = below(cfn, middle, "Inner")
    assert shown(middle) == {"Inner": "Modify"} and shown(inner) == {"Queue": "Modify", "New": "Add"}
    cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    settled(cfn, name, "UPDATE_COMPLETE")
    assert f"{name}-new" in queues(server, name)
    assert stack_of(cfn, inner["StackId"])["StackStatus"] == "UPDATE_COMPLETE"
    # A nested stack that is added, and one that goes.
    more = {"Resources": {"Topic": template["Resources"]["Topic"], "Still": template["Resources"]["Still"],
                          "More": nested(templates.put("more.json", child(Queue=queue(f"{name}-more"))), Delay=2)}}
    root = change_set(cfn, name, more)
    assert shown(root) == {"More": "Add", "Middle": "Remove"} and "ChangeSetId" not in changes(root)["Middle"]
    assert shown(below(cfn, root, "More")) == {"Queue": "Add"}
    cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    settled(cfn, name, "UPDATE_COMPLETE")
    assert sorted(queues(server, name)) == [f"{name}-more", f"{name}-still"]
    delete(cfn, name)


def test_one_that_fails_fails_all(cfn, templates, name):
    template = three_levels(templates, name)
    templates.put("inner.json", {"Resources": {"Thing": {"Type": "AWS::No::Thing"}}})
    root = failing(cfn, name, template, "CREATE")
    middle = below(cfn, root, "Middle")
    inner = below(cfn, middle, "Inner")
    for outer, found in ((root, middle), (middle, inner)):
        assert outer["StatusReason"] == f"Nested change set {found['ChangeSetId']} was not successfully created: Currently in FAILED."
    assert inner["Status"] == "FAILED" and "AWS::No::Thing" in inner["StatusReason"]
    with refused("InvalidChangeSetStatus"):
        cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    # They go with their root, and the stacks that were only reviewed.
    cfn.delete_change_set(ChangeSetName=root["ChangeSetId"])
    for found in (middle, inner):
        settled(cfn, found["StackId"], "DELETE_COMPLETE")
        with refused("ChangeSetNotFound"):
            cfn.describe_change_set(ChangeSetName=found["ChangeSetId"])
    assert stack_of(cfn, name)["StackStatus"] == "REVIEW_IN_PROGRESS"
    for url in ("https://example.com/x.json", "{}/none"):
        url = url.format(templates.server.endpoint)
        root = failing(cfn, name, {"Resources": {"Nested": nested(url)}}, "CREATE")
        assert below(cfn, root, "Nested")["Status"] == "FAILED"
        cfn.delete_change_set(ChangeSetName=root["ChangeSetId"])
    delete(cfn, name)


def test_reviewed_stacks_go_with_what_reviewed_them(cfn, server, templates, name):
    root = change_set(cfn, name, three_levels(templates, name), "CREATE")
    middle = below(cfn, root, "Middle")
    inner = below(cfn, middle, "Inner")
    # Another change set is executed.
    other = {"Resources": {"Queue": queue(f"{name}-queue")}}
    cfn.create_change_set(StackName=name, ChangeSetName="other", ChangeSetType="CREATE", TemplateBody=json.dumps(other))
    cfn.execute_change_set(ChangeSetName="other", StackName=name)
    settled(cfn, name, "CREATE_COMPLETE")
    for found in (middle, inner):
        settled(cfn, found["StackId"], "DELETE_COMPLETE")
    # An update that fails before it comes to the nested stack.
    broken = {"Resources": {"Bad": queue(f"{name}-bad", DelaySeconds=9999), **other["Resources"],
                            "Nested": {**nested(templates.put("x.json", child(Queue=queue(f"{name}-x")))), "DependsOn": "Bad"}}}
    root = change_set(cfn, name, broken)
    review = below(cfn, root, "Nested")["StackId"]
    cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    settled(cfn, review, "DELETE_COMPLETE")
    # The stack is deleted.
    broken["Resources"].pop("Bad")
    broken["Resources"]["Nested"].pop("DependsOn")
    review = below(cfn, change_set(cfn, name, broken), "Nested")["StackId"]
    delete(cfn, name)
    settled(cfn, review, "DELETE_COMPLETE")
    assert queues(server, name) == []


def test_failures_are_rolled_back(cfn, server, templates, name):
    url = templates.put("inner.json", child(Queue=queue(f"{name}-one", DelaySeconds={"Ref": "Delay"})))
    root = change_set(cfn, name, {"Resources": {"Nested": nested(url, Delay=9999), "First": queue(f"{name}-first")}}, "CREATE")
    review = below(cfn, root, "Nested")["StackId"]
    cfn.execute_change_set(ChangeSetName=root["ChangeSetId"])
    settled(cfn, name, "ROLLBACK_COMPLETE")
    assert stack_of(cfn, review)["StackStatus"] == "DELETE_COMPLETE" and queues(server, name) == []
    delete(cfn, name)


def test_what_is_refused(cfn, templates, name):
    create(cfn, name, {"Resources": {"Queue": queue()}})
    with refused("ValidationError", text="IncludeNestedStacks is not supported for change sets of type IMPORT"):
        cfn.create_change_set(StackName=name, ChangeSetName="x", ChangeSetType="IMPORT", IncludeNestedStacks=True,
                              TemplateBody=json.dumps({"Resources": {"Queue": queue()}}))
    with refused("ValidationError", text="is reserved"):
        create(cfn, unique(), child(Queue=queue()), Parameters=[
            {"ParameterKey": "Delay", "ParameterValue": "{{changeSet:KNOWN_AFTER_APPLY}}"}])
    # Without nested stacks it is complete at once.
    root = change_set(cfn, name, {"Resources": {"Queue": queue(), "More": queue()}})
    assert root["IncludeNestedStacks"] and shown(root) == {"More": "Add"}
    delete(cfn, name)


def test_nested_change_sets_outlive_kills(own):
    cfn, templates, name = own.client("cloudformation"), Templates(own), unique()
    inner = templates.put("inner.json", child(Queue=queue()))
    many = {"Resources": {f"Inner{n}": nested(inner, Delay=n) for n in range(10)}}
    outer = {"Resources": {f"Middle{n}": nested(templates.put("middle.json", many)) for n in range(2)}}
    set_ = cfn.create_change_set(StackName=name, ChangeSetName="all", ChangeSetType="CREATE", TemplateBody=json.dumps(outer),
                                 IncludeNestedStacks=True)["Id"]
    own.restart_after_kill()
    cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=set_, WaiterConfig=FAST)
    root = cfn.describe_change_set(ChangeSetName=set_)
    stacks = [s["StackId"] for s in cfn.describe_stacks()["Stacks"]]
    assert len(stacks) == 23
    for middle in ("Middle0", "Middle1"):
        assert len(changes(below(cfn, root, middle))) == 10
    cfn.execute_change_set(ChangeSetName=set_)
    eventually(lambda: stack_of(cfn, name)["StackStatus"] == "CREATE_IN_PROGRESS")
    own.restart_after_kill()
    settled(cfn, name, "CREATE_COMPLETE")
    assert {s["StackStatus"] for s in cfn.describe_stacks()["Stacks"]} == {"CREATE_COMPLETE"}
    assert len(cfn.describe_stacks()["Stacks"]) == 23


def test_the_cli_reviews_nested_stacks(cfn, server, templates, name):
    """`aws cloudformation` makes one, waits for it, and executes it."""
    url = templates.put("inner.json", child(Queue=queue(f"{name}-inner")))
    body = json.dumps({"Resources": {"Nested": nested(url)}})
    named = ("--stack-name", name, "--change-set-name", "first")
    server.run(*AWS, "cloudformation", "create-change-set", *named, "--change-set-type", "CREATE", "--template-body", body,
               "--include-nested-stacks")
    server.run(*AWS, "cloudformation", "wait", "change-set-create-complete", *named)
    told = server.run(*AWS, "cloudformation", "describe-change-set", *named, "--output", "json").stdout
    assert json.loads(told)["Changes"][0]["ResourceChange"]["ChangeSetId"].startswith("arn:aws:cloudformation:")
    server.run(*AWS, "cloudformation", "execute-change-set", *named)
    settled(cfn, name, "CREATE_COMPLETE")
    assert queues(server, name) == [f"{name}-inner"]
    delete(cfn, name)
