"""Several processes on one training: those that torchrun starts.

``ERLNET_PROCESSES`` says how many, to a task that can use them and was started as one.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import torch.distributed as dist

from tasks.errors import BadInput


def quiet() -> bool:
    """Whether this is one of several processes and not the first."""
    return dist.is_initialized() and dist.get_rank() != 0


def wanted_processes() -> int:
    """How many processes were asked for, where this is not one of several yet; else 1.  Raises BadInput."""
    text = os.environ.get("ERLNET_PROCESSES") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise BadInput(f"ERLNET_PROCESSES is {text!r}: give a number from 1 to 64")
    return 1 if "WORLD_SIZE" in os.environ else int(text)


def become(module: str, count: int, arguments: Sequence[str] = ()) -> NoReturn:
    """Go on as torchrun with ``count`` processes of ``python -m module``."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    os.execv(sys.executable, [*command, "-m", module, *arguments])


@contextmanager
def processes() -> Iterator[None]:
    """Join the group of processes that torchrun started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    dist.init_process_group("gloo")
    try:
        yield
        dist.barrier()
    finally:
        dist.destroy_process_group()
