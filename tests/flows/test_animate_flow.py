"""The flow ``animate``, with a task that says what it was asked."""

from pathlib import Path

import pytest

from flows.animate import animate
from flows.outcome import BAD_INPUT
from tests.flows.toy import Toy

TASK = """\
import sys
from pathlib import Path
arguments = dict(argument.split("=", 1) for argument in sys.argv[1:])
if arguments.get("--turn"):
    Path(arguments["--out"]).write_text(" ".join(sys.argv[1:]))
    raise SystemExit(0)
if arguments["--audio"].endswith("bad.wav"):
    print("animate: error: no sound in bad.wav: record some", file=sys.stderr)
    raise SystemExit(2)
Path(arguments["--out"]).write_text(arguments["--subject"] + " says " + Path(arguments["--audio"]).name)
"""


@pytest.mark.usefixtures("prefect_server")
def test_it_runs_the_task_and_passes_its_word_on(toy: Toy, tmp_path: Path) -> None:
    (toy.root / "tasks" / "animate.py").write_text(TASK)
    out = tmp_path / "out.mp4"
    assert animate("a", out, Path("a.wav"), return_state=True).is_completed()
    assert out.read_text() == "a says a.wav"
    state = animate("a", out, Path("bad.wav"), return_state=True)
    assert (state.name, state.message) == (BAD_INPUT, "no sound in bad.wav: record some")
    manner = {"style": ["bob", "eve"], "blend": 0.3, "turn": "0"}
    assert animate("a", out, Path("a.wav"), **manner, return_state=True).is_completed()
    assert out.read_text().split()[3:] == ["--style=bob", "--style=eve", "--blend=0.3", "--turn=0"]
    wanted = {"drive": Path("b.mp4"), "turn": "-5,2", "size": 128, "background": "#102030"}
    assert animate("a", out, **wanted, return_state=True).is_completed()
    said = out.read_text().split()
    assert said == ["--subject=a", f"--out={out}", "--drive=b.mp4", "--size=128", "--background=#102030", "--turn=-5,2"]
