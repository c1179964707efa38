"""The code a stage depends on: every file of this project that its module imports, directly or through others.

DVC runs a stage again when one of its dependencies changes, and only files it was told of count.  Listing a whole
package would make every stage stale at every edit; listing only the stage's module would miss the network it trains.
So the list is computed from the syntax tree, without importing (and hence without torch).
"""

import ast
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = ("tasks", "models")


def import_closure(root: Path, module: str) -> list[str]:
    """Files below ``root`` that running ``module`` imports from PACKAGES, sorted, '/'-separated, relative to ``root``.

    Imports inside functions count: a stage imports its heavy parts late.  A package's ``__init__.py`` is listed only
    where it holds any code, because an empty one cannot change a result.  Raises FileNotFoundError where ``module`` has
    no file and SyntaxError where a file does not parse.
    """
    start = _module_file(root, module)
    if start is None:
        raise FileNotFoundError(f"module {module} has no file below {root}")
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        state = path.stat()
        for name in _imported(path, _dotted(root, path), (state.st_mtime_ns, state.st_size, state.st_ino)):
            waiting.extend(_files(root, name))
    files = {path for path in seen if path.name != "__init__.py" or path.read_bytes().strip()}
    return sorted(path.relative_to(root).as_posix() for path in files)


@cache
def _imported(path: Path, module: str, _version: tuple[int, int, int]) -> tuple[str, ...]:
    """Absolute dotted names that ``path`` mentions in import statements; attributes look like submodules here.

    Remembered by the file's version: the stages share most of their files, and a flow asks several times.
    """
    return tuple(_names(path, module))


def _names(path: Path, module: str) -> Iterator[str]:
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _parse(path: Path) -> ast.Module:
    """The syntax tree.  Python 3.11 counts the depth of what it parses for all threads together, and then says so in a
    SystemError where another thread parses at the same time (github.com/python/cpython/issues/106905)."""
    text = path.read_text(encoding="utf-8")
    for _ in range(20):
        try:
            return ast.parse(text, filename=str(path))
        except SystemError:
            time.sleep(0.05)
    return ast.parse(text, filename=str(path))


def _files(root: Path, name: str) -> Iterator[Path]:
    """Files that ``import name`` executes: the module and the packages above it, where they are ours."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return
    for length in range(1, len(parts) + 1):
        path = _module_file(root, ".".join(parts[:length]))
        if path is not None:
            yield path


def _module_file(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _dotted(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
