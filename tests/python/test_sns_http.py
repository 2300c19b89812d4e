"""Subscriptions by HTTP: confirmation, headers, signatures, retries, dead letters, what kills leave of that.

Sources: the SNS API reference (Subscribe, ConfirmSubscription, Unsubscribe, SetTopicAttributes, SetSubscriptionAttributes);
in the developer guide "Fanout to HTTP/S endpoints", "Parsing message formats", "Verifying the signatures of messages",
"Message delivery retries", "Raw message delivery".
"""

import json
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sns_signatures import check_signature, get
from support import allow, document, eventually, queue_arn, receive, refused, unique


class Endpoint:
    """A server that notes what is posted to it, and answers as it is told."""

    def __init__(self):
        self.got, self.answers = [], []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.got.append((dict(self.headers.items()), body))
                self.send_response(endpoint.answers.pop(0) if endpoint.answers else 200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, kind=None):
        """The next post, of a type if one is named: its headers and its body."""
        def found():
            return next((one for one in self.got if kind in (None, one[0].get("x-amz-sns-message-type"))), None)
        one = eventually(found, f"a post of {kind}")
        self.got.remove(one)
        return one


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


def confirmed(server, endpoint, topic, **attributes):
    """The ARN of a subscription of the endpoint that was confirmed by its SubscribeURL."""
    sns = server.client("sns")
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes)
    assert answer["SubscriptionArn"] == "pending confirmation"
    message = json.loads(endpoint.next("SubscriptionConfirmation")[1])
    text = get(message["SubscribeURL"])
    return re.search(r"<SubscriptionArn>(.*)</SubscriptionArn>", text)[1]


@pytest.fixture
def topic(server):
    return server.client("sns").create_topic(Name=unique("topic"))["TopicArn"]


def test_a_subscription_is_confirmed_before_it_gets_anything(server, endpoint, topic):
    sns = server.client("sns")
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, ReturnSubscriptionArn=True)["SubscriptionArn"]
    headers, body = endpoint.next("SubscriptionConfirmation")
    message = json.loads(body)
    assert message["Type"] == "SubscriptionConfirmation" and message["TopicArn"] == topic
    assert headers["x-amz-sns-topic-arn"] == topic and headers["x-amz-sns-message-id"] == message["MessageId"]
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"
    assert "x-amz-sns-subscription-arn" not in headers
    check_signature(message)
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["SubscriptionsPending"], found["SubscriptionsConfirmed"]) == ("1", "0")
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Endpoint"]) == ("PendingConfirmation", endpoint.url)
    assert states(sns, topic) == ["PendingConfirmation"]
    sns.publish(TopicArn=topic, Message="too early")
    for wrong in ("x", message["Token"][:-1] + "0", "0" * len(message["Token"])):
        if wrong != message["Token"]:
            with refused("InvalidParameter", 400, "Invalid token" if wrong == "x" else "Invalid parameter: Token"):
                sns.confirm_subscription(TopicArn=topic, Token=wrong)
    assert sns.confirm_subscription(TopicArn=topic, Token=message["Token"])["SubscriptionArn"] == arn
    assert arn in get(message["SubscribeURL"])  # again is no error
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]) == ("false", "true")
    assert arn in [one["SubscriptionArn"] for page in sns.get_paginator("list_subscriptions").paginate()
                   for one in page["Subscriptions"]]
    again = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)["SubscriptionArn"]
    assert again == arn
    sns.publish(TopicArn=topic, Message="in time")
    assert json.loads(endpoint.next("Notification")[1])["Message"] == "in time"


def states(sns, topic):
    """What the account's list says instead of ARNs, or the ARNs, of the topic's subscriptions."""
    pages = sns.get_paginator("list_subscriptions").paginate()
    return [one["SubscriptionArn"] for page in pages for one in page["Subscriptions"] if one["TopicArn"] == topic]


def test_who_left_is_told_how_to_come_back(own, endpoint):
    """An endpoint that is unsubscribed by the link, without a signature, gets a message with which it may undo that."""
    sns = own.client("sns")
    topic = sns.create_topic(Name="left")["TopicArn"]
    arn = confirmed(own, endpoint, topic, FilterPolicy=json.dumps({"kind": ["kept"]}))
    kept = {"kind": {"DataType": "String", "StringValue": "kept"}}
    sns.publish(TopicArn=topic, Message="1", MessageAttributes=kept)
    link = json.loads(endpoint.next("Notification")[1])["UnsubscribeURL"]
    get(link)
    headers, body = endpoint.next("UnsubscribeConfirmation")
    message = json.loads(body)
    assert set(message) == {"Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp",
                            "SignatureVersion", "Signature", "SigningCertURL"}
    assert message["Message"] == (f"You have chosen to deactivate subscription {arn}.\nTo cancel this operation and "
                                  "restore the subscription, visit the SubscribeURL included in this message.")
    check_signature(message)
    get(link)  # again changes nothing
    eventually(lambda: states(sns, topic) == ["Deleted"])
    with refused("NotFound", 404):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    told = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert [told[f"Subscriptions{which}"] for which in ("Confirmed", "Pending", "Deleted")] == ["0", "0", "1"]
    sns.publish(TopicArn=topic, Message="2", MessageAttributes=kept)
    own.restart_after_kill()
    assert arn in get(message["SubscribeURL"])
    eventually(lambda: states(sns, topic) == [arn])
    told = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert [told[f"Subscriptions{which}"] for which in ("Confirmed", "Pending", "Deleted")] == ["1", "0", "0"]
    sns.publish(TopicArn=topic, Message="3", MessageAttributes=kept)
    message = json.loads(endpoint.next("Notification")[1])
    assert message["Message"] == "3"
    get(message["UnsubscribeURL"])
    endpoint.next("UnsubscribeConfirmation")
    # A new subscription takes the place of the one that was left; one that is left for good is forgotten.
    other = confirmed(own, endpoint, topic)
    assert other != arn
    eventually(lambda: states(sns, topic) == [other])
    sns.publish(TopicArn=topic, Message="4")
    get(json.loads(endpoint.next("Notification")[1])["UnsubscribeURL"])
    eventually(lambda: states(sns, topic) == ["Deleted"])
    own.advance(48 * 3600 + 1)
    eventually(lambda: states(sns, topic) == [] and not sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"])
    # Its owner ends it without a word to the endpoint.
    endpoint.got.clear()
    sns.unsubscribe(SubscriptionArn=confirmed(own, endpoint, topic))
    eventually(lambda: states(sns, topic) == [])
    assert endpoint.got == []


@pytest.mark.parametrize("version", ["1", "2"])
def test_notifications_and_their_signatures(server, endpoint, topic, version):
    sns = server.client("sns")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version)
    arn = confirmed(server, endpoint, topic)
    value = {"DataType": "String", "StringValue": "v"}
    text = json.dumps({"default": "for all", "http": "for http ü"})
    sent = sns.publish(TopicArn=topic, Message=text, MessageStructure="json", Subject="s", MessageAttributes={"a": value})
    headers, body = endpoint.next("Notification")
    message = json.loads(body)
    assert (message["Message"], message["Subject"], message["MessageId"]) == ("for http ü", "s", sent["MessageId"])
    assert message["MessageAttributes"] == {"a": {"Type": "String", "Value": "v"}}
    assert message["SignatureVersion"] == version
    assert headers["x-amz-sns-subscription-arn"] == arn and "x-amz-sns-rawdelivery" not in headers
    check_signature(message)
    assert get(message["UnsubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "Deleted"
    with refused("InvalidParameter", 400):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="3")


def test_raw_messages_and_content_types(server, endpoint, topic):
    sns = server.client("sns")
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    confirmed(server, endpoint, topic, RawMessageDelivery="true", DeliveryPolicy=policy,
              FilterPolicy=json.dumps({"kind": ["kept"]}))
    sns.publish(TopicArn=topic, Message="dropped")
    sns.publish(TopicArn=topic, Message='{"raw": 1}', MessageAttributes={"kind": {"DataType": "String", "StringValue": "kept"}})
    headers, body = endpoint.next("Notification")
    assert body == '{"raw": 1}' and endpoint.got == []
    assert headers["x-amz-sns-rawdelivery"] == "true" and headers["content-type"] == "application/json"


def test_who_may_end_a_subscription(server, endpoint, topic):
    sns = server.client("sns")
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, ReturnSubscriptionArn=True)["SubscriptionArn"]
    message = json.loads(endpoint.next("SubscriptionConfirmation")[1])
    with pytest.raises(urllib.error.HTTPError):
        get(message["SubscribeURL"] + "&AuthenticateOnUnsubscribe=true")
    sns.confirm_subscription(TopicArn=topic, Token=message["Token"], AuthenticateOnUnsubscribe="true")
    sns.publish(TopicArn=topic, Message="m")
    message = json.loads(endpoint.next("Notification")[1])
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(message["UnsubscribeURL"])
    assert caught.value.code == 403
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_what_endpoints_and_policies_may_be(server, topic):
    sns = server.client("sns")
    for protocol, url in (("http", "https://localhost/"), ("https", "http://localhost/"), ("http", "localhost"), ("http", "http://")):
        with refused("InvalidParameter", 400):
            sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=url)
    with refused("NotImplemented", 501, "user and password"):
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://u:p@localhost/")
    for wrong in ("x", '{"healthyRetryPolicy":{"numRetries":101}}', '{"other":1}'):
        with refused("InvalidParameter", 400, "DeliveryPolicy"):
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://localhost/", Attributes={"DeliveryPolicy": wrong})
    for wrong in ("0", "-1", '"x"', "1.5"):
        with refused("InvalidParameter", 400, "DeliveryPolicy"):
            sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy",
                                     AttributeValue='{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":%s}}}' % wrong)
    for protocol in ("email", "email-json", "sms", "application"):
        with refused("NotImplemented", 501, protocol):
            sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint="x")
    policy = {"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 2, "numRetries": 4}}}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy))
    found = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["EffectiveDeliveryPolicy"])
    assert found["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 4


def test_what_is_not_taken_is_posted_again_and_then_a_dead_letter(own, endpoint):
    sns, sqs = own.client("sns"), own.client("sqs")
    topic = sns.create_topic(Name="retried")["TopicArn"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = queue_arn(sqs, dead)
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"Policy": document(
        allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"}))})
    policy = {"healthyRetryPolicy": {"numNoDelayRetries": 1, "numMinDelayRetries": 1, "numMaxDelayRetries": 1, "numRetries": 4,
                                     "minDelayTarget": 100, "maxDelayTarget": 900, "backoffFunction": "linear"}}
    confirmed(own, endpoint, topic, DeliveryPolicy=json.dumps(policy), RedrivePolicy=json.dumps({"deadLetterTargetArn": arn}))
    endpoint.answers = [500, 503, 429, 500, 500]
    sent = sns.publish(TopicArn=topic, Message="again")["MessageId"]
    eventually(lambda: len(endpoint.got) == 2, "the first try, and one at once")
    for count, pause in ((3, 100), (4, 100), (5, 900)):
        own.advance(pause - 10)
        assert len(endpoint.got) == count - 1
        # What ended the last try may not be written yet: the clock goes on until the next one.
        eventually(lambda: own.advance(11) and len(endpoint.got) == count, f"try {count}")
    assert {json.loads(body)["MessageId"] for _, body in endpoint.got} == {sent}
    [letter] = receive(sqs, dead, 1)
    assert json.loads(letter["Body"])["Message"] == "again"
    # The endpoint's no is not asked twice; another message is not held up.
    endpoint.got.clear()
    endpoint.answers = [403]
    sns.publish(TopicArn=topic, Message="refused")
    [letter] = receive(sqs, dead, 1)
    assert json.loads(letter["Body"])["Message"] == "refused" and len(endpoint.got) == 1
    sns.publish(TopicArn=topic, Message="taken")
    eventually(lambda: len(endpoint.got) == 2)


def test_acknowledged_messages_reach_the_endpoint_across_kills(own, endpoint):
    sns = own.client("sns")
    topic = sns.create_topic(Name="kept")["TopicArn"]
    confirmed(own, endpoint, topic, RawMessageDelivery="true")
    # What was not taken waits for another try, across kills too.
    endpoint.answers = [500] * 10
    for number in range(30):
        sns.publish(TopicArn=topic, Message=f"m{number}")
        if number % 10 == 9:
            own.restart_after_kill()
    expected = {f"m{number}" for number in range(30)}

    def taken():
        return {body for _, body in endpoint.got[10:]}

    eventually(lambda: own.advance(5) and not endpoint.answers and taken() >= expected, "every message")


def test_a_confirmation_has_two_days(own, endpoint):
    """48 hours, after which the subscription is deleted: what's new, 10 May 2023."""
    sns = own.client("sns")
    topic = sns.create_topic(Name="late")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    token = json.loads(endpoint.next()[1])["Token"]
    own.restart_after_kill()
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1
    own.advance(48 * 3600 + 1)
    with refused("InvalidParameter", 400, "Token"):
        sns.confirm_subscription(TopicArn=topic, Token=token)
    eventually(lambda: not sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"], "its end")
    eventually(lambda: not sns.list_subscriptions()["Subscriptions"], "its end in the list")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "0"
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    token = json.loads(endpoint.next()[1])["Token"]
    sns.confirm_subscription(TopicArn=topic, Token=token)
