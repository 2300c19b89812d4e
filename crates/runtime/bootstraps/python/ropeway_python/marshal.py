"""Events and results, as the managed runtime reads and writes them.

The managed runtime encodes with `simplejson`: decimals are numbers, named tuples are objects, bytes are text. The
standard library's encoder does none of that, but is the same for plain values, and is written in C.
"""

import json
import os

from .errors import Fault

# From Python 3.12 on, results are UTF-8; before, what is not ASCII is escaped.
_ASCII = os.environ.get("AWS_EXECUTION_ENV") not in (
    "AWS_Lambda_python3.12",
    "AWS_Lambda_python3.13",
    "AWS_Lambda_python3.14",
)
_PLAIN = frozenset((str, int, float, bool, type(None)))
_encode_plain = json.JSONEncoder(ensure_ascii=_ASCII, check_circular=False).encode


def _refuse(name):
    raise ValueError("%s is no JSON" % name)


def read(body, media_type):
    """The event. What is not JSON by its media type is handed on as it is."""
    if media_type not in (None, "application/json"):
        return body
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: {}".format(error))


def write(result):
    """The result's bytes and media type. Bytes are handed on as they are."""
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return to_json(result).encode("utf-8"), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: {}".format(error))


def to_json(value):
    """JSON text of a value."""
    if _is_plain(value):
        return _encode_plain(value)
    pieces = []
    _encode(value, pieces.append, set())
    return "".join(pieces)


def _is_plain(value):
    """Whether the standard encoder would write the value as `simplejson` does."""
    stack = [value]
    seen = set()
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in _PLAIN:
            continue
        if id(item) in seen:
            # Shared, or within itself: the other encoder tells which.
            return False
        seen.add(id(item))
        if kind is dict:
            for key in item:
                if type(key) is not str:
                    return False
            stack.extend(item.values())
        elif kind is list or kind is tuple:
            stack.extend(item)
        else:
            return False
    return True


def _encode(value, put, parents):
    if isinstance(value, (dict, list, tuple)) or callable(getattr(value, "_asdict", None)):
        if id(value) in parents:
            raise ValueError("Circular reference detected")
        parents.add(id(value))
        as_dict = getattr(value, "_asdict", None)
        if callable(as_dict):
            _encode_object(as_dict(), put, parents)
        elif isinstance(value, dict):
            _encode_object(value, put, parents)
        else:
            _encode_array(value, put, parents)
        parents.discard(id(value))
    else:
        put(_scalar(value))


def _encode_array(items, put, parents):
    put("[")
    for index, item in enumerate(items):
        if index:
            put(", ")
        _encode(item, put, parents)
    put("]")


def _encode_object(members, put, parents):
    put("{")
    for index, (key, item) in enumerate(members.items()):
        if index:
            put(", ")
        put(_encode_plain(_key(key)))
        put(": ")
        _encode(item, put, parents)
    put("}")


def _key(key):
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bytes):
        return key.decode("utf-8")
    if key is None or isinstance(key, (bool, int, float)):
        return _scalar(key)
    raise TypeError("keys must be str, int, float, bool or None, not " + type(key).__name__)


def _scalar(value):
    if value is None or value is True or value is False:
        return _encode_plain(value)
    if isinstance(value, str):
        return _encode_plain(str.__str__(value))
    if isinstance(value, bytes):
        return _encode_plain(value.decode("utf-8"))
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _encode_plain(float(value))
    # A decimal has no need of `decimal` being imported, unless there is one.
    if any(kind.__module__ == "decimal" and kind.__name__ == "Decimal" for kind in type(value).__mro__):
        return "NaN" if value.is_nan() else str(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)
