"""Compiles every kernel for a GPU that need not be here, with the sizes of the network, and says what came out as JSON.

python -m tests.models.nerf.kernels.machine_code [CAPABILITY, 80 unless given]
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from models.nerf.front_map import RELAXATION, STEEPEST
from models.nerf.kernels import composite, lookup, surface

INTEGERS = re.compile(r"count|rays|each|side|stride_b|CHANNELS|[hve][0-3]")
PLANES = {"C0": 16, "C1": 8, "C2": 8, "C3": 8, "D0": 16, "D1": 8, "D2": 8, "D3": 8}
PLANES |= {"W0": False, "W1": False, "W2": False, "W3": True, "BLOCK": lookup.BLOCK}
WANTED = {f"P{k}": True for k in range(4)} | {f"X{k}": k < 3 for k in range(4)}
RAYS = {"A": 8, "B": 3, "AP": 8, "BP": 4, "BLOCK": composite.BLOCK}
KERNELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "lookup forward": (lookup.forward_kernel, PLANES),
    "lookup backward": (lookup.backward_kernel, PLANES | WANTED),
    "composite forward": (composite.forward_kernel, RAYS),
    "composite backward": (composite.backward_kernel, RAYS),
    "surface": (
        surface.kernel,
        {"STEPS": 4, "STEEPEST": STEEPEST, "RELAXATION": RELAXATION, "BLOCK": surface.BLOCK},
    ),
}


def compiled(function: Any, constants: dict[str, Any], capability: int) -> Any:
    """All tensors float32 and aligned to 16 bytes, as torch's allocator gives them."""
    kinds = {
        name: "constexpr" if name in constants else "i32" if INTEGERS.fullmatch(name) else "*fp32"
        for name in function.arg_names
    }
    source = ASTSource(
        fn=function,
        signature=kinds,
        constexprs={(function.arg_names.index(name),): value for name, value in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i, kind in enumerate(kinds.values()) if kind == "*fp32"},
    )
    return triton.compile(source, target=GPUTarget("cuda", capability, 32))


def facts(kernel: Any) -> dict[str, int]:
    """registers, stack and local bytes a thread; loads and atomic additions of 16 bytes in the PTX, and all of them."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        told = subprocess.run([str(tool), "-res-usage", file.name], capture_output=True, text=True, check=True)
    usage = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", told.stdout + told.stderr))
    ptx = kernel.asm["ptx"]
    return {
        "registers": int(usage["REG"]),
        "stack": int(usage["STACK"]),
        "local": int(usage["LOCAL"]),
        "loads": len(re.findall(r"ld\.global", ptx)),
        "wide loads": len(re.findall(r"ld\.global\S*\.v4", ptx)),
        "additions": len(re.findall(r"(?:red|atom)\.global", ptx)),
        "wide additions": len(re.findall(r"(?:red|atom)\.global\S*\.v4", ptx)),
    }


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    print(json.dumps({name: facts(compiled(*parts, wanted)) for name, parts in KERNELS.items()}, indent=1))
