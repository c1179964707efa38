"""What becomes of one file: the gates, and the crop of what they could judge, in a process with limits.

    python -m benchmarks.fuzzing.trial SCRATCH FILE...

prints one JSON line a file.  The process that forks must not have run a detector itself: its threads do not survive.
"""

import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks import crop, stage
from tasks.artifacts.audio import SAMPLE_RATE, read_audio
from tasks.artifacts.frames import read_frame_table
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import overall
from tasks.artifacts.video import read_frames
from tasks.check import check
from tasks.command_line import exit_status
from tasks.gates.limits import GateLimits
from tasks.params import load_shared

SECONDS = 30.0  # of processor time, which other work on the machine does not lengthen
PATIENCE = 300.0  # seconds of wall after which a file is called stuck
BYTES = 2e9
GATES = "verdict of the gates: "
ADDRESS_SPACE = 12 * 2**30  # a backstop, above what the libraries map without using it


@dataclass(frozen=True)
class Outcome:
    """verdict: "refused" (exit 2 with one line), "accepted" (a whole crop), or "wrong: " and what.

    line: what a refusal says.  by: "check" or "crop".  seconds: of wall.  processor: seconds of all threads.
    memory: peak resident bytes.
    """

    verdict: str
    line: str
    by: str
    seconds: float
    processor: float
    memory: int


def try_file(path: Path, scratch: Path) -> Outcome:
    """Hand ``path`` in as onboarding with --force would; ``scratch`` is an empty folder that plays the repository."""
    subject = SubjectFolder.of("fuzz", scratch)
    subject.root.mkdir(parents=True)
    subject.source.symlink_to(path.resolve())
    (scratch / "params.yaml").write_text("profiles: {fuzz: {crop: {size: 64}}}\n", encoding="utf-8")
    log = scratch / "stderr.txt"
    start = time.monotonic()
    limits = load_shared(GateLimits, "gates")
    child = os.fork()
    if child == 0:
        _work(path, scratch, log, limits)
    status, processor, memory = _wait(child, start)
    seconds = time.monotonic() - start
    said = log.read_text(encoding="utf-8", errors="replace")
    wrong, line, by = judge(status, said, subject)
    if not wrong and max(processor, seconds - PATIENCE + SECONDS) > SECONDS:
        wrong = f"took {processor:.0f} s of processor time, {seconds:.0f} s in all"
    if not wrong and memory > BYTES:
        wrong = f"took {memory / 1e6:.0f} MB"
    kept = "quarantined" if f"{GATES}fail" in said else "accepted" if status == 0 else "refused"
    verdict = f"wrong: {wrong}" if wrong else kept
    return Outcome(verdict, line, by, seconds, processor, memory)


def _work(path: Path, scratch: Path, log: Path, limits: GateLimits) -> None:
    """In the child: both steps, then the end of the process."""
    status = 70
    try:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        output = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.environ["ERLNET_ROOT"] = str(scratch)
        status = _door(path, limits)
        if status == 0:
            status = stage.main("crop", crop.CropParams, crop.run, ["--subject", "fuzz", "--profile", "fuzz"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _door(path: Path, limits: GateLimits) -> int:
    """0 where the gates could judge the file, whatever they said (--force goes on), else the check's exit status."""
    return exit_status("check", lambda: print(f"{GATES}{overall(check(path, limits).gates)}"))


def _wait(child: int, start: float) -> tuple[int, float, int]:
    """Exit status (negative: signal), processor seconds and peak memory of the child, which is killed when stuck."""
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        if time.monotonic() - start > PATIENCE:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def judge(status: int, text: str, subject: SubjectFolder) -> tuple[str, str, str]:
    """(what is wrong or nothing, the line of a refusal, who refused)."""
    lines = [line for line in text.replace("\r", "\n").splitlines() if ": error: " in line]
    left = sorted(path.name for path in subject.root.iterdir() if path.name not in ("source.video", "runs"))
    if status == 2:
        by = lines[-1].split(":", 1)[0] if lines else ""
        if len(lines) != 1 or "Traceback" in text:
            return f"{len(lines)} error lines: {text[-500:]!r}", "", by
        return (f"left {', '.join(left)}" if left else ""), lines[0], by
    if status != 0:
        return f"status {status}: {text[-500:]!r}", "", ""
    return _whole(subject), "", ""


def _whole(subject: SubjectFolder) -> str:
    """What is wrong with a crop that was reported as made; empty where nothing is."""
    table = read_frame_table(subject.frames)
    frames = sum(1 for _ in read_frames(subject.video))
    seconds = len(read_audio(subject.audio)) / SAMPLE_RATE
    if not len(table) == frames > 0:
        return f"{len(table)} rows for {frames} frames"
    if abs(seconds - frames / table.header["fps"]) >= 1 / table.header["fps"]:
        return f"{seconds:.2f} s of sound for {frames} frames"
    json.dumps(table.header)
    return ""


def main(scratch: Path, files: list[Path]) -> int:
    """Try every file; see the module's text."""
    for path in files:
        outcome = try_file(path, scratch)
        shutil.rmtree(scratch)
        print(json.dumps(asdict(outcome)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
