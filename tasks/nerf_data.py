"""What the nerf stage trains on: decoded pictures on disk, and what is measured from the label maps once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from tqdm import tqdm

from models.flame.head import FlameHead
from models.nerf.driving import Driving, FlameArrays, driving_of
from models.nerf.front_map import FrontMap, meet_surface
from models.nerf.network import DualBranchNerf
from models.nerf.rays import pixel_centres
from models.nerf.rendering import head_cells
from tasks.artifacts.masks import HEAD_LABELS, Label, MaskReader
from tasks.artifacts.video import read_frames
from tasks.errors import DamagedArtifact
from tasks.scratch import ScratchMap

FINE = (Label.LIPS, Label.MOUTH, Label.EYES)
GRID = 64  # rays a side with which a frame is surveyed
SURVEYED = 160  # frames that the survey of the head's places looks at
CHUNK = 256  # frames after which pages of the mapped files are let go of
GROWTH = 7  # texels of the front map by which the places where head was seen grow; odd


class DecodedPictures:
    """Pictures and label maps of a subject, decoded once into a mapped scratch file.

    colours uint8 [N, S, S, 3] and labels uint8 [N, S, S] are mapped, not loaded.  Use as a context manager.
    """

    def __init__(self, video: Path, masks: Path, frames: int, size: int, folder: Path):
        self.video, self.masks, self.frames, self.size, self.folder = video, masks, frames, size, folder

    def __enter__(self) -> "DecodedPictures":
        pixels = self.frames * self.size**2
        shape = (self.frames, self.size, self.size)
        self._map = ScratchMap(self.folder, 4 * pixels)
        self.colours = self._map.array(np.uint8, (*shape, 3))
        self.labels = self._map.array(np.uint8, shape, 3 * pixels)
        self._decode()
        return self

    def release(self) -> None:
        """Let go of the memory that has been read; it stays on disk."""
        self._map.release()

    def _decode(self) -> None:
        reader = MaskReader(self.masks)
        if len(reader) != self.frames:
            raise DamagedArtifact(self.masks, f"{len(reader)} label maps for {self.frames} tracked frames")
        count = 0
        for picture in tqdm(
            read_frames(self.video), total=self.frames, desc="nerf: decode", unit="frame", mininterval=2
        ):
            if count == self.frames:
                raise DamagedArtifact(self.video, f"more than the {self.frames} tracked frames")
            if picture.shape != (self.size, self.size, 3):
                raise DamagedArtifact(
                    self.video, f"{picture.shape[1]}x{picture.shape[0]} pixels, tracked at {self.size}"
                )
            labels = reader[count]
            if labels.shape != (self.size, self.size):
                raise DamagedArtifact(self.masks, f"label map of shape {labels.shape}, pictures of {self.size}")
            self.colours[count], self.labels[count] = picture, labels
            count += 1
            if count % CHUNK == 0:
                self.release()
        if count != self.frames:
            raise DamagedArtifact(self.video, f"{count} frames, {self.frames} were tracked")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self.colours, self.labels
        self._map.close()


def driving_on_disk(
    head: FlameHead, arrays: FlameArrays, front: FrontMap, torso: np.ndarray, scratch: ScratchMap
) -> Driving:
    """``driving_of`` for all frames, a part at a time, the displacement maps in ``scratch``: a frame's take 55 kB."""
    side = len(front.height)
    maps = scratch.array(np.float16, (len(arrays), 3, side, side))
    maps_of_none = torch.zeros(0, 3, side, side)
    parts = []
    for start in range(0, len(arrays), CHUNK):
        part = driving_of(head, arrays, front, slice(start, start + CHUNK), torso)
        maps[start : start + CHUNK] = part.displacement.numpy()
        part.displacement = maps_of_none  # a slice would keep the whole
        parts.append(part)
        scratch.release()
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return Driving(**{**joined, "displacement": torch.from_numpy(maps)})


def displacement_bytes(frames: int, resolution: int) -> int:
    """What ``driving_on_disk`` needs for ``frames`` frames and front maps of ``resolution`` texels a side."""
    return frames * 3 * resolution**2 * 2


def survey(network: DualBranchNerf, driving: Driving, labels: np.ndarray, rows: np.ndarray) -> None:
    """Set what the head branch knows from label maps [N, S, S] of training rows: where head can be, and where the
    blended plane is needed (mouth and eyes)."""
    head = network.head
    side = head.occupancy.shape[-1]
    step = max(labels.shape[1] // GRID, 1)
    grid = labels.shape[1] // step
    pixels = pixel_centres(grid, network.config.image_size)
    occupancy = torch.zeros(side, side)
    fine = []
    for row in rows[:: max(1, len(rows) // SURVEYED)]:
        drive = driving.pick(torch.tensor([row]))
        origin, directions = network.head_rays(pixels[None], drive)
        maps = drive.displacement if head.use_deform else torch.zeros_like(drive.displacement)
        _, _, places = meet_surface(origin, directions, head.surface, maps, head.centre, head.extent)
        seen = torch.from_numpy(
            labels[row][step // 2 :: step, step // 2 :: step][:grid, :grid].reshape(-1).astype(np.int64)
        )
        places = places[0]
        inside = (places.abs() < 1).all(-1)
        covered = inside & torch.isin(seen, torch.tensor([*HEAD_LABELS, Label.NECK]))
        texels = ((places[covered] + 1) * side / 2).long().clamp(0, side - 1)
        occupancy[texels[:, 1], texels[:, 0]] = 1
        fine.append(places[inside & torch.isin(seen, torch.tensor(FINE))])
    if occupancy.any():
        grown = torch.nn.functional.max_pool2d(occupancy[None, None], GROWTH, stride=1, padding=GROWTH // 2)
        head.occupancy.copy_(grown)
    places = torch.cat(fine)
    if len(places) >= 8:
        low, high = torch.quantile(places, 0.01, dim=0), torch.quantile(places, 0.99, dim=0)
        head.window.copy_(torch.cat([(low + high) / 2, ((high - low) / 2 * 1.35).clamp(0.1, 1.0)]))


def cells_of(network: DualBranchNerf, driving: Driving, release: Callable[[], None] = lambda: None) -> np.ndarray:
    """bool [N, G, G]: ``head_cells`` of every frame.  release: is called now and then, as in ``patch_centres``."""
    parts = []
    for rows in torch.arange(len(driving)).split(16):
        parts.append(head_cells(network, driving.pick(rows)).numpy())
        if len(parts) % 16 == 0:
            release()
    return np.concatenate(parts)


def patch_centres(
    labels: np.ndarray, rows: Sequence[int] | np.ndarray, release: Callable[[], None] = lambda: None
) -> np.ndarray:
    """float32 [N, 5, 2]: mouth, left and right eye, middle of the face, chin-neck border (u, v) of the frames ``rows``.

    A region that a frame lacks is replaced by the middle of its head, or of the picture.  release: is called now and
    then, to let go of labels that have been read.
    """
    size = labels.shape[1]
    centres = np.full((len(labels), 5, 2), size / 2, np.float32)
    head_table = np.isin(np.arange(256), HEAD_LABELS)
    for done, row in enumerate(rows):
        if done % CHUNK == 0:
            release()
        frame = labels[row]
        head = np.argwhere(head_table[frame])
        if len(head) == 0:
            continue
        middle = head.mean(0)
        mouth, eyes, neck = (np.argwhere(np.isin(frame, wanted)) for wanted in ((5, 6), (7,), (2,)))
        left, right = eyes[eyes[:, 1] < middle[1]], eyes[eyes[:, 1] >= middle[1]]
        border = neck[neck[:, 0] < neck[:, 0].min() + 4] if len(neck) else neck
        regions = (mouth, left, right, head, border)
        centres[row] = [(r.mean(0) if len(r) else middle)[::-1] + 0.5 for r in regions]
    return centres
