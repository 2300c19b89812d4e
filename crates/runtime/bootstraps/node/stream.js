'use strict';

// Answers that a function writes piece by piece.

const { Writable } = require('stream');
const log = require('./console');
const { document, inHeader, InvalidStreamingOperation } = require('./errors');
const { generation } = require('./generation');

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
// What parts the prelude from the body.
const DELIMITER = Buffer.alloc(8);

/** The stream that a streaming handler gets. */
class ResponseStream extends Writable {
  constructor(client, id, options) {
    super(options);
    this._request = client.stream(id, {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: [ERROR_TYPE, ERROR_BODY],
      'Content-Type': 'application/octet-stream',
      'Transfer-Encoding': 'chunked',
    });
    this._begun = false;
    /** Settles when the Runtime API has the whole answer. */
    this.delivered = new Promise((resolve, reject) => {
      this._request.on('response', (response) => {
        response.on('end', resolve);
        response.on('error', reject);
        response.resume();
      });
      this._request.on('error', (error) => {
        reject(error);
        this.destroy(error);
      });
    });
    // Whoever awaits it sees the rejection; one that nobody awaits any more is not an unhandled one.
    this.delivered.catch(() => {});
    // Nor is a write after the end the end of the process.
    this.on('error', () => {});
  }

  /** Sets the answer's media type, before anything is written. */
  setContentType(type) {
    if (this._begun) {
      throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    }
    this._request.setHeader('Content-Type', type);
  }

  /** As of any stream; what is neither text nor bytes is written as JSON. */
  write(chunk, encoding, callback) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    this._begin();
    return super.write(plain ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  _begin() {
    if (!this._begun) {
      this._begun = true;
      if (typeof this._onBeforeFirstWrite === 'function') {
        this._onBeforeFirstWrite((chunk) => super.write(chunk));
      }
    }
  }

  _write(chunk, encoding, callback) {
    this._request.write(chunk, callback);
  }

  _final(callback) {
    this._request.end(callback);
  }

  _destroy(error, callback) {
    if (!this._request.finished || error) {
      this._request.destroy(error || undefined);
    }
    callback(error);
  }

  /** Ends the answer with an error, in trailers. */
  fail(error) {
    log.error('Invoke Error', error);
    const shown = document(error);
    this._request.addTrailers({
      [ERROR_TYPE]: inHeader(shown),
      [ERROR_BODY]: Buffer.from(JSON.stringify(shown)).toString('base64'),
    });
    this.end();
    // An answer that broke off, the Runtime API has seen for itself.
    return this.delivered.catch(() => {});
  }
}

/** Puts a status and headers before the body. */
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(DELIMITER);
    };
    return stream;
  }
}

/** Runs a streaming handler to the end of its answer. */
async function run(client, handler, id, event, context) {
  const highWaterMark = handler[exports.HIGH_WATER_MARK];
  const stream = new ResponseStream(client, id, highWaterMark ? { highWaterMark } : {});
  try {
    const result = handler(event(), stream, context());
    if (!result || typeof result.then !== 'function') {
      const message = 'Streaming does not support non-async handlers.';
      throw generation >= 24 ? new Error(message) : message;
    }
    if ((await result) !== undefined) {
      console.warn('Streaming handlers ignore return values.');
    }
    await stream.delivered;
  } catch (error) {
    await stream.fail(error);
  }
}

exports.STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
exports.HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
exports.HttpResponseStream = HttpResponseStream;
exports.run = run;
