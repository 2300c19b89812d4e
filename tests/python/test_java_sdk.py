"""`tests/java`: the AWS SDK for Java 2, with the smallest of its HTTP clients."""

import shutil

import pytest

from support import ROOT
from test_lambda import make_role, package
from test_old_sdks import fetched, tool

VERSION = "2.34.0"
# The clients that the SDK brings by itself are large, and not used.
OTHERS = "".join(
    f"<exclusion><groupId>software.amazon.awssdk</groupId><artifactId>{name}</artifactId></exclusion>"
    for name in ("apache-client", "netty-nio-client"))
POM = f"""<project><modelVersion>4.0.0</modelVersion><groupId>ropeway</groupId><artifactId>java</artifactId>
<version>1</version><dependencies>
<dependency><groupId>software.amazon.awssdk</groupId><artifactId>lambda</artifactId><version>{VERSION}</version>
<exclusions>{OTHERS}</exclusions></dependency>
<dependency><groupId>software.amazon.awssdk</groupId><artifactId>url-connection-client</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>"""


def sdk(at):
    (at / "pom.xml").write_text(POM)
    tool("mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib", at=at)


def test_functions_are_made_and_invoked(server, iam, name, tmp_path):
    if not (shutil.which("javac") and shutil.which("mvn")):
        pytest.skip("no JDK or no mvn")
    jars = f"{fetched(f'java2-{VERSION}', sdk)}/lib/*"
    tool("javac", "-d", tmp_path, "-cp", jars, ROOT / "tests" / "java" / "Invoke.java", at=tmp_path)
    (tmp_path / "function.zip").write_bytes(package())
    done = server.run("java", "-cp", f"{jars}:{tmp_path}", "Invoke", make_role(iam, name), tmp_path / "function.zip")
    assert done.stdout.endswith("all is well\n")
