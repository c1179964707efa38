"""The portrait on a GPU: are the kernels right there, where do the milliseconds go, does ten minutes of training do.

python -m benchmarks nerf_gpu [--size 512] [--rounds 50] [--subject FOLDER [--minutes 10]]

Says 'skipped' where there is no CUDA device.  With one: equality of kernels and torch on the device (exit status 1
where they differ by more than is allowed), a table of milliseconds a part for both, beside the floor from bytes and
operations at the rates that this very device copies and computes with.  --subject: a subject's folder up to its torso,
at 512 pixels; trains on it for --minutes with profile gpu and compares the held-out part with what is asked for.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.gpu import bounds
from benchmarks.gpu.parts import Person, choosing, milliseconds
from benchmarks.machine import describe
from tasks import accelerator
from tasks.nerf import NerfParams
from tasks.params import load_params

PICTURES, GRADIENTS = 1e-4, 1e-3  # allowed difference: of colours in 0..1, of gradients in shares of the largest
ASKED = {"psnr_person": (33.0, ">="), "lpips_person": (0.035, "<=")}
ASKED_SPEED = 200.0  # frames a second at 512 pixels


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks nerf_gpu", description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="pixels of a side of the picture")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--subject", type=Path, help="folder of a subject up to its torso, at 512 pixels")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    values = parser.parse_args(argv)
    device = accelerator.device()
    if device.type != "cuda":
        print("nerf_gpu: skipped: no CUDA device")
        return 0
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}; {describe()}", flush=True)
    print(f"kernels: {accelerator.kernels_on(device)}\n", flush=True)
    params = load_params(NerfParams, "gpu", "nerf")
    right = equal(Person(params, values.size, device, mixed=False))
    print(flush=True)
    for mixed in (False, True):
        person = Person(params, values.size, device, mixed)
        print(table(person, rates(device), values.rounds, "bfloat16 perceptrons" if mixed else "float32"), flush=True)
    if values.subject:
        print(trained(values.subject.resolve(), replace(params, minutes=values.minutes)), flush=True)
    return 0 if right else 1


def equal(person: Person) -> bool:
    """Print how far kernels and torch are apart on this device; whether that is allowed."""
    with choosing("torch"):
        pictures, gradients = person.compared()
    with choosing("auto"):
        others, slopes = person.compared()
    apart = max(float((pictures[name] - others[name]).abs().max()) for name in pictures)
    steep = {n: float((g - slopes[n]).abs().max() / g.abs().max().clamp(min=1e-12)) for n, g in gradients.items()}
    worst = max(steep, key=lambda name: steep[name])
    print(f"kernels against torch, one step's rays: colours and opacities apart by {apart:.1e} (allowed {PICTURES:g})")
    print(f"gradients apart by {steep[worst]:.1e} of the largest, at {worst} (allowed {GRADIENTS:g})")
    return apart <= PICTURES and steep[worst] <= GRADIENTS


def rates(device: torch.device) -> tuple[float, float]:
    """Bytes a second of a large copy (read and written) and float32 operations a second of a large product."""
    large = device.type == "cuda"
    source = torch.rand(1 << (28 if large else 20), device=device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() * 4 / milliseconds(lambda: target.copy_(source), device, 10) * 1e3
    side = 8192 if large else 256
    matrix = torch.rand(side, side, device=device)
    return copied, 2 * side**3 / milliseconds(lambda: matrix @ matrix, device, 5) * 1e3


def table(person: Person, rate: tuple[float, float], rounds: int, precision: str) -> str:
    """Markdown table of the parts of a picture and of a training step."""
    rays = person.size**2
    head = round(person.head_share() * rays)
    narrow = 2 if precision != "float32" else bounds.WORD
    floors = bounds.picture(person.config, 1, head, rays - head, narrow)
    floors["whole picture"] = bounds.whole_picture(person.config)
    params = person.params
    step = bounds.picture(person.config, params.frames, params.head_rays, params.other_rays, narrow)
    step |= {f"{name}, back": work for name, work in bounds.backward(step, person.config, params.frames).items()}
    total = bounds.optimiser(sum(p.numel() for p in person.network.parameters()))
    floors["training step"] = sum(step.values(), total)
    times: dict[str, dict[str, float]] = {}
    for kernels in ("torch", "auto"):
        with choosing(kernels):
            for name, work in person.picture_parts().items():
                times.setdefault(name, {})[kernels] = milliseconds(work, person.device, rounds)
            trainer, index = person.trainer(), iter(range(10**6))
            spent = milliseconds(lambda t=trainer, i=index: t.step(next(i)), person.device, rounds)  # type: ignore[misc]
            times.setdefault("training step", {})[kernels] = spent
            trainer.close()
    copied, computed = rate
    lines = [
        f"{person.size} pixels, {precision}; {head / rays:.0%} of the rays meet the head; the device copies "
        f"{copied / 1e9:.0f} GB/s and computes {computed / 1e12:.1f} TFLOP/s (float32)",
        "",
        "| part | torch, ms | fused, ms | floor, ms | bytes at the least, MB | GFLOP |",
        "|---|---|---|---|---|---|",
    ]
    for name, of in times.items():
        work = floors[name]
        lines.append(
            f"| {name} | {of['torch']:.3f} | {of['auto']:.3f} | {work.milliseconds(copied, computed):.3f} "
            f"| {work.bytes / 1e6:.0f} | {work.operations / 1e9:.2f} |"
        )
    speeds = [f"{1e3 / value:.0f} ({name})" for name, value in times["whole picture"].items()]
    return "\n".join(
        [*lines, "", f"pictures a second, without the encoder: {', '.join(speeds)}; asked: {ASKED_SPEED:.0f}", ""]
    )


def trained(subject: Path, params: NerfParams) -> str:
    """Ten minutes on a real subject against what is asked for."""
    from benchmarks.nerf import measure
    from tasks.artifacts.flame import read_flame
    from tasks.artifacts.layout import AssetFolder, SubjectFolder
    from tasks.portrait import Portrait

    folder = SubjectFolder(subject)
    with tempfile.TemporaryDirectory(prefix="erlnet-bench-") as temporary, contextlib.redirect_stdout(sys.stderr):
        root = Path(temporary) / subject.name
        figures = measure(folder, params, root)
        portrait = Portrait.load(SubjectFolder(root).nerf, AssetFolder.default().open_head)
        flame = read_flame(folder.flame)
        for _ in portrait.render(flame.slice(0, min(10, len(flame)))):
            pass
        shown = flame.slice(0, min(300, len(flame)))
        started = time.perf_counter()
        for _ in portrait.render(shown):
            pass
        speed = len(shown) / (time.perf_counter() - started)
    facts = portrait.trained.training
    done = f"{facts['steps']} of {params.steps} steps, precision {facts['precision']}"
    lines = [f"{params.minutes:g} minutes of training ({done}), {portrait.image_size} pixels, held-out part:", ""]
    for name, (limit, way) in ASKED.items():
        value = figures[name]
        if not isinstance(value, float):
            lines.append(f"- {name}: {value}")
            continue
        held = value >= limit if way == ">=" else value <= limit
        lines.append(f"- {name}: {value:.4g}, asked {way} {limit:g}: {'holds' if held else 'missed'}")
    held = speed >= ASKED_SPEED
    lines.append(
        f"- frames a second, FLAME parameters to pictures in memory: {speed:.0f}, asked >= {ASKED_SPEED:.0f}: "
        f"{'holds' if held else 'missed'}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
