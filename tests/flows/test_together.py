"""Eight onboardings at once, two of them of a subject that another one makes."""

import threading
from pathlib import Path

import pytest

from flows.onboard import onboard
from flows.status import subject_states
from tests.flows.toy import Toy


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_eight_at_once_lose_nothing_and_do_nothing_twice(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERLNET_SLOTS", '{"cpu": 2}')
    subjects = ["a", "b", "c", "d", "e", "f", "a", "b"]
    states = {}

    def run(number: int, subject: str) -> None:
        video = tmp_path / f"{subject}.mp4"
        states[number] = onboard(video, subject, "a test", profile="demo", return_state=True)

    for subject in set(subjects):
        (tmp_path / f"{subject}.mp4").write_text(f"video of {subject}")
    threads = [threading.Thread(target=run, args=item) for item in enumerate(subjects)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [states[number].message for number, _ in enumerate(subjects) if not states[number].is_completed()] == []
    expected = sorted(f"{subject}:{stage}" for subject in "abcdef" for stage in ("crop", "track", "report"))
    assert sorted(toy.started()) == expected
    found = subject_states(toy.root, list("abcdef"))
    assert {stage.state for status in found for stage in status.stages.values()} == {"done"}
    for subject in "abcdef":
        assert (toy.folder(subject) / "report.html").read_text() == f"video of {subject}croptrackreport"
