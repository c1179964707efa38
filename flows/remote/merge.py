"""Two versions of one ``dvc.lock`` become one, stage by stage."""

from typing import Any


def merge_locks(base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """The lock that has every stage as the side that changed it left it.

    A stage that both changed is taken from ``theirs``: what was shared has been computed, and everybody has it.  The
    order is theirs, then ours.  A file that is not a lock counts as empty.
    """
    old, own, their = (_stages(text) for text in (base, ours, theirs))
    stages = {}
    for name in [*their, *(name for name in own if name not in their)]:
        entry = own.get(name) if their.get(name) == old.get(name) else their.get(name)
        if entry is not None:
            stages[name] = entry
    from dvc.utils.serialize import dumps_yaml  # DVC writes its locks with it: nothing else shows as changed

    return str(dumps_yaml({"schema": "2.0", "stages": stages})).encode()


def _stages(text: bytes) -> dict[str, Any]:
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    try:
        stages = parse_yaml(text.decode(), "dvc.lock")["stages"]
    except (YAMLFileCorruptedError, UnicodeDecodeError, TypeError, KeyError):
        return {}
    return stages if isinstance(stages, dict) else {}
