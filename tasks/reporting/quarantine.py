"""The page of a subject that was stopped at the gates: what was measured, what was asked for, what to do."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.artifacts.atomic import write_text
from tasks.artifacts.subject import SubjectRecord

TEMPLATES = Path(__file__).parent.parent / "templates"


def write_quarantine_page(path: Path, record: SubjectRecord) -> None:
    """Write one self-contained HTML page; everything that people wrote in it is escaped."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    write_text(path, environment.get_template("quarantine.html.j2").render(record=record))
