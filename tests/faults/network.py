"""A remote that breaks off in the middle of a push."""

import logging
import subprocess

from tests.faults.fleet import Fleet, md5
from tests.faults.relay import Relay
from tests.faults.suffering import Account, CannotInject, entries, let_go, running, say


def cut_push(fleet: Fleet, account: Account) -> None:
    """The S3 remote breaks off in the middle of a push, and is there again for the next command."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError:
        raise CannotInject("moto[server] is not installed: no S3 server") from None
    import boto3

    origin = fleet.root.parent / "origin.git"
    fleet.environment |= {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {"NAME": "test", "EMAIL": "test@localhost"}.items()
    }
    for command in (
        ["git", "init", "--quiet", "--bare", str(origin)],
        ["git", "remote", "add", "origin", str(origin)],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "a fleet"],
        ["git", "push", "--quiet", "origin", "HEAD:main"],
    ):
        subprocess.run(command, cwd=fleet.root, env=fleet.environment, check=True, capture_output=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    relay = Relay(port)
    access = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    bucket = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **access)
    bucket.create_bucket(Bucket="erlnet")
    fleet.environment |= {name.upper(): value for name, value in access.items() if name != "region_name"}
    fleet.environment |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}",
        "NO_PROXY": "127.0.0.1",
        "ERLNET_SHARE": "true",
        "ERLNET_REMOTE": "s3://erlnet/fleet",
    }

    def sent() -> set[str]:
        listed = bucket.list_objects_v2(Bucket="erlnet").get("Contents", [])
        return {"".join(item["Key"].split("/")[-2:]) for item in listed}

    with running(fleet) as process:
        relay.cut_after(600)
        let_go(fleet)
        account.happened = say(fleet.end(process))
    if not relay.down:
        raise AssertionError("nothing was pushed while the network was to be cut")
    account.lies += fleet.lies()
    relay.mend()
    account.running = set()

    def check() -> list[str]:
        # Of the subject that was worked on while the fleet shared; the other was done before.
        lacking = [
            entry
            for entry in entries()
            if entry.startswith("a:") and md5(fleet.expected(*entry.split(":"))) not in sent()
        ]
        relay.close()
        server.stop()
        return [f"{entry} is not on the remote" for entry in lacking]

    account.checks.append(check)
