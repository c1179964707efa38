"""Damaged files at the door: each is refused in one line, or was still a usable video; bounded in time and memory.

python -m benchmarks fuzz [--seed 0] [--rounds 3] [--keep DIR]
"""

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tqdm import tqdm

from benchmarks.fuzzing import damage
from benchmarks.fuzzing.trial import Outcome, try_file
from benchmarks.machine import describe
from tasks.artifacts.layout import AssetFolder


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3, help="files of every kind of damage and container")
    parser.add_argument("--only", help="kinds of damage whose name contains this")
    parser.add_argument("--keep", type=Path, help="leave the files whose outcome is wrong in this folder")
    parser.add_argument("--lines", action="store_true", help="print what every refusal says")
    arguments = parser.parse_args(argv)
    good = AssetFolder.default().sample
    if not good.is_file():
        print("fuzz: skipped: no sample clip (erlnet assets fetch sample)", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="erlnet-fuzz-") as temporary:
        folder = Path(temporary)
        goods = damage.bases(good, folder)
        files = folder / "files"
        files.mkdir()
        made = [
            *damage.hurt(goods, files, arguments.seed, arguments.rounds),
            *damage.bombs(goods, files),
            *damage.empty(goods, files),
            *damage.no_video(files),
        ]
        made = [one for one in made if not arguments.only or arguments.only in one[0]]
        outcomes: dict[str, list[Outcome]] = defaultdict(list)
        for kind, path in tqdm(made, "fuzz", unit="file", mininterval=2.0):
            scratch = folder / "scratch"
            outcome = try_file(path, scratch)
            shutil.rmtree(scratch)
            outcomes[kind].append(outcome)
            if outcome.verdict.startswith("wrong"):
                print(f"{kind}, {path.name}: {outcome.verdict}", file=sys.stderr)
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, arguments.keep)
            elif arguments.lines:
                print(f"{kind}, {path.name}: {outcome.verdict} {outcome.line.replace(str(folder), '')}")
    print(f"{len(made)} files, seed {arguments.seed}, {describe()}\n\n{table(outcomes)}")
    return int(any(one.verdict.startswith("wrong") for many in outcomes.values() for one in many))


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """One markdown row a kind of damage, and the sum."""
    lines = [
        "| damage | files | refused: unusable | quarantined | refused by the crop | accepted | wrong "
        "| most processor, s | peak, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [*outcomes.items(), ("all", [one for many in outcomes.values() for one in many])]
    for kind, many in rows:
        door = sum(one.verdict == "refused" and one.by == "check" for one in many)
        late = sum(one.verdict == "refused" and one.by != "check" for one in many)
        bad, usable = (sum(one.verdict == said for one in many) for said in ("quarantined", "accepted"))
        slowest, most = max(one.processor for one in many), max(one.memory for one in many) / 1e6
        wrong = len(many) - door - bad - late - usable
        lines.append(
            f"| {kind} | {len(many)} | {door} | {bad} | {late} | {usable} | {wrong} | {slowest:.1f} | {most:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
