// SNS, CloudFormation and STS through the AWS SDK for JavaScript v3, which speaks awsQuery to them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  CloudFormationClient, CreateStackCommand, DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import {
  CreateTopicCommand, NotFoundException, PublishBatchCommand, PublishCommand, SNSClient, SubscribeCommand,
} from "@aws-sdk/client-sns";
import {
  CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SetQueueAttributesCommand, SQSClient,
} from "@aws-sdk/client-sqs";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { ACCOUNT, REGION, eventually, startServer } from "./server.mjs";

let server, sns, sqs;
before(async () => {
  server = await startServer();
  sns = new SNSClient(server.v3);
  sqs = new SQSClient(server.v3);
});
after(async () => {
  sns.destroy();
  sqs.destroy();
  await server.stop();
});

async function topicWithQueue(name, attributes) {
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name }));
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [{
    Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: Attributes.QueueArn,
    Condition: { ArnEquals: { "aws:SourceArn": TopicArn } },
  }] });
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint: Attributes.QueueArn, Attributes: attributes }));
  return { TopicArn, QueueUrl };
}

async function receive(QueueUrl, count) {
  const got = [];
  await eventually(async () => {
    const asked = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: ["All"] };
    got.push(...((await sqs.send(new ReceiveMessageCommand(asked))).Messages ?? []));
    return got.length >= count;
  }, `${count} messages`);
  return got;
}

test("a published message reaches the queue in its envelope", async () => {
  const { TopicArn, QueueUrl } = await topicWithQueue("envelope");
  const MessageAttributes = { kind: { DataType: "String", StringValue: "order" } };
  const { MessageId } = await sns.send(new PublishCommand({ TopicArn, Message: "grüße", Subject: "hello", MessageAttributes }));
  const [message] = await receive(QueueUrl, 1);
  const body = JSON.parse(message.Body);
  assert.equal(body.MessageId, MessageId);
  assert.deepEqual([body.Type, body.TopicArn, body.Subject, body.Message], ["Notification", TopicArn, "hello", "grüße"]);
  assert.deepEqual(body.MessageAttributes, { kind: { Type: "String", Value: "order" } });
});

test("a batch, filtered and raw", async () => {
  const FilterPolicy = JSON.stringify({ kind: ["good"] });
  const { TopicArn, QueueUrl } = await topicWithQueue("filtered", { FilterPolicy, RawMessageDelivery: "true" });
  const entry = (Id, StringValue) => ({ Id, Message: Id, MessageAttributes: { kind: { DataType: "String", StringValue } } });
  const PublishBatchRequestEntries = [entry("a", "good"), entry("b", "bad"), entry("c", "good")];
  const { Successful } = await sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries }));
  assert.deepEqual(Successful.map((e) => e.Id), ["a", "b", "c"]);
  assert.deepEqual((await receive(QueueUrl, 2)).map((m) => m.Body).sort(), ["a", "c"]);
});

test("errors are the SDK's own classes", async () => {
  const TopicArn = `arn:aws:sns:${REGION}:${ACCOUNT}:none`;
  await assert.rejects(sns.send(new PublishCommand({ TopicArn, Message: "x" })), (error) => {
    assert.ok(error instanceof NotFoundException);
    assert.equal(error.$metadata.httpStatusCode, 404);
    return true;
  });
});

test("STS", async () => {
  const sts = new STSClient(server.v3);
  const me = await sts.send(new GetCallerIdentityCommand({}));
  assert.deepEqual([me.Account, me.Arn], [ACCOUNT, `arn:aws:iam::${ACCOUNT}:root`]);
  const role = { RoleArn: `arn:aws:iam::${ACCOUNT}:role/none`, RoleSessionName: "session" };
  await assert.rejects(sts.send(new AssumeRoleCommand(role)), (error) => error.$metadata.httpStatusCode === 403);
  sts.destroy();
});

test("CloudFormation", async () => {
  const cfn = new CloudFormationClient(server.v3);
  const TemplateBody = JSON.stringify({
    Resources: { Queue: { Type: "AWS::SQS::Queue", Properties: { QueueName: "by-stack" } } },
    Outputs: { Url: { Value: { Ref: "Queue" } } },
  });
  await cfn.send(new CreateStackCommand({ StackName: "small", TemplateBody }));
  const stack = await eventually(async () => {
    const { Stacks } = await cfn.send(new DescribeStacksCommand({ StackName: "small" }));
    return Stacks[0].StackStatus !== "CREATE_IN_PROGRESS" && Stacks[0];
  }, "the stack");
  assert.equal(stack.StackStatus, "CREATE_COMPLETE");
  assert.ok(stack.CreationTime instanceof Date);
  assert.equal(stack.Outputs[0].OutputValue, `${server.endpoint}/${ACCOUNT}/by-stack`);
  await assert.rejects(cfn.send(new DescribeStacksCommand({ StackName: "none" })), { name: "ValidationError" });
  cfn.destroy();
});
