"""Every kernel becomes machine code of a GPU, without one: nothing spills, texels move 16 bytes at a time."""

import json
import os
import subprocess
import sys


def test_kernels_compile_for_an_ampere_gpu(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.models.nerf.kernels.machine_code", "80"]
    environment |= {"TRITON_CACHE_DIR": str(tmp_path)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr[-2000:]
    kernels = json.loads(told.stdout)
    assert len(kernels) == 5
    for name, facts in kernels.items():
        assert (facts["stack"], facts["local"]) == (0, 0), (name, facts)
        assert facts["registers"] <= 128, (name, facts)  # 4 programs of 128 threads a multiprocessor, at the least
    assert kernels["lookup forward"]["wide loads"] >= 16
