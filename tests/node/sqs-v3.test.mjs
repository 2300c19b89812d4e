// SQS through the AWS SDK for JavaScript v3, which speaks awsJson 1.0 and checks the MD5 sums itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  ChangeMessageVisibilityCommand, CreateQueueCommand, DeleteMessageCommand, GetQueueAttributesCommand,
  GetQueueUrlCommand, QueueDoesNotExist, QueueNameExists, ReceiveMessageCommand, SendMessageBatchCommand,
  SendMessageCommand, SQSClient, paginateListQueues,
} from "@aws-sdk/client-sqs";
import { ACCOUNT, startServer } from "./server.mjs";

let server, sqs;
before(async () => {
  server = await startServer();
  sqs = new SQSClient(server.v3);
});
after(async () => {
  sqs.destroy();
  await server.stop();
});

const create = async (QueueName, Attributes) => (await sqs.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl;
const receive = async (QueueUrl, more) => (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, ...more }))).Messages ?? [];

test("send, receive, change, delete", async () => {
  const QueueUrl = await create("round-trip");
  assert.equal(QueueUrl, `${server.endpoint}/${ACCOUNT}/round-trip`);
  const MessageAttributes = {
    kind: { DataType: "String", StringValue: "Grüße" },
    bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 255]) },
  };
  const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "héllo 🚀", MessageAttributes }));
  const [message] = await receive(QueueUrl, { MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] });
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, "héllo 🚀");
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual([...message.MessageAttributes.bytes.BinaryValue], [0, 1, 255]);
  assert.equal(message.MessageAttributes.kind.StringValue, "Grüße");
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  const { ReceiptHandle } = message;
  await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  const [again] = await receive(QueueUrl);
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again.ReceiptHandle }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  assert.equal(Attributes.ApproximateNumberOfMessages, "0");
  assert.equal(Attributes.ApproximateNumberOfMessagesNotVisible, "0");
});

test("a long poll ends when a message comes", async () => {
  const QueueUrl = await create("long-poll");
  const polled = receive(QueueUrl, { WaitTimeSeconds: 20 });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "wake up" }));
  assert.deepEqual((await polled).map((m) => m.Body), ["wake up"]);
});

test("batches with partial failures, in the order of a FIFO queue", async () => {
  const QueueUrl = await create("order.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
  const entry = (Id, more) => ({ Id, MessageBody: Id, MessageGroupId: "g", ...more });
  const answer = await sqs.send(new SendMessageBatchCommand({
    QueueUrl, Entries: [entry("a"), entry("bad", { MessageBody: "\u0000" }), entry("b"), entry("c")],
  }));
  assert.deepEqual(answer.Successful.map((e) => e.Id), ["a", "b", "c"]);
  assert.deepEqual(answer.Failed.map((e) => [e.Id, e.SenderFault]), [["bad", true]]);
  const got = await receive(QueueUrl, { MaxNumberOfMessages: 10 });
  assert.deepEqual(got.map((m) => m.Body), ["a", "b", "c"]);
});

test("errors are the SDK's own classes", async () => {
  await assert.rejects(sqs.send(new GetQueueUrlCommand({ QueueName: "none" })), (error) => {
    assert.ok(error instanceof QueueDoesNotExist);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.equal(error.$fault, "client");
    assert.ok(error.$metadata.requestId);
    return true;
  });
  await create("taken", { DelaySeconds: "1" });
  await assert.rejects(create("taken", { DelaySeconds: "2" }), QueueNameExists);
  await assert.rejects(create("late", { DelaySeconds: "901" }), { name: "InvalidAttributeValue" });
});

test("lists come in pages", async () => {
  for (let n = 0; n < 5; n++) await create(`page-${n}`);
  const pages = [];
  for await (const page of paginateListQueues({ client: sqs, pageSize: 2 }, { QueueNamePrefix: "page-" })) pages.push(page.QueueUrls);
  assert.deepEqual(pages.map((page) => page.length), [2, 2, 1]);
});
