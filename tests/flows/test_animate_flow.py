"""The flow ``animate``, with a task that says what it was asked."""

from pathlib import Path

import pytest

from flows.animate import animate
from flows.outcome import BAD_INPUT
from tests.flows.toy import Toy

TASK = """\
import sys
from pathlib import Path
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if arguments["--audio"].endswith("bad.wav"):
    print("animate: error: no sound in bad.wav: record some", file=sys.stderr)
    raise SystemExit(2)
Path(arguments["--out"]).write_text(arguments["--subject"] + " says " + Path(arguments["--audio"]).name)
"""


@pytest.mark.usefixtures("prefect_server")
def test_it_runs_the_task_and_passes_its_word_on(toy: Toy, tmp_path: Path) -> None:
    (toy.root / "tasks" / "animate.py").write_text(TASK)
    out = tmp_path / "out.mp4"
    assert animate("a", Path("a.wav"), out, return_state=True).is_completed()
    assert out.read_text() == "a says a.wav"
    state = animate("a", Path("bad.wav"), out, return_state=True)
    assert (state.name, state.message) == (BAD_INPUT, "no sound in bad.wav: record some")
