// Lambda through the AWS SDK for JavaScript v3.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  CreateFunctionCommand, DeleteFunctionCommand, InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient,
  ResourceNotFoundException, TooManyRequestsException, PutFunctionConcurrencyCommand, waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { startServer } from "./server.mjs";

let server, lambda, Role;
before(async () => {
  server = await startServer();
  lambda = new LambdaClient(server.v3);
  const iam = new IAMClient(server.v3);
  const Statement = { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  const made = await iam.send(new CreateRoleCommand({ RoleName: "functions", AssumeRolePolicyDocument }));
  Role = made.Role.Arn;
  iam.destroy();
  // Once it has been fetched what the runtime brings, functions are active at once, as the tests take for granted.
  await create("first", "exports.handler = async () => {};");
  await waitUntilFunctionActiveV2({ client: lambda, minDelay: 1, maxDelay: 1, maxWaitTime: 600 }, { FunctionName: "first" });
});
after(async () => {
  lambda.destroy();
  await server.stop();
});

/** A zip archive of one file, stored as it is. */
function zip(name, text) {
  const data = Buffer.from(text), file = Buffer.from(name), sum = crc32(data);
  const common = Buffer.alloc(26);
  [20, 0, 0, 0, 0x21].forEach((n, i) => common.writeUInt16LE(n, i * 2));
  common.writeUInt32LE(sum, 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(data.length, 18);
  common.writeUInt16LE(file.length, 22);
  const local = Buffer.concat([Buffer.from("504b0304", "hex"), common, file, data]);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE((0o644 << 16) >>> 0, 6);
  const central = Buffer.concat([Buffer.from("504b01021403", "hex"), common, rest, file]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from("504b0506", "hex"), end]);
}

function crc32(data) {
  let sum = ~0;
  for (const byte of data) {
    sum ^= byte;
    for (let n = 0; n < 8; n++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

const create = (FunctionName, source, more) => lambda.send(new CreateFunctionCommand({
  FunctionName, Role, Runtime: "nodejs20.x", Handler: "index.handler", Code: { ZipFile: zip("index.js", source) }, ...more,
}));

test("create, wait, invoke, delete", async () => {
  const FunctionName = "hello";
  await create(FunctionName, "exports.handler = async (event) => ({ hello: event.name });");
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 10 }, { FunctionName });
  const Payload = JSON.stringify({ name: "wörld" });
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload, LogType: "Tail" }));
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.FunctionError, undefined);
  assert.deepEqual(JSON.parse(answer.Payload.transformToString()), { hello: "wörld" });
  assert.match(Buffer.from(answer.LogResult, "base64").toString(), /REPORT RequestId/);
  const event = await lambda.send(new InvokeCommand({ FunctionName, Payload, InvocationType: "Event" }));
  assert.equal(event.StatusCode, 202);
  await lambda.send(new DeleteFunctionCommand({ FunctionName }));
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName })), ResourceNotFoundException);
});

test("a function that throws, and one that is throttled", async () => {
  const FunctionName = "throws";
  await create(FunctionName, "exports.handler = async () => { throw new TypeError('no'); };");
  const answer = await lambda.send(new InvokeCommand({ FunctionName }));
  assert.equal(answer.FunctionError, "Unhandled");
  assert.equal(JSON.parse(answer.Payload.transformToString()).errorType, "TypeError");
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName })), (error) => {
    assert.ok(error instanceof TooManyRequestsException);
    assert.equal(error.Reason, "ReservedFunctionConcurrentInvocationLimitExceeded");
    return true;
  });
});

test("a response that streams", async () => {
  const FunctionName = "streams";
  await create(FunctionName, `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    for (const piece of event) stream.write(piece);
    stream.end();
  });`);
  const answer = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName, Payload: '["a","b","c"]' }));
  let text = "", ended = false;
  for await (const event of answer.EventStream) {
    if (event.PayloadChunk) text += Buffer.from(event.PayloadChunk.Payload).toString();
    if (event.InvokeComplete) ended = event.InvokeComplete;
  }
  assert.equal(text, "abc");
  assert.equal(ended.ErrorCode, undefined);
});
