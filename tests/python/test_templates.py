"""The systems' templates before AWS's own checks of templates: `sam validate --lint`, and cfn-lint where a template
is no SAM template. Both have an environment of their own: they want other versions of botocore than the tests."""

import os
import subprocess
from pathlib import Path

import pytest

from support import REGION, ROOT, clean_environment

TOOLS = Path(os.environ.get("ROPEWAY_SAM_TOOLS", ROOT / "target/sam/bin"))
SYSTEMS = sorted(path.parent.name for path in (ROOT / "systems").glob("*/template.yaml"))
# Code by a local path is for `package`, and for `ropeway deploy`. Which runtimes are still supported is a question of
# the day on which it is asked.
ALLOWED = ["W3002", "W2530", "W2531", "E2531", "E2533"]


def run(home, tool, *arguments):
    assert (TOOLS / tool).exists(), f"there is no {tool} in {TOOLS}: `cargo xtask test python` installs it"
    # SAM asks PyPI for a newer version of itself: nobody answers.
    nobody = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = clean_environment(HOME=str(home), SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION=REGION, **nobody)
    done = subprocess.run([TOOLS / tool, *arguments], cwd=home, env=environment, text=True, stderr=subprocess.STDOUT,
                          stdout=subprocess.PIPE)
    return done.returncode, done.stdout


@pytest.mark.parametrize("system", SYSTEMS)
def test_templates_are_sound(tmp_path, system):
    template = ROOT / "systems" / system / "template.yaml"
    ignored = [word for check in ALLOWED for word in ("--ignore-checks", check)]
    assert run(tmp_path, "cfn-lint", *ignored, "--", str(template)) == (0, "")


def test_sam_takes_what_is_written_for_sam(tmp_path):
    template = ROOT / "systems/producer-consumer/template.yaml"
    code, said = run(tmp_path, "sam", "validate", "--lint", "--template", str(template))
    assert code == 0 and "is a valid SAM Template" in said, said


def test_a_template_that_is_not_sound_is_told(tmp_path):
    template = (ROOT / "systems/producer-consumer/template.yaml").read_text()
    wrong = tmp_path / "template.yaml"
    wrong.write_text(template.replace("MessageRetentionPeriod:", "MessageRetention:", 1))
    code, said = run(tmp_path, "sam", "validate", "--lint", "--template", str(wrong))
    assert code != 0 and "MessageRetention" in said
