'use strict';

// Serves invocations as the managed runtime does from Node 24 on: the handler's result is awaited, and that is all.

const log = require('./console');
const { exportTrace, fill } = require('./context');
const stream = require('./stream');

const pause = () => new Promise((resolve) => setImmediate(resolve));

async function buffered(client, handler, id, invocation) {
  let posted;
  try {
    const result = await handler(JSON.parse(invocation.body), fill({}, invocation.headers));
    await pause();
    posted = client.respond(id, result);
  } catch (error) {
    await pause();
    log.error('Invoke Error', error);
    posted = client.fail(id, error);
  }
  // An answer that the Runtime API refuses (too large) it has dealt with itself.
  await posted.catch(() => {});
}

function streaming(client, handler, id, invocation) {
  return stream.run(client, handler, id, () => JSON.parse(invocation.body), () => fill({}, invocation.headers));
}

/** Takes invocations for as long as the process lives. */
exports.start = async (client, handler) => {
  const run = handler[stream.STREAMING] ? streaming : buffered;
  for (;;) {
    const invocation = await client.next();
    const id = invocation.headers['lambda-runtime-aws-request-id'];
    log.setRequestId(id);
    exportTrace(invocation.headers);
    await run(client, handler, id, invocation);
  }
};
