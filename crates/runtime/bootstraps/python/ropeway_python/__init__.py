"""Serves a Python function: loads the handler, then takes one invocation after another.

Reads on Python 3.6 and later, and imports little: what it imports, every cold start waits for.
"""

import os
import sys

from . import context, errors, logs, marshal
from .client import Client

_UNHANDLED = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare "
    "cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, "
    "runtime updates can be triggered by a function change, or can be applied automatically. To determine if the "
    "runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a "
    "change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


def main():
    """Runs until the process is ended."""
    _set_path()
    logs.start()
    client = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except errors.Fault as fault:
        _init_failed(client, errors.from_fault(fault))
    except Exception:
        _init_failed(client, errors.from_exception(sys.exc_info()))
    while True:
        headers, event = client.next()
        _serve(client, handler, headers, event)


def _init_failed(client, document):
    import logging

    logging.warning(_UNHANDLED)
    logs.error(document)
    client.init_error(document)
    sys.exit(1)


def _serve(client, handler, headers, event):
    request_id = headers["lambda-runtime-aws-request-id"]
    logs.request_id = request_id
    _export_trace(headers.get("lambda-runtime-trace-id"))
    try:
        made = context.from_headers(headers)
        result = handler(marshal.read(event, headers.get("content-type")), made)
        body, media_type = marshal.write(result)
    except errors.Fault as fault:
        document = errors.from_fault(fault, request_id)
    except Exception:
        document = errors.from_exception(sys.exc_info(), request_id)
    else:
        client.respond(request_id, body, media_type)
        return
    logs.error(document)
    client.fail(request_id, document)


def _export_trace(trace):
    if trace is not None:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def _set_path():
    """The package first, then layers, then what PYTHONPATH says and the language brings; the SDK is always there."""
    del sys.path[0]
    lib = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], lib, "/opt/python"]
    sdk = os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime")
    if sdk not in sys.path:
        sys.path.append(sdk)


def load(name):
    """The function that a handler's name means: `package/module.function` or `package.module.function`."""
    import importlib

    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise errors.Fault("Runtime.MalformedHandlerName", "Bad handler '{}': {}".format(name, error))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise errors.Fault(
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module {} as a handler module".format(module_name),
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise errors.Fault(
            "Runtime.ImportModuleError", "Unable to import module '{}': {}".format(module_name, error)
        )
    except SyntaxError as error:
        raise errors.Fault(
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module '{}': {}".format(module_name, error),
            ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)],
        )
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise errors.Fault(
            "Runtime.HandlerNotFound", "Handler '{}' missing on module '{}'".format(function_name, module_name)
        )
