"""The root logger's handler: text lines, or JSON."""

import json
import time

from . import logs

# What a record has by itself; everything else came by `extra`.
_OWN = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process aws_request_id".split()
)
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _level(record):
    """The level, rounded down to one of the six."""
    return min(50, max(0, record.levelno)) // 10 * 10


def set_up(logging):
    """Gives the root logger its handler; it has one before the function can say `basicConfig`."""
    logging.Formatter.converter = time.gmtime

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            framed = _level(record) if logs._JSON or logs._LEVEL else 0
            logs.write(self.format(record), framed, logs._JSON)

    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = logs.request_id or ""
            return True

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            return _json_line(self, logging, record)

    handler = LambdaLoggerHandler()
    if logs._JSON:
        handler.setFormatter(JsonFormatter(datefmt="%Y-%m-%dT%H:%M:%SZ"))
    else:
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    if logs._LEVEL in logging._nameToLevel:
        root.setLevel(logs._LEVEL)
    root.addHandler(handler)


def _json_line(formatter, logging, record):
    raw = isinstance(record.msg, dict) and not record.args
    line = {
        "timestamp": formatter.formatTime(record, formatter.datefmt),
        "level": logging.getLevelName(_level(record)),
        "message": record.msg if raw else record.getMessage(),
        "logger": record.name,
    }
    if record.exc_info:
        import traceback

        kind, value, trace = record.exc_info
        line["stackTrace"] = traceback.format_tb(trace)
        line["errorType"] = kind.__name__ if kind else None
        line["errorMessage"] = str(value)
    line["requestId"] = record.aws_request_id
    if record.exc_info:
        line["location"] = "{}:{}:{}".format(record.pathname, record.funcName, record.lineno)
    for key, value in record.__dict__.items():
        if key not in _OWN and key not in line:
            line[key] = value
    return _encode({key: value for key, value in line.items() if value is not None}) + "\n"
