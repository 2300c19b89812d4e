"""Updates that are given up while somebody outside is waited for.

Source: the API reference, `CancelUpdateStack`.
"""

from support import eventually
from test_cloudformation import cfn, resources, settled, stack_of  # noqa: F401
from test_custom_resources import begin, provider, reasons  # noqa: F401
from test_nested_stacks import Templates, nested


# Cancelling an update: the API reference, `CancelUpdateStack`; the reasons are those of events as users report them.
def test_a_cancelled_update_waits_for_no_answer(cfn, provider, name):
    queue = {"Type": "AWS::SQS::Queue"}
    begin(cfn, name, {"Resources": {"Queue": queue, "Old": provider.resource(A=1)}})
    provider.answer(provider.take(), physical_id="old")
    settled(cfn, name, "CREATE_COMPLETE")

    # An update that waits: the resource is asked to be what it was.
    begin(cfn, name, {"Resources": {"Queue": queue, "Old": provider.resource(A=2)}}, "update_stack")
    asked = provider.take()
    cfn.cancel_update_stack(StackName=name)
    back = provider.take()
    assert (back["RequestType"], back["ResourceProperties"]["A"], back["OldResourceProperties"]["A"]) == ("Update", "1", "2")
    assert provider.answer(asked, physical_id="late") == 403
    provider.answer(back, physical_id="old")
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    assert "Resource update cancelled" in reasons(cfn, name)
    assert resources(cfn, name)["Old"]["PhysicalResourceId"] == "old"

    # A creation that waits: whatever came of it is deleted.
    begin(cfn, name, {"Resources": {"Queue": queue, "Old": provider.resource(A=1), "New": provider.resource()}}, "update_stack")
    asked = provider.take()
    assert (asked["RequestType"], asked["LogicalResourceId"]) == ("Create", "New")
    cfn.cancel_update_stack(StackName=name)
    gone = provider.take()
    assert (gone["RequestType"], gone["LogicalResourceId"]) == ("Delete", "New")
    provider.answer(gone, physical_id=gone["PhysicalResourceId"])
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    assert "Resource creation cancelled" in reasons(cfn, name) and set(resources(cfn, name)) == {"Queue", "Old"}
    cfn.delete_stack(StackName=name)
    provider.answer(provider.take(), physical_id="old")


def test_a_cancelled_update_cancels_those_of_nested_stacks(cfn, provider, server, name):
    templates = Templates(server)
    inner = {"Resources": {"Thing": provider.resource(A=1)}}
    outer = {"Resources": {"Nested": nested(templates.put("inner.json", inner))}}
    begin(cfn, name, outer)
    provider.answer(provider.take())
    settled(cfn, name, "CREATE_COMPLETE")
    id_ = resources(cfn, name)["Nested"]["PhysicalResourceId"]
    templates.put("inner.json", {"Resources": {"Thing": provider.resource(A=2)}})
    begin(cfn, name, outer, "update_stack")
    provider.take()
    cfn.cancel_update_stack(StackName=name)
    provider.answer(provider.take())
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    assert stack_of(cfn, id_)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Resource update cancelled" in reasons(cfn, id_)

    # A nested stack that is new goes again.
    waits = templates.put("waits.json", {"Resources": {"Thing": provider.resource(A=3)}})
    templates.put("inner.json", inner)
    begin(cfn, name, {"Resources": {**outer["Resources"], "More": nested(waits)}}, "update_stack")
    asked = provider.take()
    more = asked["StackId"]
    assert asked["RequestType"] == "Create" and "-More-" in more
    cfn.cancel_update_stack(StackName=name)
    eventually(lambda: stack_of(cfn, more)["StackStatus"] == "DELETE_IN_PROGRESS")
    # A deletion waits to hear what there is to delete.
    provider.answer(asked)
    gone = provider.take()
    assert (gone["RequestType"], gone["StackId"]) == ("Delete", more)
    provider.answer(gone, physical_id=gone["PhysicalResourceId"])
    settled(cfn, name, "UPDATE_ROLLBACK_COMPLETE")
    assert stack_of(cfn, more)["StackStatus"] == "DELETE_COMPLETE" and set(resources(cfn, name)) == {"Nested"}
    cfn.delete_stack(StackName=name)
    provider.answer(provider.take())
