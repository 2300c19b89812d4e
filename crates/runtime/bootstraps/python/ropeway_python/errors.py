"""The documents that the Runtime API gets for errors."""


class Fault(Exception):
    """An error of the runtime itself: its type, its message, and a trace if there is one."""

    def __init__(self, kind, message, trace=None):
        Exception.__init__(self, message)
        self.kind = kind
        self.message = message
        self.trace = trace


def _document(message, kind, trace, request_id):
    return {
        "errorMessage": message or "",
        "errorType": kind or "",
        "requestId": request_id or "",
        "stackTrace": trace or [],
    }


def from_fault(fault, request_id=None):
    """An error of the runtime itself."""
    return _document(fault.message, fault.kind, fault.trace, request_id)


def from_exception(info, request_id=None):
    """What the function raised; the frames of the runtime that called it are not shown."""
    import traceback

    kind, value, trace = info
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(trace)]
    for index, frame in enumerate(frames):
        if "/ropeway_python/" not in frame[0]:
            frames = frames[index:]
            break
    return _document(str(value), kind.__name__, traceback.format_list(frames), request_id)
