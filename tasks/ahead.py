"""Work ahead: an iterator that runs in a thread of its own, a few items before its consumer.

Decoding, networks and array code release Python's lock, so the steps of a frame-by-frame stage keep several cores busy
when each of them runs ahead of the next.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 0.2  # seconds after which a blocked producer looks whether anyone still wants its items


@contextmanager
def ahead(items: Iterable[T], depth: int = 4) -> Iterator[Iterator[T]]:
    """Inside the block, the items in their order, at most ``depth`` of them made before they are asked for.

    An error of the producer is raised where its item would have come.  At the end of the block the producer is stopped
    and waited for, also when the consumer stopped early.
    """
    queue: Queue[tuple[T | None, BaseException | None, bool]] = Queue(depth)
    stop = Event()

    def put(entry: tuple[T | None, BaseException | None, bool]) -> None:
        while not stop.is_set():
            try:
                queue.put(entry, timeout=PATIENCE)
                return
            except Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put((item, None, False))
                if stop.is_set():
                    return
        except BaseException as error:
            put((None, error, True))
        else:
            put((None, None, True))

    def consume() -> Iterator[T]:
        while True:
            item, error, ended = queue.get()
            if error is not None:
                raise error
            if ended:
                return
            yield item  # type: ignore[misc]  # an item of T is always beside ended=False

    thread = Thread(target=produce, name="ahead", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stop.set()
        thread.join()
