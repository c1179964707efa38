"""What each fault does and what it costs to mend: the table of docs/faults.md.

    python -m benchmarks faults [--only WORDS ...]

The faults are those of tests/faults; each is done to a fresh copy of a small fleet, whose subject *a* has two of three
stages left and *b* none, and one ``erlnet repro`` must mend it.  Exit status 1 where one is not mended.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.machine import describe
from tests.faults.fleet import Fleet, prefect_server, prepare
from tests.faults.scenarios import SCENARIOS
from tests.faults.suffering import Account, CannotInject, Scenario, suffer
from tests.flows.toy import Toy


def judge(account: Account) -> list[str]:
    """What is wrong with how a fault ended; nothing, if it was mended as promised."""
    wrong = [*account.lies, *(f"lost: {entry}" for entry in account.lost), *(f"left: {item}" for item in account.left)]
    if account.status != 0:
        wrong.append(f"exit {account.status}: {account.word}")
    if not set(account.repeated) <= account.running or sum(account.repeated.values()) > 1:
        wrong.append(f"repeated: {account.repeated}")
    return wrong


def row(scenario: Scenario, account: Account, root: Path) -> str:
    """A line of the table."""
    happened = account.happened.replace(f"{root}/", "").replace("|", "\\\\|")
    repeated = ", ".join(entry.partition(":")[2] for entry in account.repeated) or "nothing"
    verdict = "; ".join(judge(account)) or "done"
    return (
        f"| {scenario.name} | {happened} | {account.seconds:.0f} | {len(account.lost)} | {repeated} "
        f"| {'told the truth' if not account.lies else 'lied'} | {verdict} |"
    )


def main(argv: list[str] | None = None) -> int:
    """Inject every fault and print a markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="words of the names of faults")
    only = parser.parse_args(argv).only
    chosen = [scenario for scenario in SCENARIOS if not only or any(word in scenario.name for word in only)]
    failed = False
    print("| fault | what happened | time to done, s | lost | repeated | `erlnet status` | in the end |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="erlnet-faults-") as folder:
        base = Path(folder)
        prepared = base / "prepared" / "checkout"
        os.environ["ERLNET_ROOT"] = str(prepared)
        os.environ["DVC_SITE_CACHE_DIR"] = str(base / "prepared" / "dvc-site")
        prepare(prepared)
        with prefect_server(base / "prefect") as server:
            for number, scenario in enumerate(chosen):
                root = base / str(number) / "checkout"
                shutil.copytree(prepared, root, symlinks=True)
                fleet = Fleet(Toy(root), None if scenario.embedded else server.api)
                try:
                    account = suffer(fleet, scenario)
                except CannotInject as reason:
                    print(f"| {scenario.name} | not injected: {reason} | | | | | |", flush=True)
                    continue
                finally:
                    fleet.close()
                failed = failed or bool(judge(account))
                print(row(scenario, account, root), flush=True)
    print(f"\n{describe()}; load average at the end {os.getloadavg()[0]:.1f}")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
