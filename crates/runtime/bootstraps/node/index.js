'use strict';

// The entry point of Node functions: loads the handler, then serves one invocation after another.
// Plain JavaScript that Node 8 reads; what needs newer syntax is in files that old versions never load.

const log = require('./console');
const errors = require('./errors');
const { Client } = require('./client');
const { load, installGlobals } = require('./loader');
const { generation } = require('./generation');

const client = new Client(process.env.AWS_LAMBDA_RUNTIME_API);

// What an error outside of any call frame is reported to: the init's end, later the invocation's.
const crash = { report: (error) => client.initError(error) };

/** Reports an error that nothing in the function caught, and ends the process. */
function onCrash(title, exitCode, wrap) {
  return (reason) => {
    const error = wrap(reason);
    log.error(title, error);
    const exit = () => process.exit(exitCode);
    crash.report(error).then(exit, exit);
  };
}

/**
 * Up to Node 22 the managed runtime reports what nobody caught; from 24 on it leaves that to Node, which prints it
 * and exits with status 1.
 */
function watchForCrashes() {
  if (generation >= 24) {
    return;
  }
  process.on('uncaughtException', onCrash('Uncaught Exception', 129, (error) => error));
  process.on(
    'unhandledRejection',
    onCrash('Unhandled Promise Rejection', 128, (reason) => new errors.UnhandledPromiseRejection(reason)),
  );
}

async function main() {
  log.patch();
  installGlobals();
  watchForCrashes();
  let handler;
  try {
    handler = await load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    log.error(generation >= 24 ? 'Init Error' : 'Uncaught Exception', error);
    const exit = () => process.exit(generation >= 24 ? 1 : 129);
    return client.initError(error).then(exit, exit);
  }
  const loop = generation >= 24 ? require('./async_loop') : require('./callback_loop');
  return loop.start(client, handler, crash);
}

main();
