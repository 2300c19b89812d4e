'use strict';

// The console of functions: a line names when, in which request and at which level; or is JSON.

const fs = require('fs');
const util = require('util');
const { asError, inText } = require('./errors');
const { generation } = require('./generation');

// A level's bits in a frame's type, and how it compares.
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].map((name, index) => ({ name, bits: (index + 1) << 2 }));
const METHODS = { trace: 0, debug: 1, info: 2, log: 2, warn: 3, error: 4, fatal: 5 };

const FRAME_JSON = 0xa55a0002;
const FRAME_TEXT = 0xa55a0003;

let requestId = generation >= 24 ? '-' : undefined;
const json = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';

function errorFields(error) {
  const type = error.constructor && error.constructor.name ? error.constructor.name : 'UnknownError';
  const stack = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: type, errorMessage: error.message, stackTrace: stack };
}

const showErrors = (key, value) => (value instanceof Error ? Object.assign(errorFields(value), value) : value);

function jsonLine(date, level, values) {
  const line = { timestamp: date.toISOString(), level: level.name, requestId };
  if (values.length === 1) {
    line.message = values[0];
    try {
      return JSON.stringify(line, showErrors);
    } catch (unserializable) {
      line.message = util.format(values[0]);
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...values);
  const error = values.find((value) => value instanceof Error);
  return JSON.stringify(error ? Object.assign(line, errorFields(error)) : line);
}

function textLine(date, level, values) {
  const message = util.format(...values);
  const fields = [date.toISOString(), String(requestId), level.name, message];
  if (generation < 10) {
    // The managed runtime's lines had no level then.
    fields.splice(2, 1);
  }
  return fields.join('\t');
}

function toStdout(date, level, line) {
  // One line of output is one log event: a message of several lines has carriage returns between them.
  process.stdout.write(line.replace(/\n/g, '\r') + '\n');
}

/** Writes all of it, though the descriptor may be one that does not wait, as Node makes pipes. */
function writeAll(fd, bytes) {
  for (let written = 0; written < bytes.length; ) {
    try {
      written += fs.writeSync(fd, bytes, written);
    } catch (error) {
      if (error.code !== 'EAGAIN') {
        throw error;
      }
      // A millisecond for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Frames keep messages of several lines whole: type, length, microseconds since 1970, message. */
function toFrames(fd) {
  return (date, level, line) => {
    const message = Buffer.from(json ? line : line + '\n');
    const frame = Buffer.alloc(16);
    const micros = date.getTime() * 1000;
    frame.writeUInt32BE(((json ? FRAME_JSON : FRAME_TEXT) | level.bits) >>> 0, 0);
    frame.writeUInt32BE(message.length, 4);
    frame.writeUInt32BE(Math.floor(micros / 0x100000000), 8);
    frame.writeUInt32BE(micros % 0x100000000, 12);
    writeAll(fd, Buffer.concat([frame, message]));
  };
}

/** Puts the runtime's methods in the console's place. */
exports.patch = () => {
  const fd = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  const write = fd === undefined ? toStdout : toFrames(parseInt(fd, 10));
  const asked = (process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase();
  const lowest = Math.max(0, LEVELS.findIndex((level) => level.name === asked));
  Object.keys(METHODS).forEach((name) => {
    const level = LEVELS[METHODS[name]];
    console[name] =
      METHODS[name] < lowest
        ? () => {}
        : (message, ...values) => {
            const all = [message].concat(values);
            const date = new Date();
            write(date, level, json ? jsonLine(date, level, all) : textLine(date, level, all));
          };
  });
  console.log = console.info;
};

/** Logs an error that the runtime reports. */
exports.error = (title, error) => {
  if (json) {
    console.error(asError(error));
  } else {
    console.error(title, inText(asError(error)));
  }
};

/** Names the request in the lines to come. */
exports.setRequestId = (id) => {
  requestId = id;
};
