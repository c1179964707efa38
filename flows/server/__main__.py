"""``python -m flows.server``: see flows/server/start.py."""

import argparse

from flows.server import start
from tasks.command_line import exit_status


def main(argv: list[str] | None = None) -> int:
    """Read the options and serve until an interrupt or a termination."""
    parser = argparse.ArgumentParser(prog="python -m flows.server", description=(start.__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for a trusted network only")
    parser.add_argument("--port", type=int, default=4200, help="port of the API and the pages")
    parser.add_argument("--database-port", type=int, default=4201, help="port of the database, on the loopback only")
    arguments = parser.parse_args(argv)
    return exit_status("server", lambda: start.serve(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
