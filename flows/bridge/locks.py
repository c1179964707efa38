"""``dvc.lock`` in the order of its pipeline file.

DVC appends a stage to the lock when it is done, so that two runs of the same work write different files.  Sorted, the
same work gives the same text, and git shows a change only where something changed.
"""

from pathlib import Path

from tasks.artifacts.atomic import write_text


def sort_lock(pipeline: Path) -> bool:
    """Sort the lock that belongs to ``pipeline``; returns whether that changed it.  Needs DVC's repository lock.

    Stages no longer in the pipeline keep their entries, after the others, by name.
    """
    from dvc.utils.serialize import dumps_yaml, load_yaml

    lock = pipeline.with_suffix(".lock")
    if not lock.exists():
        return False
    order = {name: number for number, name in enumerate(load_yaml(str(pipeline)).get("stages") or {})}
    data = load_yaml(str(lock))
    stages = data.get("stages") or {}

    def place(name: str) -> tuple[int, str]:
        return order.get(name.split("@")[0], len(order)), name  # foreach: name@item

    data["stages"] = {name: stages[name] for name in sorted(stages, key=place)}
    text = dumps_yaml(data)
    if text == lock.read_text(encoding="utf-8"):
        return False
    write_text(lock, text)
    return True


def sort_locks(root: Path, pipelines: list[Path]) -> None:
    """Sort the locks of ``pipelines`` while no other DVC process writes them."""
    from dvc.repo import Repo, lock_repo

    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        for pipeline in pipelines:
            sort_lock(pipeline)
