'use strict';

// Speaks to the Runtime API, over one connection that is kept.

const http = require('http');
const { document, inHeader, JSONStringifyError } = require('./errors');
const { generation } = require('./generation');

// Tracing libraries replace `http.request`; the runtime's own calls are not the function's.
const request = http.request;
const ROOT = '/2018-06-01/runtime';
const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
// The server may have closed a kept connection while the process was frozen.
const STALE = ['ECONNRESET', 'EPIPE'];

function serialize(value) {
  try {
    return JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    const message = 'Unable to stringify response body';
    throw generation >= 24 ? new JSONStringifyError(message) : new Error(message);
  }
}

class Client {
  /** `address`: host and port of the Runtime API. */
  constructor(address) {
    const [host, port] = address.split(':');
    this.options = { host, port: parseInt(port, 10), agent: new http.Agent({ keepAlive: true }) };
  }

  /** Waits for the next invocation: its headers and its event as text. */
  next() {
    return this.call('GET', '/invocation/next');
  }

  /** Answers an invocation with a value. Throws if JSON cannot say it. */
  respond(id, value) {
    const body = serialize(value);
    return this.call('POST', `/invocation/${encodeURIComponent(id)}/response`, body);
  }

  /** Answers an invocation with an error. */
  fail(id, error) {
    return this.postError(`/invocation/${encodeURIComponent(id)}/error`, error);
  }

  /** Reports that the function could not be loaded. */
  initError(error) {
    return this.postError('/init/error', error);
  }

  /** Begins a streaming answer; the caller writes to the request that is returned. */
  stream(id, headers) {
    const path = `${ROOT}/invocation/${encodeURIComponent(id)}/response`;
    return request(Object.assign({ method: 'POST', path, headers }, this.options));
  }

  postError(path, error) {
    const shown = document(error);
    return this.call('POST', path, JSON.stringify(shown), { [ERROR_TYPE]: inHeader(shown) });
  }

  call(method, path, body, headers, again) {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      const outgoing = request(
        Object.assign({ method, path: ROOT + path, headers: Object.assign(sent, headers) }, this.options),
        (response) => {
          const pieces = [];
          response.on('data', (piece) => pieces.push(piece));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(pieces).toString();
            if (response.statusCode >= 400) {
              reject(new Error(`${method} ${path} was answered ${response.statusCode}: ${text}`));
            } else {
              resolve({ headers: response.headers, body: text });
            }
          });
        },
      );
      outgoing.on('error', (error) => {
        if (!again && STALE.indexOf(error.code) >= 0) {
          resolve(this.call(method, path, body, headers, true));
        } else {
          reject(error);
        }
      });
      outgoing.end(body);
    });
  }
}

module.exports = { Client };
