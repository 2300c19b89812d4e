'use strict';

// The Node version whose behaviour the function asked for. An admitted stand-in of another version behaves as
// the runtime that was named, as far as a bootstrap can.

const named = /nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV || '');

/** Major version: 8 to 24. */
exports.generation = parseInt(named ? named[1] : process.versions.node, 10);
