"""``python -m benchmarks``: every benchmark; ``python -m benchmarks NAME [OPTIONS]``: one of them."""

import importlib
import sys
from pathlib import Path


def names() -> list[str]:
    """Benchmarks are the modules of this folder that have a ``main(argv)``."""
    here = Path(__file__).parent
    return sorted(path.stem for path in here.glob("*.py") if path.stem not in ("__init__", "__main__", "machine"))


def main() -> int:
    chosen, options = (sys.argv[1:2], sys.argv[2:]) if len(sys.argv) > 1 else (names(), [])
    for name in chosen:
        if name not in names():
            print(f"no benchmark {name!r}: choose one of {', '.join(names())}", file=sys.stderr)
            return 2
        print(f"## {name}\n", flush=True)
        status = importlib.import_module(f"benchmarks.{name}").main(options)
        if status:
            return int(status)
        print(flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
