'use strict';

// Finds the function that a handler's name means.

const fs = require('fs');
const path = require('path');
const errors = require('./errors');
const { generation } = require('./generation');
const { HttpResponseStream, STREAMING, HIGH_WATER_MARK } = require('./stream');

const CALLBACKS_GONE =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';

/** `dir/file.a.b` is the export `a.b` of the module `dir/file`. */
function split(name) {
  if (name.includes('..')) {
    throw new errors.MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(name);
  const match = /^([^.]*)\.(.*)$/.exec(last);
  if (!match) {
    throw new errors.MalformedHandlerName('Bad handler');
  }
  return { folder: name.substring(0, name.indexOf(last)), module: match[1], member: match[2] };
}

/** Whether the nearest package.json says that .js files are ES modules. */
function saysModule(folder) {
  if (folder.endsWith('/node_modules')) {
    return false;
  }
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder === '/' ? false : saysModule(path.dirname(folder));
}

const importFile = (file) => require('./import')(require('url').pathToFileURL(file).href);

/** CommonJS by `require`, ES modules by `import`; from Node 24 on, everything by `import`. */
async function loadFile(base) {
  const exists = (extension) => fs.existsSync(base + extension);
  if (generation >= 24) {
    const extension = ['', '.js', '.mjs', '.cjs'].find(exists);
    return extension === undefined ? undefined : importFile(base + extension);
  }
  if (exists('')) {
    const loaded = require(base);
    if (loaded) {
      return loaded;
    }
  }
  if (exists('.js')) {
    // The managed runtimes read ES modules from Node 14 on.
    return generation >= 14 && saysModule(path.dirname(base)) ? importFile(base + '.js') : require(base + '.js');
  }
  if (generation >= 14 && exists('.mjs')) {
    return importFile(base + '.mjs');
  }
  return exists('.cjs') ? require(base + '.cjs') : undefined;
}

/** The module, or the error that tells why there is none. */
async function loadModule(root, name) {
  const base = path.resolve(root, name.folder, name.module);
  try {
    const loaded = await loadFile(base);
    return loaded || require(require.resolve(name.module, { paths: [root, path.join(root, name.folder)] }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      const shown = new errors.UserCodeSyntaxError(String(error));
      if (generation >= 24) {
        shown.stack = error.stack;
      }
      throw shown;
    }
    if (error && error.code === 'MODULE_NOT_FOUND') {
      throw new errors.ImportModuleError(String(error));
    }
    throw error;
  }
}

function member(object, names) {
  return names.reduce((found, name) => (found ? found[name] : undefined), object);
}

/** Loads the handler. Throws the runtime's errors if the name, the module or the export is not right. */
exports.load = async (root, handlerName) => {
  const name = split(handlerName);
  const loaded = await loadModule(root, name);
  const names = name.member.split('.');
  let handler = member(loaded, names);
  if (!handler && generation >= 24 && loaded.default) {
    handler = member(loaded.default, names);
  }
  if (!handler) {
    throw new errors.HandlerNotFound(`${handlerName} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw new errors.HandlerNotFound(`${handlerName} is not a function`);
  }
  if (handler[STREAMING] && handler[STREAMING] !== 'response') {
    throw new errors.MalformedStreamingHandler('Only response streaming is supported.');
  }
  if (generation >= 24 && handler.length >= 3 && !handler[STREAMING]) {
    throw new errors.CallbackHandlerDeprecated(CALLBACKS_GONE);
  }
  return handler;
};

/** Gives functions the global `awslambda`, unless the environment says not to. */
exports.installGlobals = () => {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
    return;
  }
  global.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (options && typeof options.highWaterMark === 'number') {
        handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      }
      return handler;
    },
    HttpResponseStream,
  };
};
