"""Slots and claims: never more than there are, nobody waits for ever, the dead hold nothing."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED, temporary_settings

from flows.limits import leases as module
from flows.limits.claims import Claims
from flows.limits.leases import Leases
from flows.limits.slots import Slots
from flows.server.watch import Watch
from tasks.errors import StageFailed
from tests.flows.machines import wait_for
from tests.flows.toy import PROJECT


def highest(slots: list[Slots], needs: list[dict[str, int]], weight: str) -> int:
    """The most slots of ``weight`` that were in use at once while a thread for each of ``needs`` held them a moment."""
    lock = threading.Lock()
    now = most = 0

    def work(number: int) -> None:
        nonlocal now, most
        need = needs[number]
        with slots[number % len(slots)].take(need) as free:
            assert free
            with lock:
                now += need[weight]
                most = max(most, now)
            time.sleep(0.1)
            with lock:
                now -= need[weight]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(needs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return most


def test_never_more_than_the_machine_has(tmp_path: Path) -> None:
    flows = [Slots(tmp_path, {"cpu": 3}) for _ in range(2)]  # two flows of one checkout
    assert highest(flows, [{"cpu": 1}] * 6 + [{"cpu": 2}] * 2, "cpu") in (2, 3)


def test_a_need_larger_than_all_takes_all_and_one_for_what_is_not_there_takes_nothing(tmp_path: Path) -> None:
    slots = Slots(tmp_path, {"cpu": 2, "gpu": 0})
    with slots.take({"cpu": 8, "gpu": 1}) as free:
        assert free
        started = time.monotonic()
        with slots.take({"cpu": 1}, lambda: time.monotonic() > started + 0.5) as other:
            assert not other
    with slots.take({"cpu": 1}) as free:
        assert free


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from flows.limits.slots import Slots\n"
        "from flows.limits.claims import Claims\n"
        "folder = Path(sys.argv[1]); Claims(folder).claim('a')\n"
        "with Slots(folder, {'cpu': 1}).take({'cpu': 1}): print('held', flush=True); time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment, cwd=PROJECT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert Claims(tmp_path).claim("a") is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    give_back = Claims(tmp_path).claim("a")
    assert give_back is not None
    give_back()
    with Slots(tmp_path, {"cpu": 1}).take({"cpu": 1}) as free:
        assert free


def test_one_flow_at_a_time_works_on_a_subject(tmp_path: Path) -> None:
    first, second = Claims(tmp_path), Claims(tmp_path)
    give_back = first.claim("a")
    assert give_back is not None
    assert second.claim("a") is None
    assert first.claim("a") is None
    assert second.claim("b") is not None
    give_back()
    assert second.claim("a") is not None


@pytest.mark.usefixtures("prefect_server")
def test_slots_of_the_fleet_and_claims_hold_across_machines(tmp_path: Path) -> None:
    machines = [Leases(tmp_path / name) for name in ("one", "two")]
    try:
        fleets = [
            Slots(tmp_path / str(number), {"cpu": 8}, {"cpu": 1}, leases) for number, leases in enumerate(machines)
        ]
        assert highest(fleets, [{"cpu": 1}] * 4, "cpu") == 1
        claims = [Claims(tmp_path / str(number), leases) for number, leases in enumerate(machines)]
        give_back = claims[0].claim("anna")
        assert give_back is not None
        assert claims[1].claim("anna") is None
        give_back()
        assert claims[1].claim("anna") is not None
        # A machine whose process died: the next one in its checkout hands back what was noted.
        note = next((tmp_path / "two").glob("*.json"))
        note.write_text(note.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194303'))
        Leases(tmp_path / "two").release_orphans()
        assert claims[0].claim("anna") is not None
    finally:
        for leases in machines:
            leases.close()


@pytest.mark.usefixtures("prefect_server")
def test_slots_that_a_restarted_server_took_back_are_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away for longer than a lease, a server gives the slots of stages that still run back to all."""
    monkeypatch.setattr(module, "RENEWAL", 0.3)
    mine, other = Leases(tmp_path / "mine"), Leases(tmp_path / "other")
    try:
        lease = mine.acquire("erlnet-taken-back", 1)
        assert lease is not None
        other.release(lease)  # what the server does when it runs out
        assert wait_for(lambda: [path for path in (tmp_path / "mine").glob("*.json") if path.stem != str(lease)], 30)
        assert other.acquire("erlnet-taken-back", 1) is None
        mine.release(lease)
        assert wait_for(lambda: other.acquire("erlnet-taken-back", 1), 30)
        assert list((tmp_path / "mine").glob("*.json")) == []
    finally:
        mine.close()
        other.close()


def test_without_an_answer_slots_are_asked_for_until_the_server_is_held_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.1)
    watch = Watch("http://127.0.0.1:9/api", 0.5)
    with temporary_settings({PREFECT_API_URL: watch.address}):
        leases = Leases(tmp_path, watch)
        with pytest.raises(StageFailed, match=r"has not answered for 0.5 s: what is finished is kept"):
            leases.acquire("erlnet-cpu", 1)
        assert leases.acquire("erlnet-cpu", 1, give_up=lambda: True) is None
        monkeypatch.setattr(module, "PATIENCE", 0.0)
        with pytest.raises(StageFailed, match="the Prefect server gave no slot of erlnet-cpu"):
            Leases(tmp_path).acquire("erlnet-cpu", 1)


@pytest.mark.usefixtures("prefect_server")
def test_a_lease_that_could_not_be_handed_back_is_handed_back_at_the_next_start(tmp_path: Path) -> None:
    away = Watch("http://127.0.0.1:9/api", 1000)
    mine, silent, other = Leases(tmp_path / "mine"), Leases(tmp_path / "mine", away), Leases(tmp_path / "other")
    away.start()
    try:
        lease = mine.acquire("erlnet-handed-back", 1)
        assert lease is not None
        assert wait_for(lambda: away.silent, 30)
        with temporary_settings({PREFECT_API_URL: away.address}):
            silent.release(lease)
        [note] = (tmp_path / "mine").glob("*.json")
        assert other.acquire("erlnet-handed-back", 1) is None
        note.write_text(note.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194303'))
        Leases(tmp_path / "mine").release_orphans()
        assert not note.exists()
        assert other.acquire("erlnet-handed-back", 1) is not None
    finally:
        away.stop()
        for leases in (mine, silent, other):
            leases.close()


class Answer(http.server.BaseHTTPRequestHandler):
    """Too busy twice, then none free."""

    statuses: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.statuses.pop(0))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_busy_server_is_asked_again_and_not_taken_for_one_that_has_none_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.05)
    monkeypatch.setattr(Answer, "statuses", [503, 503, 423])
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    csrf = {PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api", **csrf}):
        assert Leases(tmp_path).acquire("erlnet-cpu", 1) is None
    assert Answer.statuses == []
    server.shutdown()
    server.server_close()
