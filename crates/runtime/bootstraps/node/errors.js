'use strict';

const util = require('util');
const { generation } = require('./generation');

// The runtime's own errors: their names are what `errorType` and the function-error header say.
class HandlerNotFound extends Error {}
class MalformedHandlerName extends Error {}
class ImportModuleError extends Error {}
class UserCodeSyntaxError extends Error {}
class MalformedStreamingHandler extends Error {}
class InvalidStreamingOperation extends Error {}
class CallbackHandlerDeprecated extends Error {}
class JSONStringifyError extends Error {}
class PlatformError extends Error {}

class UnhandledPromiseRejection extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
    // Shown as an empty object in log lines, where the managed runtime has the promise.
    this.promise = {};
  }
}

const named = {
  HandlerNotFound,
  MalformedHandlerName,
  ImportModuleError,
  UserCodeSyntaxError,
  MalformedStreamingHandler,
  InvalidStreamingOperation,
  CallbackHandlerDeprecated,
  JSONStringifyError,
  PlatformError,
  UnhandledPromiseRejection,
};
Object.keys(named).forEach((name) => {
  named[name].prototype.name = `Runtime.${name}`;
});

const UNREADABLE =
  'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack';

function isError(value) {
  if (util.types ? util.types.isNativeError(value) : value instanceof Error) {
    return true;
  }
  return Boolean(value) && ['name', 'message', 'stack'].every((key) => value[key] && typeof value[key] === 'string');
}

// DEL cannot stand in a header, and the error's type becomes one.
const clean = (text) => (typeof text === 'string' ? text.replace(/\x7F/g, '%7F') : text);

/** The document of the managed runtimes before Node 10. */
function ofNode8(error) {
  if (!isError(error)) {
    return { errorMessage: typeof error === 'string' ? error : JSON.stringify(error) };
  }
  const frames = error.stack.split('\n').slice(1);
  const stackTrace = frames.map((frame) => frame.trim().replace(/^at /, ''));
  return { errorMessage: error.message, errorType: error.name, stackTrace };
}

/** The document that the Runtime API gets for an error, or for whatever else was thrown. */
function document(error) {
  try {
    if (generation < 10) {
      return ofNode8(error);
    }
    if (isError(error)) {
      return { errorType: clean(error.name), errorMessage: clean(error.message), trace: clean(error.stack).split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch (unreadable) {
    return { errorType: 'handled', errorMessage: UNREADABLE, trace: [] };
  }
}

/** An error, made from the value if it is none. */
function asError(value) {
  return value instanceof Error ? value : new Error(value);
}

function enumerable(key, value) {
  if (!(value instanceof Error)) {
    return value;
  }
  const shown = { errorType: value.name, errorMessage: value.message, code: value.code };
  Object.assign(shown, value);
  if (typeof value.stack === 'string') {
    shown.stack = value.stack.split('\n');
  }
  return shown;
}

/** How text logs show an error: JSON with its type, message, code, own properties and stack. */
function inText(error) {
  try {
    return '\t' + JSON.stringify(error, enumerable);
  } catch (unserializable) {
    return '\t' + JSON.stringify(document(error));
  }
}

/** A document's type as a header can say it: Latin-1 without controls, and never nothing. */
function inHeader(shown) {
  return String(shown.errorType || 'Unhandled').replace(/[^\x20-\x7E]/g, '?');
}

module.exports = Object.assign({ document, asError, inText, inHeader }, named);
