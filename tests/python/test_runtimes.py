"""Functions of each language, in their sandboxes: what they find there, and what of them is logged."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from support import BINARY, RUNTIMES, Server, eventually, refused, unique
from test_lambda import make_role

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def package(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return out.getvalue()


class Functions:
    """Makes and calls functions of one server."""

    def __init__(self, server):
        self.server = server
        self.client = server.client("lambda", read_timeout=600)
        self.logs = server.client("logs")
        self.role = make_role(server.client("iam"), unique("role"), {"Effect": "Allow", "Action": "*", "Resource": "*"})

    def make(self, runtime, handler, files, **more):
        name = unique("fn")
        self.client.create_function(
            FunctionName=name, Runtime=runtime, Handler=handler, Role=self.role, Code={"ZipFile": package(files)},
            Timeout=60, MemorySize=more.pop("MemorySize", 256), **more)
        self.client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    def call(self, name, event=None):
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def events(self, name, wanted):
        """The log events that match, once there is one."""
        def look():
            try:
                found = self.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            except self.logs.exceptions.ResourceNotFoundException:
                return []
            return [event["message"].rstrip("\n") for event in found if re.search(wanted, event["message"])]

        return eventually(look, f"{wanted} in the log")


@pytest.fixture(scope="module")
def functions(server):
    return Functions(server)


def ready(runtime):
    """Skips where the machine has no interpreter; what a machine must have is .ci's business."""
    lines = subprocess.run([BINARY, "runtime", "ls", "--json"], capture_output=True, text=True).stdout.splitlines()
    states = {line["name"]: line["ready"] for line in map(json.loads, lines)}
    if not states[runtime]:
        pytest.skip(f"no interpreter for {runtime}")


NODE = """
const { SQSClient, ListQueuesCommand } = require('@aws-sdk/client-sqs');
exports.handler = async (event, context) => {
  console.log('two\\nlines');
  const answer = await new SQSClient({}).send(new ListQueuesCommand({ QueueNamePrefix: 'no-such' }));
  return {
    event, queues: answer.QueueUrls || [], node: process.version, program: process.execPath, cwd: process.cwd(),
    runtime: process.env.AWS_EXECUTION_ENV, tz: new Date().getTimezoneOffset(), left: context.getRemainingTimeInMillis(),
  };
};
"""


def test_node_finds_its_sdk(functions):
    ready("nodejs20.x")
    name = functions.make("nodejs20.x", "index.handler", {"index.js": NODE})
    value, failed = functions.call(name, {"é": 1})
    assert not failed, value
    assert 50000 < value.pop("left") <= 60000
    assert value.pop("node").startswith("v20.")
    assert value == {
        "event": {"é": 1}, "queues": [], "program": "/var/lang/bin/node", "cwd": "/var/task",
        "runtime": "AWS_Lambda_nodejs20.x", "tz": 0,
    }
    (line,) = functions.events(name, "two")
    assert re.fullmatch(STAMP + r"\t[0-9a-f-]{36}\tINFO\ttwo\nlines", line)


PYTHON = """
import logging, sys, time
import boto3
def handler(event, context):
    logging.warning('two\\nlines')
    queues = boto3.client('sqs').list_queues(QueueNamePrefix='no-such').get('QueueUrls', [])
    return {'event': event, 'queues': queues, 'path': sys.path[:4], 'sdk': boto3.__file__, 'tz': time.tzname[0]}
"""


def test_python_finds_its_sdk(functions):
    ready("python3.11")
    name = functions.make("python3.11", "app.handler", {"app.py": PYTHON})
    value, failed = functions.call(name, {"é": 1})
    assert not failed, value
    assert value == {
        "event": {"é": 1}, "queues": [], "sdk": "/var/runtime/boto3/__init__.py", "tz": "UTC",
        "path": ["/var/task", "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime"],
    }
    (line,) = functions.events(name, "two")
    assert re.fullmatch(r"\[WARNING\]\t%s\t[0-9a-f-]{36}\ttwo\nlines" % STAMP, line)


JAVA = """
import com.amazonaws.services.lambda.runtime.*;
import java.util.Map;
public class Main implements RequestHandler<Map<String, Object>, Object> {
  public Object handleRequest(Map<String, Object> event, Context context) {
    context.getLogger().log("two\\nlines");
    if (event.containsKey("fail")) throw new IllegalStateException("broke");
    return Map.of("event", event, "id", context.getAwsRequestId(), "lib", Lib.TEXT, "layer", new Layer().toString());
  }
}
"""


def jar(directory, name, source, *classpath):
    """A compiled class in a jar: its bytes, and the class's."""
    directory.mkdir()
    (directory / f"{name}.java").write_text(source)
    path = os.pathsep.join(map(str, classpath)) or "."
    subprocess.run(["javac", "--release", "17", "-cp", path, f"{name}.java"], cwd=directory, check=True)
    compiled = (directory / f"{name}.class").read_bytes()
    return package({f"{name}.class": compiled}), compiled


def test_java_runs_by_the_runtime_interface_client(functions, tmp_path):
    ready("java17")
    subprocess.run([BINARY, "runtime", "add", "java17", "--runtimes-dir", RUNTIMES], check=True)
    (client,) = Path(RUNTIMES).glob("client-java-*")
    lib, _ = jar(tmp_path / "lib", "Lib", 'public class Lib { static String TEXT = "of lib"; }')
    layer, _ = jar(tmp_path / "layer", "Layer", 'public class Layer { public String toString() { return "of a layer"; } }')
    _, main = jar(tmp_path / "main", "Main", JAVA, client / "lib" / "*", tmp_path / "lib", tmp_path / "layer")
    published = functions.client.publish_layer_version(
        LayerName=unique("layer"), Content={"ZipFile": package({"java/lib/layer.jar": layer})})
    name = functions.make(
        "java17", "Main::handleRequest", {"Main.class": main, "lib/lib.jar": lib}, MemorySize=512,
        Layers=[published["LayerVersionArn"]])
    value, failed = functions.call(name, {"a": 1})
    assert not failed, value
    assert value.pop("id")
    assert value == {"event": {"a": 1}, "lib": "of lib", "layer": "of a layer"}
    assert functions.events(name, "two") == ["two\nlines"]
    value, failed = functions.call(name, {"fail": 1})
    assert failed == "Unhandled"
    assert (value["errorType"], value["errorMessage"]) == ("java.lang.IllegalStateException", "broke")
    assert value["stackTrace"][0].startswith("Main.handleRequest(Main.java:")


def test_layers_are_on_the_languages_paths(functions):
    ready("nodejs20.x"), ready("python3.11")
    layer = functions.client.publish_layer_version(LayerName=unique("layer"), Content={"ZipFile": package({
        "nodejs/node_modules/common/index.js": "module.exports = 'common'",
        "nodejs/node20/node_modules/exact/index.js": "module.exports = 'exact'",
        "python/common.py": "TEXT = 'common'",
        "python/lib/python3.11/site-packages/exact.py": "TEXT = 'exact'",
    })})["LayerVersionArn"]
    code = "const a = require('common'), b = require('exact'); exports.handler = async () => [a, b]"
    name = functions.make("nodejs20.x", "index.handler", {"index.js": code}, Layers=[layer])
    assert functions.call(name) == (["common", "exact"], None)
    code = "import common, exact\ndef handler(e, c): return [common.TEXT, exact.TEXT]"
    name = functions.make("python3.11", "app.handler", {"app.py": code}, Layers=[layer])
    assert functions.call(name) == (["common", "exact"], None)


def test_errors_of_loading_are_the_languages_own(functions):
    ready("nodejs20.x"), ready("python3.11")
    value, failed = functions.call(functions.make("nodejs20.x", "index.handler", {"index.js": "exports.other = 1"}))
    assert failed == "Unhandled"
    assert (value["errorType"], value["errorMessage"]) == (
        "Runtime.HandlerNotFound", "index.handler is undefined or not exported")
    value, failed = functions.call(functions.make("python3.11", "app.handler", {"other.py": ""}))
    assert failed == "Unhandled"
    assert (value["errorType"], value["errorMessage"]) == (
        "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'app'")


def test_json_logs_have_their_level(functions):
    ready("python3.11")
    code = "import logging\ndef handler(e, c):\n    logging.info('hidden')\n    logging.error('shown')"
    logging = {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}
    name = functions.make("python3.11", "app.handler", {"app.py": code}, LoggingConfig=logging)
    functions.call(name)
    (line,) = functions.events(name, "hidden|shown")
    assert (json.loads(line)["level"], json.loads(line)["message"]) == ("ERROR", "shown")


def test_what_does_not_run_is_refused_at_create(functions):
    for runtime, why in [("nodejs16.x", "is no longer supported for creating"), ("ruby3.3", "ruby3.3")]:
        with refused("InvalidParameterValueException", 400, why):
            functions.make(runtime, "index.handler", {"index.js": ""})


def test_a_stand_in_serves_a_deprecated_runtime(tmp_path):
    ready("nodejs20.x")
    server = Server(tmp_path / "data", "--stand-in", "nodejs16.x=nodejs20.x", "--deprecated-runtimes")
    try:
        functions = Functions(server)
        code = "exports.handler = async () => [process.version, process.env.AWS_EXECUTION_ENV, require('aws-sdk').VERSION]"
        name = functions.make("nodejs16.x", "index.handler", {"index.js": code})
        value, failed = functions.call(name)
        assert not failed, value
        assert value[0].startswith("v20.") and value[1:] == ["AWS_Lambda_nodejs16.x", "2.1693.0"]
    finally:
        server.kill()


def test_a_function_is_pending_while_its_runtime_is_fetched(tmp_path):
    ready("python3.11")
    # A directory of its own: nothing has been fetched.
    server = Server(tmp_path / "data", "--runtimes-dir", str(tmp_path / "runtimes"))
    try:
        functions = Functions(server)
        name = unique("fn")
        code = "import boto3\ndef handler(e, c): return boto3.__file__"
        made = functions.client.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=functions.role,
            Code={"ZipFile": package({"app.py": code})}, Timeout=60, MemorySize=256)
        assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
        for kind in ("RequestResponse", "Event"):
            with refused("ResourceConflictException", 409, "currently in the following state: Pending"):
                functions.client.invoke(FunctionName=name, InvocationType=kind)
        server.restart_after_kill()
        functions.client.get_waiter("function_active_v2").wait(FunctionName=name)
        assert functions.call(name) == ("/var/runtime/boto3/__init__.py", None)
        # All is at hand now.
        again = functions.client.create_function(
            FunctionName=unique("fn"), Runtime="python3.11", Handler="app.handler", Role=functions.role,
            Code={"ZipFile": package({"app.py": code})})
        assert (again["State"], again["LastUpdateStatus"]) == ("Active", "Successful")
    finally:
        server.kill()


def test_a_runtime_that_cannot_be_had_fails_the_function(tmp_path):
    ready("java17")
    # No tool that fetches is on the path.
    empty = tmp_path / "bin"
    empty.mkdir()
    (empty / "java").symlink_to(shutil.which("java"))
    path = os.environ["PATH"]
    os.environ["PATH"] = str(empty)
    try:
        server = Server(tmp_path / "data", "--runtimes-dir", str(tmp_path / "runtimes"))
    finally:
        os.environ["PATH"] = path
    try:
        functions = Functions(server)
        name = unique("fn")
        functions.client.create_function(
            FunctionName=name, Runtime="java17", Handler="Main", Role=functions.role, Code={"ZipFile": package({"a": ""})})
        now = eventually(lambda: (f := functions.client.get_function(FunctionName=name)["Configuration"])["State"] == "Failed" and f)
        assert "mvn is not on PATH" in now["StateReason"]
        assert (now["StateReasonCode"], now["LastUpdateStatus"]) == ("InvalidRuntime", "Failed")
        with refused("ResourceConflictException", 409, "currently in the following state: Failed"):
            functions.client.invoke(FunctionName=name)
    finally:
        server.kill()
