"""What templates may say: rules, loops and functions of the language extensions; and what protects stacks.

Sources: the CloudFormation template reference, "Rules", "AWS::LanguageExtensions transform", "Fn::ForEach"; the user
guide, "Prevent updates to stack resources".
"""

import json

import pytest

from support import refused, unique
from test_cloudformation import create, delete, outputs, queues, resources, settled, stack_of, update


@pytest.fixture
def cfn(server):
    return server.client("cloudformation")


def given(**values):
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


RULES = {
    "Parameters": {"Stage": {"Type": "String"}, "Size": {"Type": "String"},
                   "Names": {"Type": "CommaDelimitedList", "Default": "a,b"}},
    "Rules": {
        "Production": {"RuleCondition": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}, "Assertions": [
            {"Assert": {"Fn::Contains": [["large", "huge"], {"Ref": "Size"}]}, "AssertDescription": "Production is large"},
            {"Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}]}}]},
        "Members": {"Assertions": [
            {"Assert": {"Fn::Or": [{"Fn::EachMemberIn": [{"Ref": "Names"}, ["a", "b", "c"]]},
                                   {"Fn::EachMemberEquals": [{"Fn::RefAll": "CommaDelimitedList"}, ["x"]]}]},
             "AssertDescription": "Names are a, b or c"}]}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


def test_rules(cfn, name):
    with refused("ValidationError", text="Production is large"):
        create(cfn, name, RULES, Parameters=given(Stage="prod", Size="small"))
    with refused("ValidationError", text="Names are a, b or c"):
        create(cfn, name, RULES, Parameters=given(Stage="test", Size="small", Names="a,z"))
    create(cfn, name, RULES, Parameters=given(Stage="test", Size="small"))
    with refused("ValidationError", text="Production is large"):
        cfn.update_stack(StackName=name, UsePreviousTemplate=True, Parameters=given(Stage="prod", Size="small"))
    update(cfn, name, {**RULES, "Outputs": {"Stage": {"Value": {"Ref": "Stage"}}}},
           Parameters=given(Stage="prod", Size="huge"))
    delete(cfn, name)
    for wrong in [{"A": {}}, {"A": {"Assertions": [{"Assert": {"Fn::Maybe": []}}]}},
                  {"A": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "Queue"}, "x"]}}]}},
                  {"A": {"Assertions": [{"Assert": {"Fn::Contains": [{"Fn::ValueOfAll": ["AWS::EC2::VPC::Id", "Tags.a"]}, "x"]}}]}}]:
        with refused("ValidationError", text="[/Rules/A]"):
            create(cfn, unique(), {"Rules": wrong, "Resources": RULES["Resources"]})


LOOPS = {
    "Transform": "AWS::LanguageExtensions",
    "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "orders,bills"},
                   "Prefix": {"Type": "String"}, "Keep": {"Type": "String", "Default": "Delete"}},
    "Mappings": {"Delays": {"orders": {"Seconds": "3"}}},
    "Conditions": {"Two": {"Fn::Equals": [{"Fn::Length": {"Ref": "Names"}}, 2]}},
    "Resources": {
        "Fn::ForEach::Queues": ["Name", {"Ref": "Names"}, {
            "Queue${Name}": {"Type": "AWS::SQS::Queue", "DeletionPolicy": {"Ref": "Keep"}, "Properties": {
                "QueueName": {"Fn::Sub": "${Prefix}-${Name}"},
                "DelaySeconds": {"Fn::FindInMap": ["Delays", {"Ref": "Name"}, "Seconds", {"DefaultValue": "7"}]}}}}],
        "Fn::ForEach::Topics": ["A", ["x.1", "y.2"], {
            "Fn::ForEach::Inner": ["B", ["p", "q"], {
                "Topic&{A}${B}": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "of ${A} and ${B}"}}}]}],
        "Only": {"Type": "AWS::SQS::Queue", "Condition": "Two"}},
    "Outputs": {
        "Fn::ForEach::Urls": ["Name", {"Ref": "Names"}, {
            "Url${Name}": {"Value": {"Fn::GetAtt": [{"Fn::Sub": "Queue${Name}"}, "QueueName"]}}}],
        "Json": {"Value": {"Fn::ToJsonString": {"count": {"Fn::Length": {"Ref": "Names"}},
                                                "queue": {"Fn::GetAtt": ["Queueorders", "QueueName"]}}}}}}


def test_language_extensions(cfn, server, name):
    parameters = given(Prefix=name)
    with refused("InsufficientCapabilitiesException", text="CAPABILITY_AUTO_EXPAND"):
        create(cfn, name, LOOPS, Parameters=parameters)
    acknowledged = {"Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
    made = create(cfn, name, LOOPS, Parameters=parameters, **acknowledged)
    assert set(resources(cfn, name)) == {"Queueorders", "Queuebills", "Topicx1p", "Topicx1q", "Topicy2p", "Topicy2q", "Only"}
    found = outputs(made)
    assert json.loads(found["Json"]) == {"count": 2, "queue": f"{name}-orders"}
    assert found["Urlbills"] == f"{name}-bills"
    sqs, sns = server.client("sqs"), server.client("sns")
    delays = {q: sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=f"{name}-{q}")["QueueUrl"],
                                          AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]
              for q in ("orders", "bills")}
    assert delays == {"orders": "3", "bills": "7"}
    topic = resources(cfn, name)["Topicx1q"]["PhysicalResourceId"]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "of x.1 and q"
    original = cfn.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    processed = cfn.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    original, processed = (json.loads(t) if isinstance(t, str) else t for t in (original, processed))
    assert "Fn::ForEach::Queues" in original["Resources"] and "Queueorders" in processed["Resources"]
    cfn.update_stack(StackName=name, UsePreviousTemplate=True, Parameters=given(Prefix=name, Names="orders", Keep="Retain"),
                     **acknowledged)
    settled(cfn, name, "UPDATE_COMPLETE")
    assert "Queuebills" not in resources(cfn, name) and "Only" not in resources(cfn, name)
    delete(cfn, name)
    assert queues(server, name) == [f"{name}-orders"]


@pytest.mark.parametrize("change, why", [
    ({"Fn::ForEach::A": ["X", {"Ref": "Queue"}, {"Q${X}": {"Type": "AWS::SQS::Queue"}}]}, "cannot be resolved"),
    ({"Fn::ForEach::A": ["X", [], {"Q${X}": {"Type": "AWS::SQS::Queue"}}]}, "the collection is empty"),
    ({"Fn::ForEach::A": ["X", ["a", "b"], {"Q": {"Type": "AWS::SQS::Queue"}}]}, "gives the key Q twice"),
    ({"Fn::ForEach::A": ["X", ["a"]]}, "takes a list of an identifier"),
    ({"Fn::ForEach::A-B": ["X", ["a"], {"Q": {"Type": "AWS::SQS::Queue"}}]}, "must be alphanumeric"),
    ({"Fn::ForEach::A": ["X", [str(n) for n in range(400)], {
        "Fn::ForEach::B": ["Y", [str(n) for n in range(400)], {
            "Fn::ForEach::C": ["Z", [str(n) for n in range(400)], {
                "Q${X}x${Y}x${Z}": {"Type": "AWS::SQS::Queue"}}]}]}]}, "once its loops are unrolled"),
])
def test_loops_that_are_none(cfn, name, change, why):
    template = {"Transform": ["AWS::LanguageExtensions"], "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, **change}}
    with refused("ValidationError", text=why):
        cfn.create_stack(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_AUTO_EXPAND"])


def test_extensions_need_their_transform(cfn, name):
    for function in [{"Fn::Length": ["a"]}, {"Fn::FindInMap": ["A", "b", "c", {"DefaultValue": 1}]}]:
        template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": function}}}}
        with refused("ValidationError", text="requires the AWS::LanguageExtensions transform"):
            create(cfn, name, template)


def policy(*statements):
    return json.dumps({"Statement": [{"Principal": "*", **s} for s in statements]})


ALL = {"Effect": "Allow", "Action": "Update:*", "Resource": "*"}


def test_stack_policies(cfn, server, name):
    def body(delay=1, suffix="a", extra=True):
        made = {"Kept": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{name}-{suffix}", "DelaySeconds": delay}},
                "Other": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": delay}}}
        return {"Resources": {**made, **({"Extra": {"Type": "AWS::SNS::Topic"}} if extra else {})}}

    guarded = policy(ALL, {"Effect": "Deny", "Action": ["Update:Replace"], "Resource": "LogicalResourceId/Kept"},
                     {"Effect": "Deny", "Action": "Update:Delete", "Resource": "*",
                      "Condition": {"StringEquals": {"ResourceType": ["AWS::SNS::Topic"]}}})
    create(cfn, name, body(), StackPolicyBody=guarded)
    assert json.loads(cfn.get_stack_policy(StackName=name)["StackPolicyBody"]) == json.loads(guarded)
    update(cfn, name, body(delay=2))
    reasons = (lambda: [e.get("ResourceStatusReason", "") for e in cfn.describe_stack_events(StackName=name)["StackEvents"]])
    update(cfn, name, body(delay=3, suffix="b"), "UPDATE_ROLLBACK_COMPLETE")
    assert any("Action denied by stack policy: Statement [#2] does not allow [Update:Replace] for resource "
               "[LogicalResourceId/Kept]" in r for r in reasons())
    update(cfn, name, body(delay=3, extra=False), "UPDATE_ROLLBACK_COMPLETE")
    assert any("[#3] does not allow [Update:Delete]" in r for r in reasons())
    assert "Extra" in resources(cfn, name) and queues(server, name)[0].startswith(name)
    # For one update alone, another one.
    update(cfn, name, body(delay=3, suffix="b"), StackPolicyDuringUpdateBody=policy(ALL))
    assert json.loads(cfn.get_stack_policy(StackName=name)["StackPolicyBody"]) == json.loads(guarded)
    cfn.set_stack_policy(StackName=name, StackPolicyBody=policy())
    update(cfn, name, body(delay=4, suffix="b"), "UPDATE_ROLLBACK_COMPLETE")
    assert any("no statement allows [Update:Modify]" in r for r in reasons())
    with refused("ValidationError", text="Error validating stack policy: Unknown action Update:Everything"):
        cfn.set_stack_policy(StackName=name, StackPolicyBody=policy({**ALL, "Action": "Update:Everything"}))
    # Deletions are not updates.
    delete(cfn, name)


def test_drift_is_refused_by_name(cfn, name):
    create(cfn, name, {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    with refused(("InvalidAction", "ValidationError", "NotImplemented", "UnknownOperationException"), text="DetectStackDrift"):
        cfn.detect_stack_drift(StackName=name)
    assert stack_of(cfn, name)["DriftInformation"]["StackDriftStatus"] == "NOT_CHECKED"
    delete(cfn, name)


def import_set(cfn, stack, template, *imports):
    set_ = cfn.create_change_set(StackName=stack, ChangeSetName=unique("import"), ChangeSetType="IMPORT",
                                 TemplateBody=json.dumps(template), ResourcesToImport=[
        {"ResourceType": kind, "LogicalResourceId": logical, "ResourceIdentifier": identifier}
        for logical, kind, identifier in imports])["Id"]
    found = cfn.describe_change_set(ChangeSetName=set_)
    assert [c["ResourceChange"]["Action"] for c in found["Changes"]] == ["Import"] * len(imports)
    cfn.execute_change_set(ChangeSetName=set_)
    return found["StackId"]


def test_resources_are_imported(cfn, server, name):
    sqs, sns, s3 = (server.client(service) for service in ("sqs", "sns", "s3"))
    url = sqs.create_queue(QueueName=f"{name}-q", Attributes={"DelaySeconds": "7"})["QueueUrl"]
    topic = sns.create_topic(Name=f"{name}-t")["TopicArn"]
    s3.create_bucket(Bucket=f"{name}-b")
    kept = {"DeletionPolicy": "Retain"}
    template = {"Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", **kept, "Properties": {"QueueName": f"{name}-q", "DelaySeconds": 7}},
        "Topic": {"Type": "AWS::SNS::Topic", **kept, "Properties": {"TopicName": f"{name}-t"}}}}
    queue, subject = ("Queue", "AWS::SQS::Queue", {"QueueUrl": url}), ("Topic", "AWS::SNS::Topic", {"TopicArn": topic})
    stack = import_set(cfn, name, template, queue, subject)
    settled(cfn, stack, "IMPORT_COMPLETE")
    assert resources(cfn, name)["Queue"]["PhysicalResourceId"] == url
    template["Resources"]["Bucket"] = {"Type": "AWS::S3::Bucket", **kept, "Properties": {"BucketName": f"{name}-b"}}
    bucket = ("Bucket", "AWS::S3::Bucket", {"BucketName": f"{name}-b"})
    import_set(cfn, name, template, bucket)
    settled(cfn, stack, "IMPORT_COMPLETE")
    # From now on it is one of the stack's.
    template["Resources"]["Queue"]["Properties"]["DelaySeconds"] = 8
    update(cfn, name, template)
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["DelaySeconds"] == "8"

    missing = {"Type": "AWS::S3::Bucket", **kept, "Properties": {"BucketName": f"{name}-none"}}
    more = {"Resources": {**template["Resources"], "Missing": missing}}
    import_set(cfn, name, more, ("Missing", "AWS::S3::Bucket", {"BucketName": f"{name}-none"}))
    settled(cfn, stack, "IMPORT_ROLLBACK_COMPLETE")
    assert set(resources(cfn, name)) == {"Queue", "Topic", "Bucket"}
    delete(cfn, name)
    assert queues(server, name) == [f"{name}-q"]


def test_what_cannot_be_imported(cfn, server, name):
    url = server.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
    kept = {**queue, "DeletionPolicy": "Retain"}
    identity = ("Queue", "AWS::SQS::Queue", {"QueueUrl": url})
    for resources_, imports, why in [
        ({"Queue": queue}, [identity], "must have DeletionPolicy"),
        ({"Queue": kept, "Other": kept}, [identity], "you cannot modify or add [Other]"),
        ({"Queue": kept}, [], "You must specify ResourcesToImport"),
        ({"Queue": kept}, [("Queue", "AWS::SQS::Queue", {"QueueName": name})], "identified by its QueueUrl"),
        ({"Queue": kept}, [("Queue", "AWS::SNS::Subscription", {"Arn": "x"})], "not supported for Import"),
        ({"Queue": kept}, [("Nobody", "AWS::SQS::Queue", {"QueueUrl": url})], "[Nobody] to import"),
    ]:
        with refused("ValidationError", text=why):
            import_set(cfn, name, {"Resources": resources_}, *imports)
