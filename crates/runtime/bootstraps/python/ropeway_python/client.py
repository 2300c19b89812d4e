"""Speaks to the Runtime API, over one connection that is kept.

By hand over `_socket`: `http.client` takes longer to import than the interpreter to start.
"""

import _socket

from .marshal import to_json

_ROOT = "/2018-06-01/runtime"
# What a response's head may take at most; the server is our own.
_HEAD_LIMIT = 1 << 20


class Closed(Exception):
    """The server closed the connection before it answered."""


class Client(object):
    """`address`: host and port of the Runtime API."""

    def __init__(self, address):
        self._host = address
        host, port = address.rsplit(":", 1)
        self._address = (host, int(port))
        self._socket = None
        self._buffer = b""

    def next(self):
        """Waits for the next invocation: its headers, with lower-case names, and its event."""
        return self._call("GET", "/invocation/next")

    def respond(self, request_id, body, media_type):
        """Answers an invocation."""
        self._call("POST", "/invocation/%s/response" % request_id, body, {"Content-Type": media_type})

    def fail(self, request_id, document):
        """Answers an invocation with an error."""
        self._post_error("/invocation/%s/error" % request_id, document)

    def init_error(self, document):
        """Reports that the function could not be loaded."""
        self._post_error("/init/error", document)

    def _post_error(self, path, document):
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Function-Error-Type": document["errorType"],
        }
        self._call("POST", path, to_json(document).encode("utf-8"), headers)

    def _call(self, method, path, body=b"", headers=None):
        lines = ["%s %s%s HTTP/1.1" % (method, _ROOT, path), "Host: " + self._host]
        lines += ["%s: %s" % header for header in (headers or {}).items()]
        if method == "POST":
            lines.append("Content-Length: %d" % len(body))
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + body
        kept = self._socket is not None
        try:
            status, answered, content = self._exchange(request)
        except (Closed, ConnectionError):
            self._close()
            if not kept:
                raise
            # The server may have closed a kept connection while the process was frozen.
            status, answered, content = self._exchange(request)
        if answered.get("connection", "").lower() == "close":
            self._close()
        # A response that the Runtime API refuses (too large) it has dealt with itself.
        if method == "GET" and status != 200:
            raise RuntimeError("%s was answered %d: %r" % (path, status, content))
        return answered, content

    def _exchange(self, request):
        if self._socket is None:
            self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self._socket.connect(self._address)
        self._socket.sendall(request)
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            # Values are UTF-8 where a client context is.
            headers[name.strip().lower()] = value.strip().encode("latin-1").decode("utf-8", "replace")
        return status, headers, self._content(headers)

    def _content(self, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._exactly(int(headers.get("content-length", "0")))
        pieces = []
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self._until(b"\r\n"):
                    pass
                return b"".join(pieces)
            pieces.append(self._exactly(size))
            self._exactly(2)

    def _receive(self):
        received = self._socket.recv(1 << 16)
        if not received:
            raise Closed("the Runtime API closed the connection")
        return received

    def _until(self, end):
        while True:
            found, mark, rest = self._buffer.partition(end)
            if mark:
                self._buffer = rest
                return found
            if len(self._buffer) > _HEAD_LIMIT:
                raise RuntimeError("the Runtime API's answer has no end of head")
            self._buffer += self._receive()

    def _exactly(self, count):
        pieces = [self._buffer]
        missing = count - len(self._buffer)
        while missing > 0:
            pieces.append(self._receive())
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        self._buffer = whole[count:]
        return whole[:count]

    def _close(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""
