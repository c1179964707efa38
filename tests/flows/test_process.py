"""Child processes: output as it comes, time limits, and nothing left behind."""

import os
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from flows.bridge.process import Ended, ProcessGroups, TimedOut

DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def run(groups: ProcessGroups, code: str, timeout: float | None = None) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = groups.run([sys.executable, "-c", code], Path.cwd(), os.environ, lines.append, timeout)
    return status, lines


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_lines_of_both_streams_and_the_exit_status() -> None:
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr); print('three', end=''); sys.exit(3)"
    status, lines = run(ProcessGroups(), code)
    assert status == 3
    assert sorted(lines) == ["one", "three", "two"]


def test_a_progress_bar_passes_its_first_and_last_state_only() -> None:
    code = (
        "import sys\n"
        "for i in range(200): sys.stdout.write(f'\\r{i} of 200'); sys.stdout.flush()\n"
        "sys.stdout.write('\\nend\\r\\n')"
    )
    _, lines = run(ProcessGroups(), code)
    assert lines == ["0 of 200", "199 of 200", "end"]


def test_the_last_state_of_a_bar_that_ends_without_a_line_break_is_kept() -> None:
    _, lines = run(ProcessGroups(), "import sys; sys.stdout.write('\\r1%\\r2%\\r3%')")
    assert lines == ["1%", "3%"]


def test_output_that_is_not_text_does_no_harm() -> None:
    _, lines = run(ProcessGroups(), "import sys; sys.stdout.buffer.write(b'\\xff\\xfe ok\\n')")
    assert lines[0].endswith(" ok")


def test_a_process_over_its_time_is_killed_although_deaf_and_so_is_its_child() -> None:
    lines: list[str] = []
    groups = ProcessGroups(grace=0.3)
    with pytest.raises(TimedOut):
        groups.run([sys.executable, "-c", DEAF], Path.cwd(), os.environ, lines.append, timeout=1.5)
    parent, child = map(int, lines[0].split())
    assert not lives(parent)
    assert not lives(child)


def test_a_child_that_outlives_its_parent_is_ended() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)"
    )
    started = time.monotonic()
    status, lines = run(ProcessGroups(grace=0.5), code)
    assert status == 0
    assert not lives(int(lines[0]))
    assert time.monotonic() - started < 10


def test_end_all_ends_what_runs_in_other_threads_and_refuses_more() -> None:
    groups = ProcessGroups(grace=0.3)
    seen: list[str] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            groups.run([sys.executable, "-c", DEAF], Path.cwd(), os.environ, seen.append)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(seen) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    groups.end_all()
    for thread in threads:
        thread.join(timeout=10)
    assert [type(error) for error in errors] == [Ended, Ended]
    assert not any(lives(int(pid)) for line in seen for pid in line.split())
    with pytest.raises(Ended):
        run(groups, "print('no')")
