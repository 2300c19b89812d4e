"""A browser as a client: headless Chromium asks from a page of another origin, preflights included."""

import http.server
import json
import os
import queue
import shutil
import subprocess
import threading

import pytest

from support import REGION
from test_apigateway_plane import Api

CHROMIUM = os.environ.get("ROPEWAY_CHROMIUM") or shutil.which("chromium")
# As root there is no sandbox of its own; the rest keeps it from calling home.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
# Asks for each, and tells what its script saw: a status and what of the answer, or that it was kept from it.
PAGE = """<!doctype html><script>
const asked = %s;
const ask = async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return {status: answer.status, body: await answer.text(), own: answer.headers.get("x-own"),
            hidden: answer.headers.get("x-hidden")};
  } catch (error) {
    return {error: error.name};
  }
};
Promise.all(asked.map(ask)).then(seen => fetch("/seen", {method: "POST", body: JSON.stringify(seen)}));
</script>"""


class Page:
    """A page on an origin of its own."""

    def __init__(self, asked):
        seen = self.seen = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer((PAGE % json.dumps(asked)).encode())

            def do_POST(self):
                seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def opened(self, directory):
        """Opens the page; what its script saw, in the order of what it asked."""
        assert CHROMIUM, "Chromium is needed: on Debian, apt-get install chromium; elsewhere name it in ROPEWAY_CHROMIUM"
        with open(directory / "chromium.log", "wb") as log:
            browser = subprocess.Popen([CHROMIUM, *FLAGS, f"--user-data-dir={directory / 'profile'}", self.origin],
                                       stdout=log, stderr=log, env={**os.environ, "HOME": str(directory)})
        try:
            return self.seen.get(timeout=60)
        except queue.Empty:
            raise AssertionError((directory / "chromium.log").read_text(errors="replace")) from None
        finally:
            browser.kill()
            browser.wait()
            self.server.shutdown()


def answers(api, at, headers):
    """Has a mock's answer carry these headers."""
    names = {f"method.response.header.{name}": value for name, value in headers.items()}
    for name in names:
        api.client.update_method_response(**at, statusCode="200", patchOperations=[
            {"op": "add", "path": f"/responseParameters/{name}", "value": "false"}])
        api.client.update_integration_response(**at, statusCode="200", patchOperations=[
            {"op": "add", "path": f"/responseParameters/{name}", "value": f"'{names[name]}'"}])


@pytest.fixture
def api(server):
    """Mocks at three paths: with all that CORS needs, without a preflight, and without anything."""
    api = Api(server)
    open_to_all = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Own"}
    preflight = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT",
                 "Access-Control-Allow-Headers": "X-Asked,Content-Type"}
    answers(api, api.mock("/open", "OPTIONS"), preflight)
    answers(api, api.mock("/open", "PUT", "put"), {**open_to_all, "X-Own": "1", "X-Hidden": "2"})
    answers(api, api.mock("/simple", "GET", "got"), open_to_all)
    answers(api, api.mock("/simple", "PUT", "put"), open_to_all)
    api.mock("/closed", "GET", "got")
    return api


def asked(server, api):
    host = f"http://{api.id}.execute-api.{REGION}.localhost:{server.endpoint.rsplit(':')[-1]}/{api.stage}"
    put = {"method": "PUT", "headers": {"X-Asked": "1", "Content-Type": "application/json"}, "body": "{}"}
    return [[f"{host}{path}", options] for path, options in [
        ("/open", put), ("/simple", {}), ("/simple", put), ("/closed", {}), ("/open", {"method": "DELETE"}),
        ("/nowhere", {})]]


def test_pages_of_other_origins_see_what_cors_lets_them(server, api, tmp_path):
    api.deploy()
    kept_from = {"error": "TypeError"}
    got = {"status": 200, "body": "got", "own": None, "hidden": None}
    # The last is a refusal: whoever wants pages to see it says so in a gateway response.
    put = {"status": 200, "body": "put", "own": "1", "hidden": None}
    assert Page(asked(server, api)).opened(tmp_path) == [put, got, kept_from, kept_from, kept_from, kept_from]


def test_gateway_responses_let_pages_see_refusals(server, api, tmp_path):
    origin = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
    api.client.put_gateway_response(restApiId=api.id, responseType="DEFAULT_4XX", responseParameters=origin)
    api.deploy()
    refused = Page(asked(server, api)).opened(tmp_path)[-1]
    assert (refused["status"], json.loads(refused["body"])) == (403, {"message": "Missing Authentication Token"})
