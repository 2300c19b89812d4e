// SQS by the Query protocol, as old SDKs speak it: a release of the AWS SDK for JavaScript v2 from before SQS moved
// to JSON (`package.json` pins it).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { ACCOUNT, startServer } from "./server.mjs";

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = createRequire(import.meta.url)("aws-sdk");

let server, sqs;
before(async () => {
  server = await startServer();
  sqs = new AWS.SQS({ ...server.v2, apiVersion: "2012-11-05" });
});
after(async () => server.stop());

const call = (operation, parameters) => sqs[operation](parameters).promise();
const create = async (QueueName, Attributes) => (await call("createQueue", { QueueName, Attributes })).QueueUrl;

test("the client does speak Query", async () => {
  const request = sqs.listQueues({});
  request.on("build", () => {
    assert.match(request.httpRequest.headers["Content-Type"], /x-www-form-urlencoded/);
    assert.match(request.httpRequest.body, /Action=ListQueues/);
  });
  await request.promise();
});

test("send, receive, change and delete, with the sums that the SDK checks", async () => {
  const QueueUrl = await create("round-trip");
  assert.equal(QueueUrl, `${server.endpoint}/${ACCOUNT}/round-trip`);
  const MessageAttributes = {
    kind: { DataType: "String", StringValue: "Grüße <&>" },
    bytes: { DataType: "Binary", BinaryValue: Buffer.from([0, 1, 255]) },
    number: { DataType: "Number", StringValue: "5.50" },
  };
  const sent = await call("sendMessage", { QueueUrl, MessageBody: "a <b> & \"c\" +%20 🚀\n", MessageAttributes });
  const { Messages: [message] } = await call("receiveMessage", {
    QueueUrl, WaitTimeSeconds: 5, AttributeNames: ["All"], MessageAttributeNames: ["All"],
  });
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, "a <b> & \"c\" +%20 🚀\n");
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.equal(message.MessageAttributes.kind.StringValue, "Grüße <&>");
  assert.deepEqual([...message.MessageAttributes.bytes.BinaryValue], [0, 1, 255]);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  const { ReceiptHandle } = message;
  await call("changeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
  const again = (await call("receiveMessage", { QueueUrl, WaitTimeSeconds: 5 })).Messages[0];
  await call("deleteMessage", { QueueUrl, ReceiptHandle: again.ReceiptHandle });
  assert.equal((await call("receiveMessage", { QueueUrl })).Messages, undefined);
});

test("attributes and tags", async () => {
  const QueueUrl = await create("attributes", { DelaySeconds: "3", VisibilityTimeout: "9" });
  await call("setQueueAttributes", { QueueUrl, Attributes: { DelaySeconds: "4" } });
  const { Attributes } = await call("getQueueAttributes", { QueueUrl, AttributeNames: ["DelaySeconds", "VisibilityTimeout"] });
  assert.deepEqual(Attributes, { DelaySeconds: "4", VisibilityTimeout: "9" });
  await call("tagQueue", { QueueUrl, Tags: { a: "1", b: "2" } });
  await call("untagQueue", { QueueUrl, TagKeys: ["a"] });
  assert.deepEqual((await call("listQueueTags", { QueueUrl })).Tags, { b: "2" });
});

test("batches with partial failures", async () => {
  const QueueUrl = await create("batch");
  const sent = await call("sendMessageBatch", { QueueUrl, Entries: [
    { Id: "a", MessageBody: "one" }, { Id: "late", MessageBody: "two", DelaySeconds: 901 }, { Id: "b", MessageBody: "three" },
  ] });
  assert.deepEqual(sent.Successful.map((e) => e.Id), ["a", "b"]);
  assert.deepEqual(sent.Failed.map((e) => [e.Id, e.Code, e.SenderFault]), [["late", "InvalidParameterValue", true]]);
  const { Messages } = await call("receiveMessage", { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
  const Entries = Messages.map((m, n) => ({ Id: String(n), ReceiptHandle: m.ReceiptHandle }));
  const deleted = await call("deleteMessageBatch", { QueueUrl, Entries });
  assert.equal(deleted.Successful.length, Messages.length);
});

test("a FIFO queue's numbers and groups", async () => {
  const QueueUrl = await create("order.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
  const first = await call("sendMessage", { QueueUrl, MessageBody: "1", MessageGroupId: "g" });
  const second = await call("sendMessage", { QueueUrl, MessageBody: "2", MessageGroupId: "g" });
  assert.ok(BigInt(first.SequenceNumber) < BigInt(second.SequenceNumber));
  const { Messages } = await call("receiveMessage", { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
  assert.deepEqual(Messages.map((m) => m.Body), ["1", "2"]);
});

test("errors have the Query protocol's codes", async () => {
  await assert.rejects(call("getQueueUrl", { QueueName: "none" }), (error) => {
    assert.equal(error.code, "AWS.SimpleQueueService.NonExistentQueue");
    assert.equal(error.statusCode, 400);
    assert.ok(error.requestId);
    return true;
  });
  const QueueUrl = await create("errors");
  await assert.rejects(call("deleteMessage", { QueueUrl, ReceiptHandle: "made up" }), { code: "ReceiptHandleIsInvalid" });
  await assert.rejects(call("sendMessageBatch", { QueueUrl, Entries: [] }), { code: "AWS.SimpleQueueService.EmptyBatchRequest" });
  await assert.rejects(create("errors", { DelaySeconds: "7" }), { code: "QueueAlreadyExists" });
  await assert.rejects(create("bad", { DelaySeconds: "901" }), { code: "InvalidAttributeValue" });
  const wrong = new AWS.SQS({ ...server.v2, secretAccessKey: "wrong" });
  await assert.rejects(wrong.listQueues({}).promise(), { code: "SignatureDoesNotMatch", statusCode: 403 });
  const unknown = new AWS.SQS({ ...server.v2, accessKeyId: "AKIAIOSFODNN7EXAMPLE" });
  await assert.rejects(unknown.listQueues({}).promise(), { code: "InvalidClientTokenId", statusCode: 403 });
});

test("SNS, S3 and STS of the same SDK", async () => {
  const topic = await new AWS.SNS(server.v2).createTopic({ Name: "old" }).promise();
  assert.match(topic.TopicArn, /:old$/);
  const s3 = new AWS.S3({ ...server.v2, s3ForcePathStyle: true, signatureVersion: "v4" });
  await s3.createBucket({ Bucket: "old-files", CreateBucketConfiguration: {} }).promise();
  await s3.putObject({ Bucket: "old-files", Key: "k", Body: "old" }).promise();
  assert.equal((await s3.getObject({ Bucket: "old-files", Key: "k" }).promise()).Body.toString(), "old");
  assert.equal((await new AWS.STS(server.v2).getCallerIdentity({}).promise()).Account, ACCOUNT);
});
