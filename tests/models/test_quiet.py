"""File descriptor 2 is silent inside the block and itself again afterwards, from several threads too."""

import os
from threading import Barrier, Thread

import pytest

from models.quiet import quiet_stderr


def test_what_is_written_inside_is_lost_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), quiet_stderr():
        os.write(2, b"inside\n")
        raise RuntimeError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_blocks_that_overlap_in_two_threads(capfd: pytest.CaptureFixture[str]) -> None:
    entered, left = Barrier(2), Barrier(2)

    def other() -> None:
        entered.wait()
        with quiet_stderr():
            left.wait()  # the first block ends inside this one
            left.wait()

    thread = Thread(target=other)
    thread.start()
    with quiet_stderr():
        entered.wait()
        left.wait()
    os.write(2, b"between\n")
    left.wait()
    thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
