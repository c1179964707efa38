"""A server that does not answer: noticed, forgiven when it comes back, the end of a process that only waits for it."""

import http.server
import subprocess
import sys
import threading

import pytest

from flows.server import watch as module
from flows.server.postgres import free_port
from flows.server.watch import Watch, answers
from tests.flows.machines import wait_for
from tests.flows.toy import PROJECT

WAIT = """
import sys, time
from flows.server import watch as module
module.POLL = 0.1
watch = module.Watch(sys.argv[1], 0.3)
watch.start()
with watch.working():
    time.sleep(1.5)
    print("worked, gone:", watch.gone, flush=True)
time.sleep(60)
"""


class Answer(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "POLL", 0.05)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return free_port()


def serve(port: int) -> http.server.HTTPServer:
    server = http.server.HTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def test_away_is_gone_after_a_while_and_forgiven(port: int) -> None:
    watch = Watch(f"http://127.0.0.1:{port}/api", 0.2)
    with watch.working():
        server = serve(port)
        watch.start()
        assert not watch.gone
        server.shutdown()
        server.server_close()
        wait_for(lambda: watch.gone, 20)
        assert f"the Prefect server at http://127.0.0.1:{port}/api has not answered for 0.2 s" in watch.complaint
        server = serve(port)
        wait_for(lambda: not watch.gone, 20)
        watch.stop()
        server.shutdown()
        server.server_close()


def test_a_refusal_is_an_answer(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not answers(f"http://127.0.0.1:{port}/api")
    monkeypatch.setattr(Answer, "status", 401)
    server = serve(port)
    assert answers(f"http://127.0.0.1:{port}/api")
    server.shutdown()
    server.server_close()


def test_a_process_that_only_waits_is_ended_and_one_that_works_is_not(port: int) -> None:
    command = [sys.executable, "-c", WAIT, f"http://127.0.0.1:{port}/api"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=50)
    assert result.stdout == "worked, gone: True\n"
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("erlnet: error: the Prefect server at http://127.0.0.1:")
