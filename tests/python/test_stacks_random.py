"""What exists is what the template says: random templates are deployed, changed, broken and deleted, and the server
is killed in between. A failure prints its seed, which repeats it."""

import json
import os
import random

import pytest

from support import eventually, unique

SEEDS = [int(seed) for seed in os.environ.get("ROPEWAY_SEEDS", "1,2,3").split(",")]
STEPS = 8
DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
ROLLED_BACK = {"ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


class World:
    """The services of a server, and what is in them."""

    def __init__(self, server):
        self.server = server
        for service in ("cloudformation", "sqs", "sns", "s3", "logs"):
            setattr(self, service, server.client(service))
        self.templates = unique("templates")
        self.s3.create_bucket(Bucket=self.templates)

    def put(self, template):
        key = f"{abs(hash(json.dumps(template, sort_keys=True)))}.json"
        self.s3.put_object(Bucket=self.templates, Key=key, Body=json.dumps(template).encode())
        return f"{self.server.endpoint}/{self.templates}/{key}"

    def inventory(self):
        """Everything that stacks may have made: kind and physical id, with what can be seen of it."""
        found = {}
        for url in self.sqs.list_queues().get("QueueUrls", []):
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            found["queue", url] = attributes["DelaySeconds"], attributes["VisibilityTimeout"]
        for page in self.sns.get_paginator("list_topics").paginate():
            for topic in page["Topics"]:
                attributes = self.sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]
                found["topic", topic["TopicArn"]] = attributes["DisplayName"]
        for page in self.sns.get_paginator("list_subscriptions").paginate():
            for one in page["Subscriptions"]:
                found["subscription", one["SubscriptionArn"]] = one["TopicArn"], one["Endpoint"].rsplit(":", 1)[1]
        for bucket in self.s3.list_buckets()["Buckets"]:
            if bucket["Name"] != self.templates:
                tags = self.s3.get_bucket_tagging(Bucket=bucket["Name"])["TagSet"]
                # CloudFormation's own: test_stack_tags.py looks at them.
                found["bucket", bucket["Name"]] = [tag for tag in tags if not tag["Key"].startswith("aws:")]
        for page in self.logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                found["group", group["logGroupName"]] = group.get("retentionInDays")
        return found

    def resources(self, stack):
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        found = [r for page in pages for r in page["StackResourceSummaries"]]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found if "DELETE" not in r["ResourceStatus"]}


class Writer:
    """Writes random templates: some resources stay from one to the next, some change, some go."""

    def __init__(self, rng, world):
        self.rng, self.world, self.names = rng, world, 0

    def _name(self):
        self.names += 1
        return unique("r")

    def resource(self, kind):
        rng = self.rng
        if kind == "queue":
            properties = {"DelaySeconds": rng.randrange(5), "VisibilityTimeout": rng.randrange(20, 25)}
            return {"Type": "AWS::SQS::Queue", "Properties": {**properties, **self._maybe("QueueName")}}
        if kind == "topic":
            shown = {"DisplayName": {"Fn::Sub": rng.choice(["plain", "${AWS::StackName}"])}}
            return {"Type": "AWS::SNS::Topic", "Properties": {**shown, **self._maybe("TopicName")}}
        if kind == "bucket":
            tag = {"Key": "version", "Value": rng.choice(["1", "2", "3"])}
            return {"Type": "AWS::S3::Bucket", "Properties": {"Tags": [tag], **self._maybe("BucketName")}}
        if kind == "group":
            return {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": rng.choice([1, 3, 5, 7]), **self._maybe("LogGroupName")}}
        inner = {f"I{n}": self.resource(rng.choice(["queue", "topic"])) for n in range(rng.randrange(1, 3))}
        return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": self.world.put({"Resources": inner})}}

    def _maybe(self, name):
        return {name: self._name()} if self.rng.random() < 0.3 else {}

    def template(self, before):
        rng, made = self.rng, {}
        for id_, resource in (before or {}).items():
            if resource["Type"] != "AWS::SNS::Subscription" and rng.random() < 0.7:
                made[id_] = resource
        while len(made) < rng.randrange(3, 9):
            kind = rng.choice(["queue", "queue", "topic", "bucket", "group", "nested"])
            made[f"{kind.title()}{rng.randrange(6)}"] = self.resource(kind)
        of = {kind: [id_ for id_ in made if id_.startswith(kind.title())] for kind in ("queue", "topic")}
        pairs = [(topic, queue) for topic in of["topic"] for queue in of["queue"]]
        for n, (topic, queue) in enumerate(rng.sample(pairs, min(len(pairs), rng.randrange(3)))):
            made[f"Sub{n}"] = {"Type": "AWS::SNS::Subscription", "Properties": {
                "Protocol": "sqs", "TopicArn": {"Ref": topic}, "Endpoint": {"Fn::GetAtt": [queue, "Arn"]}}}
        for id_ in made:
            others = [other for other in made if other < id_]
            made[id_] = {k: v for k, v in made[id_].items() if k != "DependsOn"}
            if others and rng.random() < 0.3:
                made[id_]["DependsOn"] = rng.choice(others)
        return made

    def broken(self, resources):
        """The same with a resource that cannot be, behind some of the others."""
        behind = self.rng.sample(sorted(resources), self.rng.randrange(len(resources) + 1))
        bad = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}}
        return {**resources, "Broken": {**bad, **({"DependsOn": behind} if behind else {})}}


def expected(world, stack, name, resources):
    """What must exist of a stack's template, in the inventory's form; its nested stacks' too."""
    ids, wanted = world.resources(stack), {}
    assert set(ids) == set(resources), (set(ids), set(resources))
    for id_, resource in resources.items():
        physical, properties = ids[id_], resource.get("Properties", {})
        match resource["Type"].rsplit("::", 1)[1]:
            case "Queue":
                wanted["queue", physical] = str(properties["DelaySeconds"]), str(properties["VisibilityTimeout"])
                assert physical.endswith(f"/{properties.get('QueueName', '')}") or "QueueName" not in properties
            case "Topic":
                wanted["topic", physical] = properties["DisplayName"]["Fn::Sub"].replace("${AWS::StackName}", name)
            case "Bucket":
                wanted["bucket", physical] = properties["Tags"]
            case "LogGroup":
                wanted["group", physical] = properties["RetentionInDays"]
            case "Subscription":
                queue = ids[properties["Endpoint"]["Fn::GetAtt"][0]].rsplit("/", 1)[1]
                wanted["subscription", physical] = ids[properties["TopicArn"]["Ref"]], queue
            case "Stack":
                key = properties["TemplateURL"].rsplit("/", 1)[1]
                inner = json.load(world.s3.get_object(Bucket=world.templates, Key=key)["Body"])["Resources"]
                child = world.cloudformation.describe_stacks(StackName=physical)["Stacks"][0]
                wanted.update(expected(world, physical, child["StackName"], inner))
    return wanted


def settle(world, stack, rng, kills):
    """Until the stack stands still; the server is killed so many times on the way, at any moment."""
    def look():
        found = world.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found["StackStatus"]

    for _ in range(kills):
        for _ in range(rng.randrange(12)):
            if look():
                break
        world.server.restart_after_kill()
    return eventually(look, f"the end of {stack}", 90)


def change(world, rng, stack, resources, exists, broken):
    template = json.dumps({"Resources": resources})
    call = world.cloudformation.update_stack if exists else world.cloudformation.create_stack
    try:
        identity = call(StackName=stack, TemplateBody=template)["StackId"]
    except world.cloudformation.exceptions.ClientError as error:
        assert "No updates are to be performed" in str(error), error
        return stack, "UPDATE_COMPLETE"
    status = settle(world, identity, rng, rng.randrange(3))
    events = world.cloudformation.describe_stack_events(StackName=identity)["StackEvents"]
    reasons = [(e["LogicalResourceId"], e.get("ResourceStatusReason")) for e in events if "FAILED" in e["ResourceStatus"]]
    assert status in (ROLLED_BACK if broken else DONE), (status, reasons)
    return identity, status


@pytest.mark.parametrize("seed", SEEDS)
def test_what_exists_is_what_the_template_says(own, seed):
    rng, world = random.Random(seed), World(own)
    writer, stack, current, identity = Writer(rng, world), unique("s"), None, None
    for step in range(STEPS):
        action = rng.choice(["change", "change", "break", "delete"]) if current else rng.choice(["change", "change", "break"])
        print(f"seed {seed}, step {step}: {action}")
        if action == "delete":
            world.cloudformation.delete_stack(StackName=stack)
            assert settle(world, identity, rng, rng.randrange(3)) == "DELETE_COMPLETE"
            current = None
        else:
            wanted = writer.template(current)
            given = writer.broken(wanted) if action == "break" else wanted
            identity, status = change(world, rng, stack, given, current is not None, action == "break")
            if action == "change":
                current = wanted
            elif status == "ROLLBACK_COMPLETE":
                world.cloudformation.delete_stack(StackName=stack)
                assert settle(world, identity, rng, 0) == "DELETE_COMPLETE"
        there = expected(world, identity, stack, current) if current else {}
        assert world.inventory() == there, f"seed {seed}, step {step}: {action}"
