"""What SNS refuses, and in which words.

Sources: "recorded" are AWS's own answers, as LocalStack's tests have recorded them (tests/aws/services/sns/
test_sns.snapshot.json, by the test that is named); the other rows are of the API reference's page of the operation.
"""

import json

import pytest

from support import ACCOUNT, REGION, refused, unique

INVALID, NONE = "InvalidParameter", "NotFound"
GONE = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
NO_TOPIC = "Topic does not exist"
FEW = "Invalid parameter: {} Reason: An ARN must have at least 6 elements, not {}"

# operation, input, code, status, message, source
ROWS = [
    ("get_topic_attributes", {"TopicArn": GONE}, NONE, 404, NO_TOPIC, "recorded: test_create_topic_with_attributes"),
    ("get_topic_attributes", {"TopicArn": "x"}, INVALID, 400, FEW.format("TopicArn", 1), "recorded: the same"),
    ("publish", {"TopicArn": "x:y", "Message": "m"}, INVALID, 400, FEW.format("TopicArn", 2), "recorded: test_publish_wrong_arn_format"),
    ("publish", {"TopicArn": "", "Message": "m"}, INVALID, 400, FEW.format("TopicArn", 1), "recorded: the same"),
    ("publish", {"TopicArn": GONE, "Message": "m"}, NONE, 404, NO_TOPIC, "recorded: test_unknown_topic_publish"),
    ("publish_batch", {"TopicArn": GONE, "PublishBatchRequestEntries": [{"Id": "1", "Message": "m"}]}, NONE, 404, NO_TOPIC,
     "recorded: test_publish_batch_messages_without_topic"),
    ("publish", {"TopicArn": "{t}", "Message": "m", "Subject": ""}, INVALID, 400, "Invalid parameter: Subject",
     "recorded: test_publish_with_empty_subject"),
    ("publish", {"TopicArn": "{t}", "Message": ""}, INVALID, 400, "Invalid parameter: Empty message", "recorded: test_empty_sns_message"),
    ("publish", {"TopicArn": "{t}", "Message": "x" * 262145}, INVALID, 400, "Invalid parameter: Message too long",
     "recorded: test_publish_too_long_message"),
    ("publish", {"TopicArn": "{t}", "Message": "{{}}", "MessageStructure": "json"}, INVALID, 400,
     "Invalid parameter: Message Structure - No default entry in JSON message body", "recorded: test_message_structure_json_exc"),
    ("publish", {"TopicArn": "{t}", "Message": "m", "MessageStructure": "json"}, INVALID, 400,
     "Invalid parameter: Message Structure - JSON message body failed to parse", "recorded: the same"),
    ("publish", {"TopicArn": "{t}", "Message": "m", "MessageDeduplicationId": "1"}, INVALID, 400,
     "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
     "valid for this topic type", "recorded: test_validations_for_fifo"),
    ("subscribe", {"TopicArn": "{t}", "Protocol": "test-protocol", "Endpoint": "e"}, INVALID, 400,
     "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol", "recorded: test_subscribe_with_invalid_protocol"),
    ("subscribe", {"TopicArn": "{t}", "Protocol": "sqs", "Endpoint": "https://sqs/0/q"}, INVALID, 400,
     "Invalid parameter: SQS endpoint ARN", "recorded: test_subscribe_to_sqs_with_queue_url"),
    ("subscribe", {"TopicArn": "{t}", "Protocol": "sqs", "Endpoint": "{q}", "Attributes": {"RawMessageDelivery": "wrongvalue"}}, INVALID,
     400, "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.",
     "recorded: test_create_subscriptions_with_attributes"),
    ("subscribe", {"TopicArn": "{t}", "Protocol": "sqs", "Endpoint": "{q}.fifo"}, INVALID, 400,
     "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
     "recorded: test_validations_for_fifo"),
    ("get_subscription_attributes", {"SubscriptionArn": "{s}0"}, NONE, 404, "Subscription does not exist",
     "recorded: test_create_subscriptions_with_attributes"),
    ("get_subscription_attributes", {"SubscriptionArn": "x"}, INVALID, 400, FEW.format("SubscriptionArn", 1),
     "recorded: test_delete_subscriptions_on_delete_topic"),
    *(("set_subscription_attributes", {"SubscriptionArn": "{s}", "AttributeName": name, "AttributeValue": value}, INVALID, 400,
       f"Invalid parameter: {why}", "recorded: test_validate_set_sub_attributes") for name, value, why in (
        ("FakeAttribute", "x", "AttributeName"),
        ("RawMessageDelivery", "test-ValUe", "RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."),
        ("RawMessageDelivery", "", "RawMessageDelivery: Invalid value []. Must be true or false."),
        ("RedrivePolicy", '{{"deadLetterTargetArn": "fake-arn"}}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ("RedrivePolicy", "{{invalid", "RedrivePolicy: failed to parse JSON."),
        ("FilterPolicy", "{{invalid", "FilterPolicy: failed to parse JSON."))),
    ("confirm_subscription", {"TopicArn": "{t}", "Token": "randomtoken"}, INVALID, 400, "Invalid token",
     "recorded: test_sns_confirm_subscription_wrong_token"),
    *(("confirm_subscription", {"TopicArn": arn, "Token": "5" * 128}, INVALID, 400, "Invalid parameter: Token", "recorded: the same")
      for arn in ("{t}", GONE)),
    ("tag_resource", {"ResourceArn": "{t}", "Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}, INVALID, 400,
     "Invalid parameter: Duplicated keys are not allowed.", "recorded: test_tags"),
    ("tag_resource", {"ResourceArn": GONE, "Tags": [{"Key": "k", "Value": "1"}]}, "ResourceNotFound", 404, "Resource does not exist",
     "API_TagResource, Errors"),
    ("untag_resource", {"ResourceArn": GONE, "TagKeys": ["k"]}, "ResourceNotFound", 404, "Resource does not exist", "API_UntagResource, Errors"),
    ("set_topic_attributes", {"TopicArn": "{t}", "AttributeName": "Colour", "AttributeValue": "x"}, INVALID, 400,
     "Invalid parameter: AttributeName", "API_SetTopicAttributes, AttributeName"),
    *(("set_topic_attributes", {"TopicArn": "{t}", "AttributeName": name, "AttributeValue": value}, INVALID, 400, f"Invalid parameter: {name}",
       "API_SetTopicAttributes, values of the attribute") for name, value in (
        ("SignatureVersion", "3"), ("MaximumMessageSize", "1023"), ("MaximumMessageSize", "1048577"), ("DisplayName", "x" * 101),
        ("SQSSuccessFeedbackSampleRate", "101"), ("HTTPFailureFeedbackRoleArn", "nobody"))),
    ("add_permission", {"TopicArn": GONE, "Label": "l", "AWSAccountId": [ACCOUNT], "ActionName": ["Publish"]}, NONE, 404, NO_TOPIC,
     "API_AddPermission, Errors"),
    ("remove_permission", {"TopicArn": GONE, "Label": "l"}, NONE, 404, NO_TOPIC, "API_RemovePermission, Errors"),
    ("list_subscriptions_by_topic", {"TopicArn": GONE}, NONE, 404, NO_TOPIC, "API_ListSubscriptionsByTopic, Errors"),
    *((operation, {**given, "NextToken": "!"}, INVALID, 400, "Invalid parameter: NextToken", f"{operation}: InvalidParameter")
      for operation, given in (("list_topics", {}), ("list_subscriptions", {}), ("list_subscriptions_by_topic", {"TopicArn": "{t}"}))),
]

# What is wrong with an attribute of a message; its name, its type and value, what is said.
# Source: recorded, test_empty_or_wrong_message_attributes.
TYPES = "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
ATTRIBUTES = [
    ("a", {"DataType": "String", "StringValue": ""},
     "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."),
    ("a", {"DataType": "String"},
     "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."),
    ("a", {"DataType": "Binary", "BinaryValue": b""},
     "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'Binary'."),
    ("a", {"DataType": "String", "BinaryValue": b"x"}, "The message attribute 'a' with type 'String' must use field 'String'."),
    ("a", {"DataType": "Number", "BinaryValue": b"x"}, "The message attribute 'a' with type 'Number' must use field 'String'."),
    ("a", {"DataType": "Binary", "StringValue": "x"}, "The message attribute 'a' with type 'Binary' must use field 'Binary'."),
    ("a", {"DataType": "StringOther", "StringValue": "x"}, TYPES),
    ("a" * 257, {"DataType": "String", "StringValue": "x"}, "Length of message attribute name must be less than 256 bytes."),
    ("a^b", {"DataType": "String", "StringValue": "x"},
     "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric "
     "characters, hyphens, underscores, or dots."),
    (".a", {"DataType": "String", "StringValue": "x"}, "Invalid message attribute name starting with character '.' was found."),
    ("a.", {"DataType": "String", "StringValue": "x"}, "Invalid message attribute name ending with character '.' was found."),
    ("a..b", {"DataType": "String", "StringValue": "x"}, "Message attribute name can not have successive '.' character."),
]


@pytest.fixture(scope="module")
def world(server):
    """A topic, a FIFO topic, a queue and its subscription: what rows name in braces."""
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name=unique("errors"))["TopicArn"]
    fifo = sns.create_topic(Name=unique("errors") + ".fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    name = unique("errors")
    sqs.create_queue(QueueName=name)
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    return sns, {"t": topic, "f": fifo, "q": queue, "s": subscription}


def filled(given, names):
    """The input with what its braces name."""
    if isinstance(given, str):
        return given.format(**names) if "{" in given else given
    if isinstance(given, dict):
        return {key: filled(value, names) for key, value in given.items()}
    return [filled(value, names) for value in given] if isinstance(given, list) else given


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[4][:60]}")
def test_errors(world, row):
    sns, names = world
    operation, given, code, status, message, _ = row
    with refused(code, status) as caught:
        getattr(sns, operation)(**filled(given, names))
    said = caught.value.response["Error"]["Message"]
    # AWS's parser tells a place in the text behind that.
    assert said == message or (message.endswith("JSON.") and said.startswith(message)), said


@pytest.mark.parametrize("name, attribute, message", ATTRIBUTES)
def test_attributes_of_messages(world, name, attribute, message):
    """Of a batch, they are the whole batch's error."""
    sns, names = world
    entry = {"Message": "m", "MessageAttributes": {name: attribute}}
    for call in (lambda: sns.publish(TopicArn=names["t"], **entry),
                 lambda: sns.publish_batch(TopicArn=names["t"], PublishBatchRequestEntries=[{"Id": "0", "Message": "m"}, {"Id": "1", **entry}])):
        with refused("ParameterValueInvalid", 400) as caught:
            call()
        assert caught.value.response["Error"]["Message"] == message


@pytest.mark.parametrize("topic, entry, message", [
    ("f", {"MessageDeduplicationId": "1"}, "The MessageGroupId parameter is required for FIFO topics"),
    ("f", {"MessageGroupId": "g"}, "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId "
                                   "provided explicitly"),
    ("t", {"MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
    ("t", {"MessageStructure": "json", "Message": "{}"}, "Message Structure - No default entry in JSON message body")])
def test_what_is_a_whole_batchs_error(world, topic, entry, message):
    """Source: recorded, test_publish_batch_exceptions."""
    sns, names = world
    sound = {"Id": "sound", "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": unique()}
    if topic == "t":
        sound = {"Id": "sound", "Message": "m"}
    with refused("InvalidParameter", 400) as caught:
        sns.publish_batch(TopicArn=names[topic], PublishBatchRequestEntries=[sound, {"Id": "bad", "Message": "m", **entry}])
    assert caught.value.response["Error"]["Message"] == f"Invalid parameter: {message}"


def test_what_is_an_entrys_own_error(world):
    """API_PublishBatch: "the result of publishing each message is reported individually in the response"."""
    sns, names = world
    answer = sns.publish_batch(TopicArn=names["t"], PublishBatchRequestEntries=[
        {"Id": "a", "Message": "m"}, {"Id": "b", "Message": "m", "MessageDeduplicationId": "1"}, {"Id": "c", "Message": ""},
        {"Id": "d", "Message": "m", "Subject": "two\nlines"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    failed = {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]}
    assert failed == {n: ("InvalidParameter", True) for n in "bcd"}


def test_a_fifo_queues_dead_letters(world):
    """Source: recorded, test_validations_for_fifo."""
    sns, names = world
    policy = json.dumps({"deadLetterTargetArn": names["q"]})
    with refused("InvalidParameter", 400, "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."):
        sns.subscribe(TopicArn=names["f"], Protocol="sqs", Endpoint=names["q"] + ".fifo", Attributes={"RedrivePolicy": policy})
