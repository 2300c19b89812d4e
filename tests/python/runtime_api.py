"""A Runtime API for tests, and processes that are served by it."""

import base64
import json
import os
import pathlib
import queue
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOOTSTRAPS = pathlib.Path(__file__).resolve().parents[2] / "crates" / "runtime" / "bootstraps"
# How long a test waits for what must come, in seconds.
PATIENCE = 60


def frames(output):
    """Framed log events: their type, microseconds since 1970, and text."""
    found = []
    while output:
        length = int.from_bytes(output[4:8], "big")
        event = output[16 : 16 + length]
        found.append((output[:4].hex(), int.from_bytes(output[8:16], "big"), event.decode()))
        output = output[16 + length :]
    return found


class Posted:
    """What a function's process sent."""

    def __init__(self, path, headers, body, trailers):
        self.kind = path.rsplit("/", 1)[1]
        self.init = path.endswith("/runtime/init/error")
        self.request_id = None if self.init else path.split("/")[-2]
        self.headers, self.body, self.trailers = headers, body, trailers

    @property
    def value(self):
        return json.loads(self.body)

    @property
    def trailing_error(self):
        return json.loads(base64.b64decode(self.trailers["lambda-runtime-function-error-body"]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        assert self.path == "/2018-06-01/runtime/invocation/next", self.path
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        headers, body = invocation
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body, trailers = self.read_body()
        self.server.posted.put(Posted(self.path, dict(self.headers), body, trailers))
        answer = self.server.refuse or b'{"status":"OK"}\n'
        self.send_response(413 if self.server.refuse else 202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"])), {}
        body, trailers = b"", {}
        while True:
            size = int(self.rfile.readline(), 16)
            if size == 0:
                break
            body += self.rfile.read(size)
            self.rfile.readline()
        for line in iter(self.rfile.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            trailers[name.strip().lower()] = value.strip()
        return body, trailers

    def log_message(self, *_):
        pass


class RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.invocations, self.posted, self.refuse = queue.Queue(), queue.Queue(), None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Silent: a process that was ended no longer reads."""


class Process:
    """A function's process, with an API of its own."""

    def __init__(self, command, task, handler, env=None):
        self.api = RuntimeApi()
        self.count = 0
        inherited = {"PATH": os.environ["PATH"], "TZ": ":UTC", "LANG": "en_US.UTF-8"}
        self.child = subprocess.Popen(
            command,
            cwd=task,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **inherited,
                "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.api.server_port,
                "LAMBDA_TASK_ROOT": str(task),
                "_HANDLER": handler,
                "AWS_LAMBDA_FUNCTION_NAME": "fn",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
                "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
                **(env or {}),
            },
        )

    def send(self, event=None, raw=None, headers=None):
        """Hands an invocation out; returns its id."""
        self.count += 1
        request_id = "00000000-0000-4000-8000-%012d" % self.count
        all_headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:fn",
            **(headers or {}),
        }
        body = raw if raw is not None else json.dumps(event).encode()
        self.api.invocations.put((all_headers, body))
        return request_id

    def posted(self):
        """What the process sends next."""
        return self.api.posted.get(timeout=PATIENCE)

    def invoke(self, event=None, **more):
        """Hands an invocation out and waits for its answer."""
        request_id = self.send(event, **more)
        answer = self.posted()
        assert answer.request_id == request_id
        return answer

    def ended(self):
        """Waits for the process to end by itself: exit code, output, error output."""
        out, err = self.child.communicate(timeout=PATIENCE)
        self.close()
        return self.child.returncode, out.decode(), err.decode()

    def raw_output(self):
        """Ends the process; what it wrote to its standard output."""
        self.child.kill()
        out, _ = self.child.communicate(timeout=PATIENCE)
        self.close()
        return out

    def output(self):
        """Ends the process; what it wrote to its standard output, as text."""
        return self.raw_output().decode()

    def close(self):
        self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdout, self.child.stderr):
            pipe.close()
        self.api.invocations.put(None)
        self.api.shutdown()
        self.api.server_close()
