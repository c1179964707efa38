"""nerf: train the subject's dual-branch fusion NeRF (DBF-NeRF) on the training part of the clip.

Stage two of ERLNet (arXiv 2404.19038): a head that moves and a torso that does not, fused along every ray, driven by
FLAME parameters alone.  The parts are in models/nerf, the choices in docs/decisions.  Held-out frames are looked at
for reporting only; nothing is selected by them.
"""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from models.nerf.driving import Driving, person_front_map, standardisation, standardise
from models.nerf.layers import run_mixed
from models.nerf.network import DualBranchNerf, NerfConfig
from models.nerf.sampling import RaySampler, RayShares
from models.nerf.torso.motion import fit_forecast
from models.nerf.training import Labels, Schedule, Trainer
from tasks import accelerator
from tasks.artifacts.background import read_background
from tasks.artifacts.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from tasks.artifacts.curve import write_curve
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.leftovers import remove_leftovers
from tasks.artifacts.lpips import read_lpips
from tasks.artifacts.masks import HEAD_LABELS, Label
from tasks.artifacts.metrics import write_metrics
from tasks.artifacts.nerf import TrainedNerf, write_nerf
from tasks.artifacts.torso import read_torso
from tasks.errors import DamagedArtifact, StageFailed
from tasks.nerf_data import (
    FINE,
    DecodedPictures,
    cells_of,
    displacement_bytes,
    driving_on_disk,
    patch_centres,
    survey,
)
from tasks.portrait import flame_arrays
from tasks.preview import PreviewStrip
from tasks.scoring.training import TrainingReport, decibels
from tasks.scratch import ScratchMap
from tasks.split import train_length
from tasks.stage import main

MINIMUM = 24  # usable training frames without which there is no portrait
MAP_RESOLUTION = 96
MOST_REPORTING = 0.1  # seconds of reporting a second of training, where the minutes of that are limited
RELEASED = 10  # steps after which the memory of data that was read is let go of
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"  # of the share that is over
PREVIEWED = {"psnr_train": "train", "psnr_held_out": "held out"}


@dataclass(frozen=True)
class NerfParams:
    """Parameters of the nerf stage.

    steps: optimisation steps.  minutes: most minutes of training, 0 for no limit; a run that is cut short by it has
    walked the same schedule faster, so its figures depend on the machine.  Preparation and the final figures are not
    counted, nor are looks at the training, which take at most a tenth more.  frames: frames a step.  head_rays,
    other_rays: rays a frame and step at places that can meet the head, and elsewhere.  samples: head samples a ray.
    basis: blended planes.  head_resolution, static_resolution: texels of a side of the planes.  plane_rate,
    network_rate: learning rates.  noise: of the drivers, in standard deviations.  mask_weight: of the opacity losses.
    perceptual_weight: of LPIPS on patches, 0 leaves it out.  perceptual_from: share of the training after which it
    enters.  fusion, deform, shell: False for the ablations (models/nerf/network.py).  measured: pictures of each part
    whose PSNR is reported.  checkpoint_seconds: at most so much work is lost by a kill.  precision: of the
    perceptrons, full (float32), mixed (bfloat16) or auto (mixed on a GPU).  seed: of everything random.
    """

    steps: int = 1500
    minutes: Annotated[float, Field(ge=0)] = 0.0
    frames: int = 16
    head_rays: int = 320
    other_rays: int = 112
    samples: int = 8
    basis: int = 16
    head_resolution: int = 192
    static_resolution: int = 256
    plane_rate: float = 1e-2
    network_rate: float = 3e-3
    noise: float = 0.05
    mask_weight: float = 0.01
    perceptual_weight: float = 0.01
    perceptual_from: float = 0.75
    fusion: bool = True
    deform: bool = True
    shell: bool = True
    measured: int = 24
    checkpoint_seconds: float = 30.0
    precision: accelerator.Precision = "auto"
    seed: int = 0


def run(folder: SubjectFolder, params: NerfParams) -> dict[str, Any]:
    """video.mp4, flame.parquet, masks.parquet, background.png, open head, LPIPS -> nerf.safetensors, nerf.json,
    nerf_curve.csv.  Returns the metrics.

    Raises MissingInput, DamagedArtifact, or StageFailed where the clip is too short or too little of it is tracked.
    """
    assets = AssetFolder.default()
    sequence = read_flame(folder.flame)
    head = read_head(assets.open_head)
    _check(folder, sequence, head_identity(assets.open_head))
    lpips = read_lpips(assets.lpips) if params.perceptual_weight > 0 else None
    plate = read_background(folder.background)
    torso = read_torso(folder.torso)
    if len(torso) != len(sequence):
        raise DamagedArtifact(folder.torso, f"{len(torso)} frames, {len(sequence)} were tracked")
    split = train_length(len(sequence))
    rows = np.flatnonzero(sequence.usable[:split])
    device = accelerator.device()
    kernels = accelerator.kernels_on(device)
    mixed = accelerator.is_mixed(params.precision, device)
    inputs = [folder.video, folder.flame, folder.masks, folder.background, folder.torso, assets.open_head]

    with ExitStack() as open_:
        pictures = open_.enter_context(
            DecodedPictures(folder.video, folder.masks, len(sequence), sequence.image_size, folder.checkpoints)
        )
        scratch = ScratchMap(folder.checkpoints, displacement_bytes(len(sequence), MAP_RESOLUTION))
        open_.enter_context(closing(scratch))
        open_.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(params.seed)
        belongs_to = fingerprint(asdict(params), inputs)
        arrays = flame_arrays(sequence, sequence.shape)
        with torch.no_grad():
            front = person_front_map(head, arrays.shape, MAP_RESOLUTION)
            driving = driving_on_disk(head, arrays, front, torso.motion, scratch)
        network = _network(params, sequence, driving, front, plate, rows)
        survey(network, driving, pictures.labels, rows)
        cells = cells_of(network, driving, scratch.release)
        regions = ([int(label) for label in FINE], [int(Label.NECK)], [int(Label.TORSO)])
        shares = RayShares(
            params.head_rays,
            params.head_rays // 4,
            params.head_rays // 4,
            params.other_rays,
            params.other_rays * 4 // 7,
        )
        sampler = RaySampler(pictures, cells, rows, shares, params.samples, params.seed, regions)
        network.to(device)
        run_mixed(network, mixed)
        trainer = Trainer(
            network,
            driving,
            sampler,
            Labels(tuple(int(label) for label in HEAD_LABELS), (int(Label.NECK),)),
            _schedule(params),
            patch_centres(pictures.labels, rows, pictures.release) if lpips else None,
            lpips.to(device) if lpips else None,
            device,
        )
        open_.callback(trainer.close)
        report = TrainingReport(
            trainer, pictures, rows, np.flatnonzero(sequence.usable[split:]) + split, params.measured
        )

        def release() -> None:
            pictures.release()
            scratch.release()

        seconds, curve, done = train(trainer, params, folder, belongs_to, report, release)
        metrics = report.final(seconds, done, params.frames * (params.head_rays + params.other_rays))
    trained = TrainedNerf(
        network.cpu().eval(),
        front,
        sequence.shape,
        head_identity(assets.open_head),
        dict(sequence.parts) | _parts(params, device, kernels, mixed),
        {"steps": done, "seed": params.seed, "device": str(device), "precision": "mixed" if mixed else "full"}
        | {"frames": len(rows)},
    )
    write_nerf(folder.nerf, trained)
    write_curve(folder.nerf_curve, curve)
    write_metrics(folder.nerf_metrics, metrics | {"parts": trained.parts})
    (folder.checkpoints / "nerf.safetensors").unlink(missing_ok=True)
    return metrics


def train(
    trainer: Trainer,
    params: NerfParams,
    folder: SubjectFolder,
    belongs_to: str,
    report: TrainingReport,
    release: Callable[[], None] = lambda: None,
) -> tuple[float, list[dict[str, float]], int]:
    """Walk the schedule, resuming where a checkpoint of the same inputs lies.  Returns seconds, curve, steps done.

    release: is called now and then, to let go of data that has been read.
    """
    path = folder.checkpoints / "nerf.safetensors"
    remove_leftovers(path.parent, path.stem)
    start, before, curve = 0, 0.0, []
    checkpoint = read_checkpoint(path, belongs_to)
    if checkpoint:
        trainer.restore(checkpoint.tensors)
        start, before, curve = checkpoint.step, checkpoint.seconds, checkpoint.curve
        print(f"nerf: resuming at step {start} of {params.steps}", flush=True)
    logged = max(params.steps // 20, 1)
    strip = PreviewStrip(folder.nerf_preview, report.recorded(), checkpoint is not None)
    clock = saved = time.monotonic()
    reporting = 0.0  # seconds that went into reporting, not training
    sums = [0.0, 0.0, 0]
    step, figures = start, ""

    def spent() -> float:
        return before + time.monotonic() - clock - reporting

    def share() -> float:
        """How much of the training is over, by steps or by time, whichever is nearer to its end."""
        return max(step / params.steps, spent() / (60 * params.minutes) if params.minutes > 0 else 0.0)

    def may_look() -> bool:
        """Whether the curve's pictures still cost little beside a training whose time is limited."""
        return params.minutes == 0 or reporting <= MOST_REPORTING * spent()

    last, looked = False, share()
    with tqdm(total=1.0, initial=share(), desc="nerf: train", mininterval=2, bar_format=BAR) as bar:
        while step < params.steps and not last:
            result = trainer.step(step, share())
            if not math.isfinite(result.loss):
                raise StageFailed(f"nerf: the loss is {result.loss} at step {step}: lower nerf.plane_rate")
            sums = [sums[0] + result.loss, sums[1] + result.error, sums[2] + 1]
            step += 1
            bar.set_postfix_str(f"step {step} of {params.steps}{figures}", refresh=False)
            bar.update(min(share(), 1.0) - bar.n)
            last = step == params.steps or (params.minutes > 0 and spent() >= 60 * params.minutes)
            if step % RELEASED == 0:
                release()
            if last or (may_look() and (step % logged == 0 or share() >= looked + 0.05)):
                looked = share()
                seconds, paused = spent(), time.monotonic()
                row = {"step": float(step), "seconds": seconds, "loss": sums[0] / sums[2]}
                row |= {"psnr_rays": decibels(sums[1] / sums[2])} | report.glance()
                curve.append(row)
                told = [f"{row[name]:.1f} dB {kind}" for name, kind in PREVIEWED.items() if name in row]
                figures = "".join(f", {figure}" for figure in told)
                strip.add([picture for _, picture in report.glanced], [f"step {step}", f"{seconds:.0f} s", *told])
                sums = [0.0, 0.0, 0]
                reporting += time.monotonic() - paused
            if time.monotonic() - saved > params.checkpoint_seconds:
                write_checkpoint(path, Checkpoint(step, spent(), curve, trainer.state()), belongs_to)
                saved = time.monotonic()
    return spent(), curve, step


def _check(folder: SubjectFolder, sequence: FlameSequence, head: dict[str, Any]) -> None:
    if sequence.head.get("sha256") != head["sha256"]:
        raise DamagedArtifact(folder.flame, f"fitted with another head model than {head['name']!r}")
    try:
        split = train_length(len(sequence))
    except ValueError as error:
        raise StageFailed(f"nerf: {error}") from None
    usable = int(sequence.usable[:split].sum())
    if usable < MINIMUM:
        raise StageFailed(
            f"nerf: only {usable} usable frames in the training part, {MINIMUM} are needed: give a longer clip or one "
            "in which the face is seen more"
        )


def _network(
    params: NerfParams, sequence: FlameSequence, driving: Driving, front: Any, plate: np.ndarray, rows: np.ndarray
) -> DualBranchNerf:
    config = NerfConfig(
        image_size=sequence.image_size,
        focal=float(sequence.focal),
        faces=driving.face.shape[1],
        poses=driving.pose.shape[1],
        # The front of the head stands before the head frame's origin by the rest surface's height.
        depth=float((-driving.translation[rows, 2]).mean() - front.height.mean()),
        map_resolution=MAP_RESOLUTION,
        head_resolution=params.head_resolution,
        static_resolution=params.static_resolution,
        samples=params.samples,
        basis=params.basis,
        fusion=params.fusion,
        deform=params.deform,
        shell=params.shell,
    )
    network = DualBranchNerf(config, front, torch.from_numpy(plate.astype(np.float32) / 255).permute(2, 0, 1))
    for name in ("face", "pose"):
        mean, scale = standardisation(getattr(driving, name)[rows])
        getattr(network, f"{name}_mean").copy_(mean)
        getattr(network, f"{name}_scale").copy_(scale)
    pose = standardise(driving.pose[rows], network.pose_mean, network.pose_scale)
    network.torso_forecast.copy_(fit_forecast(pose, driving.torso[rows]))
    return network


def _schedule(params: NerfParams) -> Schedule:
    return Schedule(
        steps=params.steps,
        frames=params.frames,
        plane_rate=params.plane_rate,
        network_rate=params.network_rate,
        mask_weight=params.mask_weight,
        noise=params.noise,
        perceptual_from=params.perceptual_from,
        perceptual_weight=params.perceptual_weight,
    )


def _parts(params: NerfParams, device: torch.device, kernels: str, mixed: bool) -> dict[str, str]:
    missing = [name for name in ("fusion", "deform", "shell") if not getattr(params, name)]
    return {
        "portrait": "DBF-NeRF" + (f" without {', '.join(missing)} (ablation)" if missing else ""),
        "portrait encoding": "tri-plane pyramids and expression-blended planes",
        "perceptual loss": "LPIPS v0.1 AlexNet on patches" if params.perceptual_weight > 0 else "none",
        "training device": str(device),
        "portrait kernels": kernels,
        "training precision": "mixed (bfloat16 perceptrons)" if mixed else "full",
    }


if __name__ == "__main__":
    raise SystemExit(main("nerf", NerfParams, run, options=("minutes",)))
