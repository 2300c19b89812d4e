"""`ropeway dev`: from an edit to the running function, and its log."""

import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

from support import BINARY, eventually

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {{Function: {{Runtime: python3.11, Handler: app.handler, Environment: {{Variables: {{MODE: {mode}}}}}}}}}
Resources:
  Hello: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: hello/}}}}
  Other: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: other/}}}}
Outputs:
  Hello: {{Value: !Ref Hello}}
  Other: {{Value: !Ref Other}}
"""
CODE = "import os\ndef handler(event, context):\n    print('said {word}')\n    return '{word} ' + os.environ['MODE']\n"


class Dev:
    """A `ropeway dev` that runs, and what it prints."""

    def __init__(self, server, folder, name, terminal=False):
        self.printed, self.errors = [], []
        mine, its = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen([BINARY, "dev", str(folder), "--stack-name", name], stdout=its, text=True,
                                        stderr=subprocess.PIPE, env=server.environment())
        os.close(its)
        self.threads = [threading.Thread(target=self._read, args=(mine,)),
                        threading.Thread(target=lambda: self.errors.extend(self.process.stderr))]
        for thread in self.threads:
            thread.start()

    def _read(self, descriptor):
        with open(descriptor, errors="replace") as lines:
            try:
                self.printed.extend(lines)
            except OSError:
                pass  # how a terminal ends

    def says(self, pattern, times=1):
        """Waits until so many lines fit a pattern; gives them."""
        def look():
            found = [line for line in list(self.printed) if re.search(pattern, line)]
            return found if len(found) >= times else None

        return self.until(look, pattern)

    def until(self, look, what):
        """Waits for a condition; where it does not come, shows what was printed."""
        try:
            return eventually(look, what, 120)
        except AssertionError as error:
            raise AssertionError("".join([*self.printed, *self.errors])) from error

    def fails(self, text):
        """Waits until it has said this as an error."""
        self.until(lambda: text in "".join(self.errors), text)

    def ends(self):
        """Ends as by Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        for thread in self.threads:
            thread.join()
        return code


@pytest.fixture
def folder(tmp_path):
    for function in ("hello", "other"):
        (tmp_path / "app" / function).mkdir(parents=True)
        (tmp_path / "app" / function / "app.py").write_text(CODE.format(word="one"))
    (tmp_path / "app" / "template.yaml").write_text(TEMPLATE.format(mode="first"))
    return tmp_path / "app"


@pytest.fixture
def dev(server, folder, name):
    begun = []

    def begin(**more):
        begun.append(Dev(server, folder, name, **more))
        return begun[-1]

    yield begin
    for one in begun:
        one.ends()


def answers(server, name):
    """What the stack's functions answer, by their logical names."""
    stack, = server.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    calls = {o["OutputKey"]: server.client("lambda").invoke(FunctionName=o["OutputValue"]) for o in stack["Outputs"]}
    return {key: json.loads(call["Payload"].read()) for key, call in calls.items()}


def test_an_edit_becomes_the_function_s_answer(server, folder, name, dev):
    cloudformation = server.client("cloudformation")

    def status():
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]

    running = dev()
    running.says("^watching")
    assert answers(server, name) == {"Hello": "one first", "Other": "one first"}
    running.says(r"^Hello \d\d:\d\d:\d\d\.\d{3} said one$")
    running.says(r"^Other \d\d:\d\d:\d\d\.\d{3} said one$")

    # The code of one function: it alone is given it, and the stack is not touched.
    (folder / "hello" / "app.py").write_text(CODE.format(word="two"))
    running.says("^changed: hello/app.py$")
    running.says("^updated Hello$")
    assert answers(server, name) == {"Hello": "two first", "Other": "one first"} and status() == "CREATE_COMPLETE"
    running.says("said two")

    # The template: a deployment.
    (folder / "template.yaml").write_text(TEMPLATE.format(mode="second"))
    running.says("UPDATE_COMPLETE .*AWS::CloudFormation::Stack")
    running.says("^watching", 3)
    assert answers(server, name) == {"Hello": "two second", "Other": "one second"}

    # What fails is said, and the next change is tried.
    (folder / "template.yaml").write_text("Resources: {")
    running.fails("template.yaml")
    (folder / "template.yaml").write_text(TEMPLATE.format(mode="third"))
    running.says("^watching", 4)
    assert answers(server, name) == {"Hello": "two third", "Other": "one third"}
    assert running.ends() == 0


def test_what_a_session_left_is_brought_in_line(server, folder, name, dev):
    """Code that was given directly is not what the stack knows of: going back to the deployed code counts too."""
    first = dev()
    first.says("^watching")
    (folder / "hello" / "app.py").write_text(CODE.format(word="two"))
    first.says("^updated Hello$")
    assert first.ends() == 0
    (folder / "hello" / "app.py").write_text(CODE.format(word="one"))
    second = dev()
    second.says("^nothing has changed$")
    second.says("^updated Hello$")
    second.says("^watching")
    assert answers(server, name)["Hello"] == "one first"


def test_each_function_has_its_colour_on_a_terminal(server, folder, name, dev):
    running = dev(terminal=True)
    running.says("^watching")
    answers(server, name)
    colours = {re.match(r"\x1b\[(\d+)m(Hello|Other)\x1b\[0m ", running.says(f"{which}.* said one")[0]).group(2, 1)
               for which in ("Hello", "Other")}
    assert {which for which, _ in colours} == {"Hello", "Other"} and len({colour for _, colour in colours}) == 2


def test_a_stack_that_could_not_be_made_is_made_after_the_next_change(server, folder, name, dev):
    queue = server.client("sqs").create_queue(QueueName=name, Attributes={"DelaySeconds": "900"})["QueueUrl"]
    template = TEMPLATE.format(mode="first").replace(
        "Resources:", f"Resources:\n  Queue: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}}}}}")
    (folder / "template.yaml").write_text(template)
    running = dev()
    running.fails("ROLLBACK_COMPLETE")
    server.client("sqs").delete_queue(QueueUrl=queue)
    (folder / "template.yaml").write_text(template.replace(f"QueueName: {name}", f"QueueName: {name}-2"))
    running.says("^watching")
    assert answers(server, name)["Hello"] == "one first"


def test_what_cannot_be_developed_is_said_at_once(server, tmp_path, name):
    for words, code, said in (([tmp_path, "--stack-name", name], 2, "template.yaml"), ([], 2, "DIR")):
        done = server.run(BINARY, "dev", *words, check=False)
        assert done.returncode == code and said in done.stderr, done
