'use strict';

const { PlatformError } = require('./errors');
const { generation } = require('./generation');

function parse(text, name, header) {
  if (text === undefined) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (generation >= 24) {
      throw new PlatformError(`Failed to parse ${header} as JSON: ${error.message}`);
    }
    throw new Error(`Cannot parse ${name} as json: ${error.toString()}`);
  }
}

/** Puts the trace of an invocation where the X-Ray SDK looks for it. */
exports.exportTrace = (headers) => {
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) {
    process.env._X_AMZN_TRACE_ID = trace;
  } else {
    delete process.env._X_AMZN_TRACE_ID;
  }
};

/** Adds to `context` what the environment and the invocation's headers say. */
exports.fill = (context, headers) => {
  const deadline = parseInt(headers['lambda-runtime-deadline-ms'], 10);
  return Object.assign(context, {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse(headers['lambda-runtime-client-context'], 'ClientContext', 'lambda-runtime-client-context'),
    identity: parse(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity', 'lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
};
