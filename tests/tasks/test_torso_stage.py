"""The torso stage on a drawn clip whose torso sways by known amounts."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.nerf.torso.motion import moved
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import Label, write_masks
from tasks.artifacts.torso import read_torso
from tasks.artifacts.video import VideoWriter
from tasks.errors import DamagedArtifact
from tasks.torso import METHOD, TorsoParams, run, view

SIZE, FRAMES = 192, 44
QUICK = TorsoParams(template_frames=16)


def shifts() -> np.ndarray:
    """[FRAMES, 2] pixels."""
    t = np.arange(FRAMES) / 25
    return np.stack([6 * np.sin(5 * t), 3 * np.cos(3 * t)], 1)


def draw(folder: SubjectFolder, frames: int = FRAMES, labels: int = FRAMES) -> None:
    rng = np.random.default_rng(0)
    cloth = cv2.GaussianBlur(rng.integers(0, 255, (SIZE, SIZE, 3), np.uint8), (0, 0), 4)
    cloth = np.clip((cloth.astype(float) - 127) * 5 + 127, 0, 255).astype(np.uint8)
    shape = np.zeros((SIZE, SIZE), np.uint8)
    shape[100:175, 45:150] = 1
    folder.root.mkdir(parents=True, exist_ok=True)
    masks = []
    with VideoWriter(folder.video, crf=4) as video:
        for x, y in shifts()[:frames]:
            matrix = np.float32([[1, 0, x], [0, 1, y]])
            mask = cv2.warpAffine(shape, matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST)
            picture = np.where(mask[..., None] > 0, cv2.warpAffine(cloth, matrix, (SIZE, SIZE)), 70)
            video.write(picture.astype(np.uint8))
            masks.append(mask * int(Label.TORSO))
    write_masks(folder.masks, (masks + masks)[:labels], {})


def test_a_swaying_torso_is_followed_into_the_held_out_part(tmp_path: Path):
    folder = SubjectFolder.of("sways", tmp_path)
    draw(folder)
    run(folder, QUICK)
    track = read_torso(folder.torso)
    assert track.found.all()
    assert track.method == METHOD
    middle = torch.tensor([[[0.0, 0.4]]]).expand(FRAMES, 1, 2)
    found = moved(torch.tensor(track.motion)[..., :3], middle)[:, 0].numpy() * SIZE / 2
    off = np.linalg.norm((found - found[0]) - (shifts() - shifts()[0]), axis=1)
    assert off.max() < 0.6
    first = folder.torso.read_bytes()
    run(folder, QUICK)
    assert folder.torso.read_bytes() == first


def test_the_rim_is_of_the_person_never_of_the_backdrop():
    labels = np.zeros((256, 256), np.uint8)
    labels[150:, 60:196] = Label.TORSO
    labels[100:150, 100:156] = Label.NECK
    _, torso, near = view(np.full((256, 256, 3), 90, np.uint8), labels)
    assert torso.sum() == pytest.approx(106 * 136)
    rim = near - torso
    assert rim[:146].sum() == 0  # further up than 4 pixels
    assert rim[146:150, 100:156].min() == 1
    assert rim[:, :96].sum() == rim[:, 160:].sum() == 0


@pytest.mark.parametrize(("frames", "labels", "said"), [(40, 44, "40 frames"), (44, 40, "more than the 40")])
def test_a_video_and_masks_of_different_lengths_are_refused(tmp_path: Path, frames: int, labels: int, said: str):
    folder = SubjectFolder.of("short", tmp_path)
    draw(folder, frames, labels)
    with pytest.raises(DamagedArtifact, match=said):
        run(folder, TorsoParams(template_frames=2))
    assert not folder.torso.exists()
