'use strict';

// Serves invocations as the managed runtimes up to Node 22 do: a handler answers by a callback, by `context.succeed`,
// `fail` and `done`, or by a promise. What else it returns is ignored.

const log = require('./console');
const { exportTrace, fill } = require('./context');
const stream = require('./stream');

const nothing = () => {};
// Called when the event loop has run empty.
let whenIdle = nothing;

/** One invocation: what the first answer does, and what every later one no longer does. */
class Turn {
  constructor(client, id, next) {
    this.client = client;
    this.id = id;
    this.next = next;
    this.answered = false;
    this.waits = true;
  }

  /** Posts an answer; a value that JSON cannot say becomes an error. */
  post(error, result) {
    whenIdle = nothing;
    let posted;
    try {
      if (error !== undefined && error !== null) {
        log.error('Invoke Error', error);
        posted = this.client.fail(this.id, error);
      } else {
        posted = this.client.respond(this.id, result);
      }
    } catch (unserializable) {
      log.error('Invoke Error', unserializable);
      posted = this.client.fail(this.id, unserializable);
    }
    posted.then(this.next, this.next);
  }

  once(action) {
    return (first, second) => {
      if (!this.answered) {
        this.answered = true;
        action(first, second);
      }
    };
  }

  /** The callback: it waits for an empty event loop before it answers, unless told otherwise. */
  callback() {
    return this.once((error, result) => {
      if ((error !== undefined && error !== null) || !this.waits) {
        this.post(error, result);
      } else {
        whenIdle = () => this.post(null, result);
      }
    });
  }

  context() {
    const turn = this;
    return {
      get callbackWaitsForEmptyEventLoop() {
        return turn.waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        turn.waits = value;
      },
      succeed: this.once((result) => this.post(null, result)),
      fail: this.once((error) => this.post(error === undefined || error === null ? 'handled' : error)),
      done: this.once((error, result) => this.post(error, result)),
    };
  }
}

/** Runs a handler that answers at once or later, in any of the ways that it may. */
function buffered(turn, handler, invocation) {
  const callback = turn.callback();
  const context = turn.context();
  // A handler that never answers has answered null when nothing is left to run.
  whenIdle = turn.once(() => turn.post(null, null));
  try {
    const result = handler(JSON.parse(invocation.body), fill(context, invocation.headers), callback);
    if (result && typeof result.then === 'function') {
      result.then(context.succeed, context.fail).then(undefined, context.fail);
    }
  } catch (error) {
    callback(error);
  }
}

async function streaming(turn, handler, invocation) {
  const context = turn.context();
  ['succeed', 'fail', 'done'].forEach((name) => delete context[name]);
  whenIdle = turn.next;
  await stream.run(
    turn.client,
    handler,
    turn.id,
    () => JSON.parse(invocation.body),
    () => fill(context, invocation.headers),
  );
  if (turn.waits) {
    whenIdle = turn.next;
  } else {
    turn.next();
  }
}

/** Takes invocations for as long as the process lives. */
exports.start = (client, handler, crash) => {
  const run = handler[stream.STREAMING] ? streaming : buffered;
  const fatal = (error) => {
    console.log(`Unexpected Top Level Error: ${error}`);
    process.exit(129);
  };
  const turnOver = () => {
    whenIdle = nothing;
    setImmediate(() => iterate().catch(fatal));
  };
  async function iterate() {
    const invocation = await client.next();
    const id = invocation.headers['lambda-runtime-aws-request-id'];
    log.setRequestId(id);
    exportTrace(invocation.headers);
    crash.report = (error) => client.fail(id, error);
    await run(new Turn(client, id, turnOver), handler, invocation);
  }
  process.on('beforeExit', () => {
    const action = whenIdle;
    whenIdle = nothing;
    if (action !== nothing) {
      // Work that this begins must be seen before Node decides to exit.
      setImmediate(action);
    }
  });
  turnOver();
};
