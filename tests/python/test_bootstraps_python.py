"""The Python bootstrap against a Runtime API of the test's.

What is expected is the managed runtimes' behaviour, as `awslambdaric` 4.2 shows it.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest

from runtime_api import BOOTSTRAPS, Process, frames

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
VERSION = "python%d.%d" % sys.version_info[:2]


@pytest.fixture
def python(tmp_path):
    """Starts a function from files; `runtime` is what the function names."""
    started = []

    def start(files, handler="app.handler", runtime=VERSION, env=None, program=sys.executable):
        files = files if isinstance(files, dict) else {"app.py": files}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        env = {"AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        command = [program, "-S", str(BOOTSTRAPS / "python" / "bootstrap.py")]
        process = Process(command, tmp_path, handler, env)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.child.poll() is None:
            process.close()


def failed_init(process):
    posted = process.posted()
    assert posted.init
    assert posted.headers["Lambda-Runtime-Function-Error-Type"] == posted.value["errorType"]
    status, out, _ = process.ended()
    assert status == 1
    assert "LAMBDA_WARNING: Unhandled exception." in out
    return posted.value, out


# Handlers, and where they are found.


def versions():
    """The interpreters of this machine, by what they are called."""
    found = {}
    for minor in range(6, 15):
        program = shutil.which("python3.%d" % minor)
        if program and subprocess.run([program, "-c", ""], capture_output=True).returncode == 0:
            found["python3.%d" % minor] = program
    return found


@pytest.mark.parametrize("runtime, program", versions().items())
def test_a_handler_answers(python, runtime, program):
    f = python(
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.getLogger().warning('seen')\n"
        "    return {'got': event, 'id': context.aws_request_id}",
        runtime=runtime,
        program=program,
    )
    answer = f.invoke({"a": [1, "é", None]})
    assert answer.value == {"got": {"a": [1, "é", None]}, "id": answer.request_id}
    assert answer.headers["Content-Type"] == "application/json"
    assert f.invoke("again").value["got"] == "again"
    assert f.output().count("[WARNING]") == 2


@pytest.mark.parametrize("handler", ["pack.age.app.handler", "pack/age/app.handler"])
def test_handlers_in_packages(python, handler):
    assert python({"pack/age/app.py": "def handler(e, c): return __name__"}, handler=handler).invoke({}).value == "pack.age.app"


def test_the_search_path(python, tmp_path):
    more = str(tmp_path / "more")
    f = python("import sys\ndef handler(e, c): return sys.path", env={"PYTHONPATH": more})
    path = f.invoke({}).value
    lib = "/opt/python/lib/%s/site-packages" % VERSION
    assert path[:4] == [str(tmp_path), lib, "/opt/python", more]
    assert path[-1] == "/var/runtime"
    assert not [entry for entry in path[4:-1] if entry.endswith("-packages")], "nothing of the machine's"


# What cannot be loaded.


def test_a_missing_module(python):
    error, out = failed_init(python({}))
    assert error == {
        "errorMessage": "Unable to import module 'app': No module named 'app'",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "",
        "stackTrace": [],
    }
    assert out.endswith(
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'app'\r"
        "Traceback (most recent call last):\n"
    )


def test_a_missing_function(python):
    error, _ = failed_init(python("x = 1"))
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert error["errorMessage"] == "Handler 'handler' missing on module 'app'"


def test_a_syntax_error(python, tmp_path):
    error, _ = failed_init(python("def handler(:\n  pass"))
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert error["errorMessage"] == "Syntax error in module 'app': invalid syntax (app.py, line 1)"
    assert error["stackTrace"] == ['  File "%s/app.py" Line 1\n    def handler(:\n' % tmp_path]


def test_a_malformed_handler_name(python):
    error, _ = failed_init(python("", handler="app"))
    assert error["errorType"] == "Runtime.MalformedHandlerName"
    assert error["errorMessage"] == "Bad handler 'app': not enough values to unpack (expected 2, got 1)"


def test_a_module_of_the_language(python):
    error, _ = failed_init(python("", handler="sys.exit"))
    assert error["errorType"] == "Runtime.BuiltInModuleConflict"
    assert error["errorMessage"] == "Cannot use built-in module sys as a handler module"


def test_a_module_that_raises(python, tmp_path):
    error, _ = failed_init(python("raise KeyError('k')"))
    assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'k'")
    assert error["stackTrace"][-1] == '  File "%s/app.py", line 1, in <module>\n    raise KeyError(\'k\')\n' % tmp_path


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "import os; os._exit(3)"])
def test_a_module_that_exits(python, code):
    assert python(code).ended()[0] == 3


# What goes wrong in a handler.


def test_a_raised_error(python, tmp_path):
    f = python("class Odd(Exception): pass\ndef inner():\n    raise Odd('why é')\ndef handler(e, c):\n    inner()\n")
    answer = f.invoke({})
    assert answer.kind == "error"
    assert answer.headers["Lambda-Runtime-Function-Error-Type"] == "Odd"
    assert answer.value == {
        "errorMessage": "why é",
        "errorType": "Odd",
        "requestId": answer.request_id,
        "stackTrace": [
            '  File "%s/app.py", line 5, in handler\n    inner()\n' % tmp_path,
            '  File "%s/app.py", line 3, in inner\n    raise Odd(\'why é\')\n' % tmp_path,
        ],
    }
    assert f.invoke({}).kind == "error", "the process goes on"
    lines = f.output().splitlines()[0:]
    assert "[ERROR] Odd: why é" in lines[0]


def test_the_log_of_an_error(python, tmp_path):
    f = python("def handler(e, c):\n    raise ValueError('two\\nlines')")
    f.invoke({})
    assert f.output() == (
        "[ERROR] ValueError: two\nlines\rTraceback (most recent call last):\r"
        '\u00a0\u00a0File "%s/app.py", line 2, in handler\r'
        "\u00a0\u00a0\u00a0\u00a0raise ValueError('two\\nlines')\n" % tmp_path
    )


def test_an_event_that_is_no_json(python):
    answer = python("def handler(e, c): return 1").invoke(raw=b"nope")
    assert answer.value["errorType"] == "Runtime.UnmarshalError"
    assert answer.value["errorMessage"] == "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)"


@pytest.mark.parametrize("code, status", [("sys.exit(4)", 4), ("sys.exit()", 0), ("os._exit(5)", 5), ("raise SystemExit(6)", 6)])
def test_exits(python, code, status):
    f = python("import os, sys\ndef handler(e, c):\n    print('last words')\n    %s" % code)
    f.send({})
    assert f.ended()[:2] == (status, "last words\n")


def test_an_answer_that_the_api_refuses_does_not_end_the_process(python):
    f = python("def handler(e, c): return e")
    f.api.refuse = b"{}"
    f.invoke(1)
    f.api.refuse = None
    assert f.invoke(2).value == 2


# Results.

VALUES = [
    ("decimal.Decimal('1.10')", "1.10"),
    ("decimal.Decimal('1E+5')", "1E+5"),
    ("[decimal.Decimal('NaN'), decimal.Decimal('-Infinity')]", "[NaN, -Infinity]"),
    ("[float('nan'), float('inf'), -float('inf'), 1e22]", "[NaN, Infinity, -Infinity, 1e+22]"),
    ("P(1, [P(2, (3,))])", '{"a": 1, "b": [{"a": 2, "b": [3]}]}'),
    ("[I.X, S('x'), F(1.5), SE.A, True, None]", '[3, "x", 1.5, "q", true, null]'),
    ("{1: 2, 1.5: 3, None: 5, I.X: 4, b'k': b'v'}", '{"1": 2, "1.5": 3, "null": 5, "3": 4, "k": "v"}'),
    ("{True: decimal.Decimal(1)}", '{"true": 1}'),
    ("[shared, shared]", '[{"k": [1]}, {"k": [1]}]'),
    ("collections.OrderedDict(b=1, a=2)", '{"b": 1, "a": 2}'),
    ("{}", "{}"),
    ("[[], {}, (), decimal.Decimal(0)]", "[[], {}, [], 0]"),
    ("'q\"\\\\/\\x00\\x7f'", '"q\\"\\\\/\\u0000\x7f"'),
    ("10**30", "1" + "0" * 30),
]
PRELUDE = """
import collections, datetime, decimal, enum
P = collections.namedtuple('P', 'a b')
class I(enum.IntEnum): X = 3
class S(str): pass
class F(float): pass
class E(enum.Enum): A = 1
class SE(str, enum.Enum): A = 'q'
shared = {'k': [1]}
loop = []; loop.append(loop)
def handler(event, context): return eval(event)
"""


def test_results(python):
    f = python(PRELUDE, runtime="python3.12")
    for code, expected in VALUES:
        answer = f.invoke(code)
        assert (answer.kind, answer.body.decode()) == ("response", expected), code


def test_what_is_not_ascii_is_escaped_before_python_3_12(python):
    code = "'é\\u2028\\U0001f600'"
    assert python(PRELUDE, runtime="python3.11").invoke(code).body == b'"\\u00e9\\u2028\\ud83d\\ude00"'
    assert python(PRELUDE, runtime="python3.12").invoke(code).body.decode() == '"é\u2028😀"'
    assert python(PRELUDE, runtime="python3.11").invoke("[decimal.Decimal(1), 'é']").body == b'[1, "\\u00e9"]'


def test_bytes_are_handed_on(python):
    answer = python(PRELUDE).invoke("b'raw\\xff'")
    assert (answer.body, answer.headers["Content-Type"]) == (b"raw\xff", "application/unknown")


@pytest.mark.parametrize(
    "code, message",
    [
        ("datetime.datetime(2020, 1, 1)", "Object of type datetime is not JSON serializable"),
        ("{'a': {1}}", "Object of type set is not JSON serializable"),
        ("E.A", "Object of type E is not JSON serializable"),
        ("bytearray(b'x')", "Object of type bytearray is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
        ("{decimal.Decimal(1): 3}", "keys must be str, int, float, bool or None, not Decimal"),
        ("loop", "Circular reference detected"),
        ("[b'\\xff']", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_results_that_json_cannot_say(python, code, message):
    value = python(PRELUDE).invoke(code).value
    assert value["errorType"] == "Runtime.MarshalError"
    assert value["errorMessage"] == "Unable to marshal response: " + message
    assert value["stackTrace"] == []


# What a handler is told.

CONTEXT = """
import os
def handler(event, c):
    assert c.get_remaining_time_in_millis() > 10 ** 11
    c.log('logged\\n')
    cc = c.client_context
    return {
        'plain': [c.aws_request_id, c.log_group_name, c.log_stream_name, c.function_name, c.memory_limit_in_mb,
                  c.function_version, c.invoked_function_arn, c.tenant_id],
        'client': cc and [cc.custom, cc.env, cc.client.app_title, cc.client.installation_id],
        'identity': [c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id],
        'trace': os.environ.get('_X_AMZN_TRACE_ID'),
        'repr': repr(c),
    }
"""


def test_the_context(python):
    f = python(CONTEXT)
    value = f.invoke(
        {},
        headers={
            "Lambda-Runtime-Client-Context": json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}}),
            "Lambda-Runtime-Cognito-Identity": json.dumps({"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}),
            "Lambda-Runtime-Trace-Id": "Root=1-2-3",
        },
    ).value
    assert value["plain"] == [
        "00000000-0000-4000-8000-000000000001", "/aws/lambda/fn", "stream", "fn", "128", "$LATEST",
        "arn:aws:lambda:us-east-1:000000000000:function:fn", None,
    ]
    assert value["client"] == [{"k": "v"}, None, "t", None]
    assert (value["identity"], value["trace"]) == (["i", "p"], "Root=1-2-3")
    assert value["repr"].startswith("LambdaContext([aws_request_id=00000000-0000-4000-8000-000000000001,log_group_name=")
    later = f.invoke({}).value
    assert (later["client"], later["identity"], later["trace"]) == (None, [None, None], None)
    assert f.output() == "logged\nlogged\n"


def test_a_client_context_that_is_no_json(python):
    value = python(CONTEXT).invoke({}, headers={"Lambda-Runtime-Client-Context": "{"}).value
    assert value["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert value["errorMessage"].startswith("Unable to parse Client Context JSON: ")


def test_a_deadline_that_has_passed(python):
    f = python("def handler(e, c): return c.get_remaining_time_in_millis()")
    assert f.invoke({}, headers={"Lambda-Runtime-Deadline-Ms": "1000"}).value == 0


# Log lines.

LOGS = """
import logging, sys
logger = logging.getLogger()
logging.warning('loading')
def handler(event, context):
    print('printed')
    print('err', file=sys.stderr)
    logger.info('hidden unless asked for')
    logger.error('a %d', 7)
    logging.getLogger('own.name').warning('w', extra={'more': {'k': 1}})
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception('caught')
"""


def test_text_lines(python, tmp_path):
    f = python(LOGS)
    request_id = f.invoke({}).request_id
    lines = f.output().split("\n")
    expected = [
        r"\[WARNING\]\t%s\t\tloading" % STAMP,
        "printed",
        r"\[ERROR\]\t%s\t%s\ta 7" % (STAMP, request_id),
        r"\[WARNING\]\t%s\t%s\tw" % (STAMP, request_id),
        r"\[ERROR\]\t%s\t%s\tcaught" % (STAMP, request_id),
        "Traceback.*",
    ]
    for line, pattern in zip(lines, expected):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_basic_config_changes_nothing(python):
    f = python("import logging\nlogging.basicConfig(format='other')\ndef handler(e, c): logging.warning('w')")
    f.invoke({})
    assert re.fullmatch(r"\[WARNING\]\t%s\t[0-9a-f-]{36}\tw\n" % STAMP, f.output())


def test_json_lines(python, tmp_path):
    f = python(LOGS, env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
    request_id = f.invoke({}).request_id
    lines = [json.loads(line) for line in f.output().splitlines() if line != "printed"]
    assert [line["message"] for line in lines] == ["loading", "hidden unless asked for", "a 7", "w", "caught"]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("timestamp"))
    assert lines[0] == {"level": "WARNING", "message": "loading", "logger": "root", "requestId": ""}
    assert lines[3] == {"level": "WARNING", "message": "w", "logger": "own.name", "requestId": request_id, "more": {"k": 1}}
    assert lines[4]["errorType"] == "ZeroDivisionError"
    assert lines[4]["errorMessage"] == "division by zero"
    assert lines[4]["location"] == "%s/app.py:handler:14" % tmp_path
    assert lines[4]["stackTrace"] == ['  File "%s/app.py", line 12, in handler\n    1 / 0\n' % tmp_path] or "~~" in lines[4]["stackTrace"][0]


def test_json_lines_of_errors(python):
    f = python("def handler(e, c): raise ValueError('no')", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    request_id = f.invoke({}).request_id
    line = json.loads(f.output())
    assert (line["level"], line["errorType"], line["requestId"]) == ("ERROR", "ValueError", request_id)


def test_framed_lines(python):
    code = "import logging\ndef handler(e, c):\n    print('plain')\n    logging.warning('a\\nb')\n    raise ValueError('v')"
    f = python(code, env={"_LAMBDA_TELEMETRY_LOG_FD": "1", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
    f.invoke({})
    plain, rest = f.raw_output().split(b"\n", 1)
    assert plain == b"plain"
    warning, error = frames(rest)
    assert warning[0] == "a55a0013" and warning[2].endswith("\ta\nb\n")
    assert error[0] == "a55a0017" and error[2].startswith("[ERROR] ValueError: v\nTraceback (most recent call last):\n")
