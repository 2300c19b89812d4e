"""`ropeway runtime`: interpreters and SDKs for functions, fetched from the registries."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support import BINARY


def run(data, *arguments, path=None):
    env = {**os.environ, "PATH": path} if path else os.environ
    return subprocess.run(
        [BINARY, "runtime", "--data-dir", str(data), *arguments], env=env, capture_output=True, text=True, timeout=600
    )


def listed(data, path=None):
    lines = run(data, "ls", "--json", path=path).stdout.splitlines()
    return {line["name"]: line for line in map(json.loads, lines)}


def test_an_old_node_is_added_with_its_sdk(tmp_path):
    before = listed(tmp_path)["nodejs8.10"]
    assert not before["ready"] and "`ropeway runtime add nodejs8.10` adds it" in before["detail"]
    assert before["deprecated"] == "2020-03-06"
    added = run(tmp_path, "add", "nodejs8.10")
    assert added.returncode == 0, added.stderr
    assert "(8.10.0)" in added.stdout
    program = tmp_path / "runtimes" / "interpreter-node8" / "bin" / "node"
    (sdk,) = (tmp_path / "runtimes").glob("sdk-node-v2-*")
    code = "process.stdout.write(process.version + ' ' + require('aws-sdk').VERSION)"
    env = {"NODE_PATH": str(sdk / "node_modules")}
    said = subprocess.run([program, "-e", code], env=env, capture_output=True, text=True)
    assert said.stdout == "v8.10.0 2.1693.0"
    assert listed(tmp_path)["nodejs8.10"]["ready"]
    # What is there is not fetched again: without any tool on PATH.
    again = run(tmp_path, "add", "nodejs8.10", path="/nowhere")
    assert (again.returncode, again.stdout) == (0, added.stdout)


def test_the_python_sdk_is_fetched(tmp_path):
    name = "python3.%d" % sys.version_info[1]
    added = run(tmp_path, "add", name)
    assert added.returncode == 0, added.stderr
    (sdk,) = (tmp_path / "runtimes").glob("sdk-python-*")
    code = "import boto3, awslambdaric, simplejson; print(boto3.__file__, boto3.__version__)"
    program = added.stdout.split(" runs on ")[1].split(" (")[0]
    said = subprocess.run([program, "-S", "-c", code], env={"PYTHONPATH": str(sdk)}, capture_output=True, text=True)
    assert said.stdout.startswith(str(sdk)), said.stderr
    assert list(sdk.glob("boto3/__pycache__/*.pyc")), "compiled ahead"
    assert not list((tmp_path / "runtimes").glob(".making-*"))


@pytest.mark.parametrize("name", ["ruby3.3", "nodejs20"])
def test_what_is_not_run_is_refused(tmp_path, name):
    refused = run(tmp_path, "add", name)
    assert refused.returncode == 1
    assert refused.stderr == "ropeway: Ropeway does not run %s\n" % name


def test_a_missing_tool_is_said(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").symlink_to(shutil.which("node"))
    name = next(name for name, line in listed(tmp_path, str(tmp_path / "bin")).items() if line["ready"] and "node" in name)
    refused = run(tmp_path / "data", "add", name, path=str(tmp_path / "bin"))
    assert refused.returncode == 1
    assert refused.stderr == "ropeway: npm is not on PATH, and is needed once to fetch it\n"


def test_doctor_says_what_is_there(tmp_path):
    said = subprocess.run([BINARY, "doctor", "--data-dir", str(tmp_path)], capture_output=True, text=True)
    (line,) = [line for line in said.stdout.splitlines() if "runtimes" in line]
    assert line.startswith("ok   runtimes") and "provided.al2023" in line


def test_a_stand_in_of_another_language_is_used_wrongly(tmp_path):
    said = subprocess.run(
        [BINARY, "start", "--data-dir", str(tmp_path), "--stand-in", "nodejs18.x=python3.11"], capture_output=True, text=True
    )
    assert said.returncode == 2
    assert "python3.11 cannot stand in for nodejs18.x" in said.stderr
