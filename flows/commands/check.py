"""The command that looks at a video before anyone waits for it: check."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsJson
from tasks.artifacts.layout import repository_root
from tasks.artifacts.subject import overall
from tasks.errors import BadInput


def check(
    video: Annotated[Path, typer.Argument(help="video of one person who speaks to a static camera")],
    as_json: AsJson = False,
) -> None:
    """Say in seconds whether VIDEO is good enough; changes nothing.  Exit status 2 where it would be quarantined."""
    from flows.gates import ask_gates, failing
    from flows.tables import gates_table

    if not video.is_file():
        kind = "is not a file" if video.exists() else "does not exist"
        raise BadInput(f"video {video} {kind}: give the path of a video file")
    said = ask_gates(repository_root(), video)
    if as_json:
        gates = [gate.model_dump() for gate in said.gates]
        data = {"video": str(video), "verdict": overall(said.gates), "gates": gates, "treatments": said.treatments}
        print(json.dumps(data, indent=2))
    else:
        gates_table(said.gates)
        for treatment in said.treatments:
            print(f"will be treated: {treatment}")
    bad = failing(said.gates)
    if bad:
        raise BadInput(f"{video} would be quarantined: {', '.join(gate.gate for gate in bad)} failed")
