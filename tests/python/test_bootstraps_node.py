"""The Node bootstrap against a Runtime API of the test's: what a handler may be, and what is made of what it does.

What is expected is the managed runtimes' behaviour, as `aws-lambda-ric` 3.3 (up to Node 22) and 4.0 (24) show it.
"""

import json

import re
import shutil

import pytest

from runtime_api import BOOTSTRAPS, Process, frames

NODE = shutil.which("node")
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def node(tmp_path):
    """Starts a function from files; `generation` is the runtime's major version."""
    started = []

    def start(files, handler="index.handler", generation=20, env=None):
        files = files if isinstance(files, dict) else {"index.js": files}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        env = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs%d.x" % generation, **(env or {})}
        process = Process([NODE, str(BOOTSTRAPS / "node" / "index.js")], tmp_path, handler, env)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.child.poll() is None:
            process.close()


def failed_init(process, code=129):
    posted = process.posted()
    assert posted.init
    assert posted.headers["Lambda-Runtime-Function-Error-Type"] == posted.value["errorType"]
    status, out, _ = process.ended()
    assert status == code
    return posted.value, out


# What a handler may be.


@pytest.mark.parametrize("generation", [12, 14, 16, 18, 20, 22, 24])
def test_an_async_handler_answers_its_value(node, generation):
    f = node("exports.handler = async (event) => ({ got: event, later: undefined })", generation=generation)
    assert f.invoke({"a": [1, "é"]}).value == {"got": {"a": [1, "é"]}}
    assert f.invoke(None).value == {"got": None}


@pytest.mark.parametrize("generation", [20, 24])
def test_undefined_is_answered_as_null(node, generation):
    assert node("exports.handler = async () => {}", generation=generation).invoke({}).body == b"null"


def test_a_callback_handler_answers_and_its_return_value_is_ignored(node):
    f = node("exports.handler = (event, context, callback) => { callback(null, event.n + 1); return 'ignored'; }")
    assert f.invoke({"n": 1}).value == 2
    assert f.invoke({"n": 2}).value == 3


def test_a_plain_return_value_is_no_answer(node):
    assert node("exports.handler = () => 'ignored'").invoke({}).body == b"null"


def test_a_promise_of_a_handler_that_takes_a_callback_is_honoured(node):
    assert node("exports.handler = (e, c, cb) => Promise.resolve('kept')").invoke({}).value == "kept"


def test_a_callback_waits_for_an_empty_event_loop(node):
    f = node(
        "let done = false;"
        "exports.handler = (e, c, cb) => {"
        " const result = { get done() { return done; } };"
        " setTimeout(() => { done = true; }, 50); cb(null, result); }"
    )
    assert f.invoke({}).value == {"done": True}


def test_it_does_not_wait_when_told(node):
    f = node(
        "exports.handler = (e, c, cb) => {"
        " c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 3600000);"
        " cb(null, c.callbackWaitsForEmptyEventLoop); }"
    )
    assert f.invoke({}).value is False
    assert f.invoke({}).value is False


@pytest.mark.parametrize(
    "call, expected",
    [
        ("context.succeed({a: 1})", {"a": 1}),
        ("context.done(null, 'x')", "x"),
        ("context.done(undefined, 'x')", "x"),
        ("callback(null, 'first'); callback(null, 'second'); context.succeed('third')", "first"),
    ],
)
def test_older_ways_to_succeed(node, call, expected):
    f = node("exports.handler = (event, context, callback) => { %s }" % call)
    assert f.invoke({}).value == expected
    assert f.invoke({}).value == expected


@pytest.mark.parametrize(
    "call, kind, message",
    [
        ("context.fail(new TypeError('no'))", "TypeError", "no"),
        ("context.fail('text')", "string", "text"),
        ("context.fail()", "string", "handled"),
        ("context.done(new Error('no'))", "Error", "no"),
        ("callback('text')", "string", "text"),
        ("callback(new RangeError('far'), 'ignored')", "RangeError", "far"),
    ],
)
def test_older_ways_to_fail(node, call, kind, message):
    f = node("exports.handler = (event, context, callback) => { %s }" % call)
    answer = f.invoke({})
    assert answer.kind == "error"
    assert (answer.value["errorType"], answer.value["errorMessage"]) == (kind, message)


def test_a_handler_that_never_answers_has_answered_null(node):
    f = node("exports.handler = () => { setTimeout(() => {}, 10) }")
    assert f.invoke({}).body == b"null"
    g = node("exports.handler = () => new Promise(() => {})")
    assert g.invoke({}).body == b"null"


# Where a handler is found.


def test_handlers_in_folders_and_nested_exports(node):
    f = node({"src/app/main.js": "exports.a = { b: { c: async () => 'deep' } }"}, handler="src/app/main.a.b.c")
    assert f.invoke({}).value == "deep"


@pytest.mark.parametrize("generation", [16, 20, 24])
@pytest.mark.parametrize(
    "files",
    [
        {"index.mjs": "export const handler = async () => import.meta.url.slice(-9)"},
        {
            "index.js": "import path from 'path'; export const handler = async () => path.basename(import.meta.url).padStart(9, 'x')",
            "package.json": '{"type": "module"}',
        },
        {"index.cjs": "exports.handler = async () => 'index.cjs'"},
        {"node_modules/index/package.json": "{}", "node_modules/index/index.js": "exports.handler = async () => 'modules  '"},
    ],
    ids=["mjs", "type-module", "cjs", "node_modules"],
)
def test_module_kinds(node, files, generation):
    assert len(node(files, generation=generation).invoke({}).value) == 9


def test_es_modules_may_await_at_the_top(node):
    f = node({"index.mjs": "const n = await Promise.resolve(4); export const handler = async () => n"})
    assert f.invoke({}).value == 4


def test_a_default_export_is_looked_into_from_node_24_on(node):
    files = {"index.cjs": "const h = {}; h['hand' + 'ler'] = async () => 1; module.exports = h"}
    assert node(files, generation=24).invoke({}).value == 1


def test_node_path_finds_layers(node, tmp_path):
    layer = tmp_path / "layer"
    (layer / "m").mkdir(parents=True)
    (layer / "m" / "index.js").write_text("module.exports = 'from a layer'")
    f = node("const m = require('m'); exports.handler = async () => m", env={"NODE_PATH": str(layer)})
    assert f.invoke({}).value == "from a layer"


# What cannot be loaded.


def test_a_missing_module(node):
    error, out = failed_init(node({"other.js": ""}))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"].startswith("Error: Cannot find module 'index'\nRequire stack:")
    assert error["trace"][0].startswith("Runtime.ImportModuleError: Error: Cannot find module 'index'")
    assert re.match(STAMP + r'\tundefined\tERROR\tUncaught Exception \t\{"errorType":"Runtime.ImportModuleError"', out)


def test_a_module_that_a_module_misses(node):
    error, _ = failed_init(node("require('nowhere')"))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "Cannot find module 'nowhere'" in error["errorMessage"]


def test_a_missing_export(node):
    error, _ = failed_init(node("exports.other = 1"))
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert error["errorMessage"] == "index.handler is undefined or not exported"


def test_an_export_that_is_no_function(node):
    error, _ = failed_init(node("exports.handler = {}"))
    assert (error["errorType"], error["errorMessage"]) == ("Runtime.HandlerNotFound", "index.handler is not a function")


def test_a_syntax_error(node):
    error, _ = failed_init(node("exports.handler = ("))
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert error["errorMessage"] == "SyntaxError: Unexpected end of input"
    assert error["trace"][0] == "Runtime.UserCodeSyntaxError: SyntaxError: Unexpected end of input"


def test_a_malformed_handler_name(node):
    error, _ = failed_init(node("", handler="index"))
    assert (error["errorType"], error["errorMessage"]) == ("Runtime.MalformedHandlerName", "Bad handler")
    error, _ = failed_init(node("", handler="../index.handler"))
    assert error["errorType"] == "Runtime.MalformedHandlerName"
    assert error["errorMessage"].startswith("'../index.handler' is not a valid handler name.")


def test_a_module_that_throws(node):
    error, _ = failed_init(node("throw new TypeError('at load')"))
    assert (error["errorType"], error["errorMessage"]) == ("TypeError", "at load")
    assert "index.js:1" in error["trace"][1]


def test_an_error_while_loading_that_nobody_awaits(node):
    f = node("setTimeout(() => { throw new Error('late') }, 0); while (Date.now() < 0); exports.handler = async () => 1")
    posted = f.posted()
    assert posted.value["errorMessage"] == "late"
    assert f.ended()[0] == 129


def test_callbacks_are_gone_from_node_24_on(node):
    f = node("exports.handler = (event, context, callback) => callback(null, 1)", generation=24)
    error, out = failed_init(f, code=1)
    assert error["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert error["errorMessage"].startswith(
        "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24."
    )
    assert re.match(STAMP + r"\t-\tERROR\tInit Error \t", out)


def test_node_24_has_no_older_ways_and_awaits_plain_values(node):
    f = node("exports.handler = (e, c) => Object.keys(c).concat('plain')", generation=24)
    names = f.invoke({}).value
    assert "plain" in names and not {"succeed", "fail", "done", "callbackWaitsForEmptyEventLoop"} & set(names)


# What goes wrong in a handler.


@pytest.mark.parametrize("generation", [20, 24])
def test_a_thrown_error_has_its_type_message_and_trace(node, generation):
    f = node("class Odd extends Error { constructor(m) { super(m); this.name = 'Odd' } }\n"
             "exports.handler = async () => { throw new Odd('why') }", generation=generation)
    answer = f.invoke({})
    assert answer.kind == "error"
    assert answer.headers["Lambda-Runtime-Function-Error-Type"] == "Odd"
    assert set(answer.value) == {"errorType", "errorMessage", "trace"}
    assert (answer.value["errorType"], answer.value["errorMessage"]) == ("Odd", "why")
    assert answer.value["trace"][0] == "Odd: why"
    assert re.search(r"handler.*index\.js:2:", answer.value["trace"][1])
    assert f.invoke({}).kind == "error", "the process goes on"
    assert re.search(STAMP + r"\t[0-9a-f-]{36}\tERROR\tInvoke Error \t\{", f.output())


def test_an_error_thrown_synchronously(node):
    answer = node("exports.handler = () => { throw new Error('now') }").invoke({})
    assert answer.value["errorMessage"] == "now"


@pytest.mark.parametrize(
    "thrown, kind, message",
    [("'text'", "string", "text"), ("42", "number", "42"), ("{a: 1}", "object", "[object Object]"), ("true", "boolean", "true")],
)
def test_what_is_thrown_may_be_anything(node, thrown, kind, message):
    value = node("exports.handler = async () => { throw (%s) }" % thrown).invoke({}).value
    assert value == {"errorType": kind, "errorMessage": message, "trace": []}


def test_an_error_that_cannot_be_read(node):
    value = node("exports.handler = async () => { throw Object.create(null) }").invoke({}).value
    assert (value["errorType"], value["errorMessage"]) == ("TypeError", "Cannot convert object to primitive value")
    value = node("exports.handler = async () => { throw Object.defineProperty(new Error(), 'stack', {value: 7}) }").invoke({}).value
    assert value["errorType"] == "handled"


def test_the_shape_of_errors_before_node_10(node):
    f = node("exports.handler = (e, c, cb) => cb(e ? new TypeError('no') : 'text')", generation=8)
    assert f.invoke(0).value == {"errorMessage": "text"}
    value = f.invoke(1).value
    assert (value["errorType"], value["errorMessage"]) == ("TypeError", "no")
    assert re.match(r"(exports\.)?handler .*index\.js:1:", value["stackTrace"][0])
    assert re.match(STAMP + r"\t[0-9a-f-]{36}\tInvoke Error", f.output()), "lines name no level"


def test_an_error_type_that_no_header_can_carry(node):
    f = node("exports.handler = async () => { const e = new Error('m'); e.name = 'Fehler\\n€'; throw e }")
    answer = f.invoke({})
    assert answer.value["errorType"] == "Fehler\n€"
    assert answer.headers["Lambda-Runtime-Function-Error-Type"] == "Fehler??"


def test_a_value_that_json_cannot_say(node):
    code = "exports.handler = async () => { const o = {}; o.o = o; return o }"
    assert node(code).invoke({}).value["errorMessage"] == "Unable to stringify response body"
    value = node(code, generation=24).invoke({}).value
    assert value["errorType"] == "Runtime.JSONStringifyError"


def test_an_unhandled_rejection_ends_the_process(node):
    f = node("exports.handler = (e, c, cb) => { Promise.reject(new Error('lost')); setTimeout(cb, 3600000) }")
    answer = f.invoke({})
    assert answer.kind == "error"
    assert answer.value["errorType"] == "Runtime.UnhandledPromiseRejection"
    assert answer.value["errorMessage"] == "Error: lost"
    assert answer.value["trace"][0] == "Runtime.UnhandledPromiseRejection: Error: lost"
    code, out, _ = f.ended()
    assert code == 128
    assert '\tERROR\tUnhandled Promise Rejection \t{"errorType":"Runtime.UnhandledPromiseRejection"' in out


def test_an_uncaught_exception_ends_the_process(node):
    f = node("exports.handler = async () => new Promise(() => setTimeout(() => { throw new Error('loose') }, 1))")
    answer = f.invoke({})
    assert (answer.kind, answer.value["errorMessage"]) == ("error", "loose")
    code, out, _ = f.ended()
    assert code == 129
    assert "\tERROR\tUncaught Exception \t" in out


def test_node_24_leaves_uncaught_exceptions_to_node(node):
    f = node("exports.handler = async () => new Promise(() => setTimeout(() => { throw new Error('loose') }, 1))", generation=24)
    f.send({})
    code, _, err = f.ended()
    assert code == 1
    assert "Error: loose" in err


def test_process_exit(node):
    f = node("exports.handler = async () => process.exit(3)")
    f.send({})
    assert f.ended()[0] == 3


def test_an_event_that_is_no_json(node):
    answer = node("exports.handler = async () => 1").invoke(raw=b"{")
    assert answer.value["errorType"] == "SyntaxError"


def test_an_answer_that_the_api_refuses_does_not_end_the_process(node):
    for generation in (20, 24):
        f = node("exports.handler = async (e) => e", generation=generation)
        f.api.refuse = b'{"errorType":"RequestEntityTooLarge"}'
        f.invoke({})
        f.api.refuse = None
        assert f.invoke(2).value == 2


# What a handler is told.

CONTEXT = "exports.handler = async (event, context) => ({ ...context, left: context.getRemainingTimeInMillis(), env: process.env._X_AMZN_TRACE_ID })"


@pytest.mark.parametrize("generation", [20, 24])
def test_the_context(node, generation):
    f = node(CONTEXT, generation=generation)
    value = f.invoke(
        {},
        headers={
            "Lambda-Runtime-Client-Context": json.dumps({"custom": {"k": "v"}}),
            "Lambda-Runtime-Cognito-Identity": json.dumps({"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}),
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        },
    ).value
    assert value.pop("left") > 1e11
    assert value.pop("env") == "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"
    if generation < 24:
        assert value.pop("callbackWaitsForEmptyEventLoop") is True
    assert value == {
        "functionVersion": "$LATEST",
        "functionName": "fn",
        "memoryLimitInMB": "128",
        "logGroupName": "/aws/lambda/fn",
        "logStreamName": "stream",
        "clientContext": {"custom": {"k": "v"}},
        "identity": {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"},
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:fn",
        "awsRequestId": "00000000-0000-4000-8000-000000000001",
    }
    later = f.invoke({}).value
    assert "env" not in later and "clientContext" not in later


def test_a_client_context_that_is_no_json(node):
    answer = node(CONTEXT).invoke({}, headers={"Lambda-Runtime-Client-Context": "{"})
    assert answer.value["errorMessage"].startswith("Cannot parse ClientContext as json: SyntaxError")


# Streaming.

STREAM = "exports.handler = awslambda.streamifyResponse(async (event, stream, context) => { %s })"


def streamed(process, event=None):
    answer = process.invoke(event)
    assert answer.kind == "response"
    assert answer.headers["Lambda-Runtime-Function-Response-Mode"] == "streaming"
    return answer


@pytest.mark.parametrize("generation", [20, 24])
def test_a_streamed_answer(node, generation):
    f = node(STREAM % "stream.setContentType('text/plain'); stream.write('one '); stream.write(Buffer.from('two')); stream.write({three: 3}); stream.end()", generation=generation)
    for _ in range(2):
        answer = streamed(f)
        assert answer.body == b'one two{"three":3}'
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.trailers == {}


def test_a_pipeline_into_the_stream(node):
    f = node(
        "const { pipeline } = require('stream/promises'); const { Readable } = require('stream');"
        + STREAM % "await pipeline(Readable.from([Buffer.alloc(200000, 'a'), Buffer.alloc(200000, 'b')]), stream)"
    )
    answer = streamed(f)
    assert len(answer.body) == 400000 and answer.headers["Content-Type"] == "application/octet-stream"


def test_a_prelude_goes_before_the_body(node):
    f = node(STREAM % "stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {a: 'b'}}); stream.write('body'); stream.end()")
    answer = streamed(f)
    assert answer.headers["Content-Type"] == "application/vnd.awslambda.http-integration-response"
    assert answer.body == b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"body"


@pytest.mark.parametrize("generation", [20, 24])
def test_an_error_in_the_middle_goes_into_trailers(node, generation):
    f = node(STREAM % "stream.write('half'); throw new TypeError('broke')", generation=generation)
    answer = streamed(f)
    assert answer.body == b"half"
    assert answer.trailers["lambda-runtime-function-error-type"] == "TypeError"
    assert answer.trailing_error["errorMessage"] == "broke"
    assert streamed(f).body == b"half", "the process goes on"


def test_a_streaming_handler_must_be_async(node):
    f = node("exports.handler = awslambda.streamifyResponse((event, stream) => { stream.end('x') })")
    assert streamed(f).trailing_error["errorMessage"] == "Streaming does not support non-async handlers."


def test_the_content_type_cannot_be_set_late(node):
    f = node(STREAM % "stream.write('x'); stream.setContentType('text/html')")
    assert streamed(f).trailing_error["errorType"] == "Runtime.InvalidStreamingOperation"


def test_the_global_can_be_switched_off(node):
    f = node("exports.handler = async () => typeof awslambda", env={"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA": "1"})
    assert f.invoke({}).value == "undefined"


# Log lines.

LOGS = "exports.handler = async (event) => { %s }"


def test_console_lines(node):
    f = node("console.log('loading');" + LOGS % "console.log('a\\nb %d', 7); console.debug({x: 1}); console.warn('w'); console.error('e'); console.trace('t'); console.fatal('f')")
    request_id = f.invoke({}).request_id
    lines = f.output().split("\n")
    assert re.fullmatch(STAMP + r"\tundefined\tINFO\tloading", lines[0])
    expected = ["INFO\ta\rb 7", "DEBUG\t{ x: 1 }", "WARN\tw", "ERROR\te", "TRACE\tt", "FATAL\tf"]
    for line, rest in zip(lines[1:], expected):
        assert re.fullmatch(STAMP + re.escape("\t%s\t%s" % (request_id, rest)), line), line


def test_json_lines(node):
    f = node(
        LOGS % "console.log('text'); console.info({a: 1}); console.error('failed:', new TypeError('no')); console.error(new Error('own')); console.debug('hidden')",
        env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    )
    request_id = f.invoke({}).request_id
    lines = [json.loads(line) for line in f.output().splitlines()]
    assert len(lines) == 4
    for line in lines:
        assert re.fullmatch(STAMP, line.pop("timestamp"))
        assert line.pop("requestId") == request_id
    assert lines[:2] == [{"level": "INFO", "message": "text"}, {"level": "INFO", "message": {"a": 1}}]
    assert (lines[2]["errorType"], lines[2]["errorMessage"]) == ("TypeError", "no")
    assert lines[2]["message"].startswith("failed: TypeError: no") and lines[2]["stackTrace"][0] == "TypeError: no"
    assert lines[3]["message"]["errorMessage"] == "own"


def test_json_lines_of_errors(node):
    f = node("exports.handler = async () => { throw new TypeError('no') }", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    f.invoke({})
    line = json.loads(f.output())
    assert line["level"] == "ERROR" and line["message"]["errorType"] == "TypeError"


def test_framed_lines(node):
    f = node(LOGS % "console.log('a\\nb')", env={"_LAMBDA_TELEMETRY_LOG_FD": "1"})
    f.invoke({})
    (kind, stamp, event), = frames(f.raw_output())
    assert kind == "a55a000f" and event.endswith("\tINFO\ta\nb\n")
    assert 1.7e15 < stamp < 4e15


def test_framed_lines_are_whole_though_their_pipe_is_full(node):
    code = "process.stdout.isTTY; for (let n = 0; n < 300; n++) console.log(n + 'x'.repeat(1000))"
    f = node(LOGS % code, env={"_LAMBDA_TELEMETRY_LOG_FD": "1"})
    f.send({})
    out = b""
    while out.count(b"x\n") < 300:
        out += f.child.stdout.read1()
    assert f.posted().body == b"null"
    events = [event.split("INFO\t")[1] for _, _, event in frames(out)]
    assert events == ["%d%s\n" % (n, "x" * 1000) for n in range(300)]
