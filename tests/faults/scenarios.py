"""The faults, in the order of the table in docs/results.md."""

from tests.faults import clock, files, network, processes, servers
from tests.faults.suffering import Scenario

SCENARIOS = [
    Scenario("kill -9 of a stage", processes.kill_stage),
    Scenario("kill -9 of the flow", processes.kill_flow),
    Scenario("kill -9 of flow, DVC and stage", processes.kill_flow_and_stage),
    Scenario("cancel (SIGTERM) of the flow", processes.terminate_flow),
    Scenario("kill -9 of DVC between work and lock", processes.kill_dvc, slow=False),
    Scenario("DVC's lock file torn", files.torn_lock, slow=False),
    Scenario("kill -9 of the server in a flow", processes.kill_server, embedded=True),
    Scenario("kill -9 of make server and PostgreSQL", servers.kill_made_server, embedded=True),
    Scenario("a server that stays away", servers.server_stays_away, embedded=True),
    Scenario("a server that stays away from a worker", servers.server_stays_away_from_worker, embedded=True),
    Scenario("kill -9 of a worker", servers.kill_worker, embedded=True),
    Scenario("kill -9 of a worker with all it started", servers.kill_worker_and_all, embedded=True),
    Scenario("registration cut short", processes.cut_registration),
    Scenario("two flows on one subject", processes.two_flows),
    Scenario("damaged cache object", files.damaged_cache, slow=False),
    Scenario("full disk", files.full_disk, slow=False),
    Scenario("read-only folder", files.read_only),
    Scenario("remote gone in the middle of a push", network.cut_push),
    Scenario("clock jumps", clock.clock_jump),
    Scenario("restart: a stranger has DVC's process number", files.stranger_with_the_pid),
    Scenario("power cut", files.power_cut, embedded=True, slow=False),
]
