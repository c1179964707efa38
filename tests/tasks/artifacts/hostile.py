"""What a hostile file of pickled objects would hold."""

from pathlib import Path
from typing import Any


class Hostile:
    """Makes the file ``target`` where it is unpickled without care."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)
