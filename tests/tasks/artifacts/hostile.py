"""What a hostile file of pickled objects would hold, and how files are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput


class Hostile:
    """Makes the file ``target`` where it is unpickled without care."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """The one line, which names the file, with which ``read`` refuses ``path``."""
    with pytest.raises(BadInput) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text
