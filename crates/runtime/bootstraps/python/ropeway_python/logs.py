"""Standard output and the `logging` module of functions."""

import os
import sys
import time

# Named by the lines of `logging`; None while the function is loaded.
request_id = None

_JSON = (os.environ.get("AWS_LAMBDA_LOG_FORMAT") or "").upper() == "JSON"
_LEVEL = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
if _LEVEL == "TRACE":
    _LEVEL = "DEBUG"
_NO_BREAK_SPACE = "\u00a0"
_FRAME_JSON = 0xA55A0002
_FRAME_TEXT = 0xA55A0003

# Where framed log events go, if the platform gave a descriptor.
_fd = None


class _Unbuffered(object):
    """A stream that keeps nothing back: a frozen process must have said what it said."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines):
        self.stream.writelines(lines)
        self.stream.flush()


class _LoggingFinder(object):
    """Sets up `logging` when the function first imports it: functions that do not are spared its import."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_set_up(module):
            load(module)
            from . import log_handler

            log_handler.set_up(module)

        spec.loader.exec_module = load_and_set_up
        return spec


def start():
    """Takes over the streams and, once it is imported, `logging`."""
    global _fd
    sys.stdout = _Unbuffered(sys.stdout)
    sys.stderr = _Unbuffered(sys.stderr)
    fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if fd is not None:
        _fd = int(fd)
    if "logging" in sys.modules:
        from . import log_handler

        log_handler.set_up(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, _LoggingFinder())


def write(text, level=0, as_json=False):
    """Writes a log event; with a descriptor for frames, one of several lines stays one event."""
    if _fd is None:
        sys.stdout.write(text)
        return
    message = text.encode("utf-8")
    kind = (_FRAME_JSON if as_json else _FRAME_TEXT) | ((level // 10 + 1) << 2 if level else 0)
    stamp = int(time.time() * 1000000)
    os.write(_fd, kind.to_bytes(4, "big") + len(message).to_bytes(4, "big") + stamp.to_bytes(8, "big") + message)


def error(document):
    """Logs an error that the runtime reports."""
    if _JSON:
        from .marshal import to_json

        line = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "ERROR"}
        line.update(document)
        lines = [to_json(line)]
    else:
        lines = _error_lines(document)
    if _fd is None:
        # One line of output is one log event: lines within it end with carriage returns.
        write("\r".join(lines) + "\n")
    else:
        write("\n".join(lines), 40, _JSON)


def _error_lines(document):
    head = ": ".join(part for part in (document["errorType"], document["errorMessage"]) if part)
    lines = ["[ERROR] " + head if head else "[ERROR]", "Traceback (most recent call last):"]
    for element in document["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(_NO_BREAK_SPACE * (len(line) - len(text)) + text)
    return lines
