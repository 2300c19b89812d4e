"""Creation policies of wait conditions, and the signals that they wait for.

Source: the template reference, "CreationPolicy attribute"; the API reference, `SignalResource`. Messages are those that
users of `cfn-signal` report.
"""

import pytest

from support import eventually, refused, unique
from test_cloudformation import cfn, create, delete, outputs, resources, settled, stack_of  # noqa: F401
from test_custom_resources import begin, reasons

CONDITION = "AWS::CloudFormation::WaitCondition"


def waiting(count=1, timeout="PT1M", **properties):
    condition = {"Type": CONDITION, "CreationPolicy": {"ResourceSignal": {"Count": count, "Timeout": timeout}}}
    if properties:
        condition["Properties"] = properties
    return {"Parameters": {"Many": {"Type": "Number", "Default": "2"}},
            "Resources": {"Ready": condition, "After": {"Type": "AWS::SQS::Queue", "DependsOn": "Ready"}},
            "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["Ready", "Data"]}}}}


def wait(cfn, name, **changed):
    """A stack that has come to wait for its signals."""
    begin(cfn, name, waiting(**changed))
    eventually(lambda: "Ready" in resources(cfn, name))


def signal(cfn, name, unique_id, status="SUCCESS", resource="Ready"):
    cfn.signal_resource(StackName=name, LogicalResourceId=resource, UniqueId=unique_id, Status=status)


def test_a_creation_waits_for_its_signals(own):
    cfn, name = own.client("cloudformation"), unique()
    wait(cfn, name, count={"Ref": "Many"})
    signal(cfn, name, "a")
    with refused("ValidationError", 400, "Signal with ID a for resource Ready already exists. Signals may only be updated "
                                         "with a FAILURE status."):
        signal(cfn, name, "a")
    own.restart_after_kill()
    assert stack_of(cfn, name)["StackStatus"] == "CREATE_IN_PROGRESS" and "After" not in resources(cfn, name)
    arn = stack_of(cfn, name)["StackId"]
    signal(cfn, arn, "b")
    made = settled(cfn, name, "CREATE_COMPLETE")
    assert outputs(made)["Data"] == "{}"
    events = cfn.describe_stack_events(StackName=name)["StackEvents"]
    told = [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in reversed(events)]
    received = [("Ready", "CREATE_IN_PROGRESS", f"Received SUCCESS signal with UniqueId {n}") for n in "ab"]
    assert [one for one in told if one in received] == received
    assert told.index(received[1]) < told.index(("Ready", "CREATE_COMPLETE", None))
    with refused("ValidationError", 400, f"Stack {arn} is in CREATE_COMPLETE state and cannot be signaled"):
        signal(cfn, name, "c")
    # Another policy alone is no change.
    with refused("ValidationError", 400, "No updates are to be performed."):
        begin(cfn, name, waiting(count=5), "update_stack")


def test_failures_and_silence(own):
    cfn, failed, late = own.client("cloudformation"), unique(), unique()
    wait(cfn, failed, count=2)
    signal(cfn, failed, "a")
    signal(cfn, failed, "a", "FAILURE")
    settled(cfn, failed, "ROLLBACK_COMPLETE")
    assert "Received FAILURE signal with UniqueId a" in reasons(cfn, failed)
    wait(cfn, late, count=3)
    signal(cfn, late, "a")
    own.advance(61)
    settled(cfn, late, "ROLLBACK_COMPLETE")
    assert "Failed to receive 2 resource signal(s) within the specified duration" in reasons(cfn, late)


def test_a_condition_that_an_update_adds(cfn):
    name = unique()
    whole = waiting()
    first = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    create(cfn, name, first)
    begin(cfn, name, whole, "update_stack")
    eventually(lambda: "Ready" in resources(cfn, name))
    signal(cfn, name, "x")
    settled(cfn, name, "UPDATE_COMPLETE")
    delete(cfn, name)


def test_what_waits_for_nothing(cfn):
    name = unique()
    wait(cfn, name)
    with refused("ValidationError", 400, f"Resource None does not exist for stack {name}"):
        signal(cfn, name, "a", resource="None")
    with refused("ValidationError", 400, "does not exist"):
        signal(cfn, unique(), "a")
    with refused("ValidationError", 400):
        signal(cfn, name, "x" * 65)
    with refused("ValidationError", 400):
        signal(cfn, name, "a", "MAYBE")
    # A deletion does not wait for signals.
    delete(cfn, name)


@pytest.mark.parametrize(("change", "why"), [
    ({"Type": "AWS::SQS::Queue"}, "CreationPolicy of resource Ready is not supported: resources of type AWS::SQS::Queue have none"),
    ({"CreationPolicy": {"AutoScalingCreationPolicy": {}}}, "CreationPolicy of resource Ready does not support AutoScalingCreationPolicy"),
    ({"CreationPolicy": {"ResourceSignal": {"Counts": 1}}}, "CreationPolicy of resource Ready does not support Counts"),
    ({"CreationPolicy": {"ResourceSignal": {"Count": -1}}}, "CreationPolicy of resource Ready must have a Count from 0 to 500"),
    ({"CreationPolicy": {"ResourceSignal": {"Timeout": "PT13H"}}}, "CreationPolicy of resource Ready must have a Timeout"),
    ({"CreationPolicy": {"ResourceSignal": {"Timeout": "5 minutes"}}}, "CreationPolicy of resource Ready must have a Timeout"),
    ({"CreationPolicy": {"ResourceSignal": {"Count": {"Ref": "Nothing"}}}}, "Unresolved resource dependencies [Nothing]"),
    ({"Properties": {"Timeout": 5}}, "extraneous key [Timeout] is not permitted"),
    ({"UpdatePolicy": {}}, "UpdatePolicy of resource Ready is not supported"),
])
def test_policies_that_are_refused(cfn, change, why):
    template = waiting()
    template["Resources"]["Ready"].update(change)
    name = unique()
    with refused("ValidationError", 400, why):
        begin(cfn, name, template)
    with refused("ValidationError", 400, "does not exist"):
        stack_of(cfn, name)


def cancelled(cfn, name, what):
    """The end of an update that is given up, with why a resource of it failed."""
    cfn.cancel_update_stack(StackName=name)
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    told = [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason"))
            for e in cfn.describe_stack_events(StackName=name)["StackEvents"]]
    assert what in told, told
    assert any("User Initiated Cancel" in (why or "") for id_, status, why in told
               if (id_, status) == (name, "UPDATE_ROLLBACK_IN_PROGRESS")), told
    return told


# Cancelling an update: the API reference, `CancelUpdateStack`; the reasons are those of events as users report them.
def test_a_cancelled_update_waits_for_no_signal(cfn):
    name, first = unique(), {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    create(cfn, name, first)
    begin(cfn, name, {"Resources": {**first["Resources"], **waiting(timeout="PT12H")["Resources"]}}, "update_stack")
    eventually(lambda: "Ready" in resources(cfn, name))
    told = cancelled(cfn, name, ("Ready", "CREATE_FAILED", "Resource creation cancelled"))
    assert not [one for one in told if one[0] == "After"] and set(resources(cfn, name)) == {"Queue"}
    with refused("ValidationError", 400, "CancelUpdateStack cannot be called from current stack status UPDATE_ROLLBACK_COMPLETE"):
        cfn.cancel_update_stack(StackName=name)
    delete(cfn, name)


def test_a_cancelled_update_waits_for_no_handle(cfn):
    name, queue = unique(), {"Type": "AWS::SQS::Queue"}
    create(cfn, name, {"Resources": {"Queue": queue}})
    waits = {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
             "Wait": {"Type": CONDITION, "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "43200"}}}
    begin(cfn, name, {"Resources": {"Queue": queue, **waits}}, "update_stack")
    eventually(lambda: "Wait" in resources(cfn, name))
    cancelled(cfn, name, ("Wait", "CREATE_FAILED", "Resource creation cancelled"))
    delete(cfn, name)


def test_a_cancellation_outlives_a_kill(own):
    cfn, name, queue = own.client("cloudformation"), unique(), {"Type": "AWS::SQS::Queue"}
    create(cfn, name, {"Resources": {"Queue": queue}})
    begin(cfn, name, {"Resources": {"Queue": queue, **waiting(timeout="PT12H")["Resources"]}}, "update_stack")
    eventually(lambda: "Ready" in resources(cfn, name))
    cfn.cancel_update_stack(StackName=name)
    own.restart_after_kill()
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
