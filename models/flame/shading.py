"""Plain shaded pictures of a head: enough of a face for a landmark detector, an overlay or a page of a document."""

from dataclasses import dataclass

import numpy as np

from models.flame.raster import Raster, rasterise, vertex_normals

SKIN = (215, 175, 150)
LIPS = (180, 85, 85)
MOUTH = (60, 20, 20)
EYE = (235, 235, 235)
IRIS = (60, 45, 30)
PUPIL = (10, 10, 10)
LID = (185, 130, 110)
BROW = (70, 50, 40)
HAIR = (60, 45, 35)
IRIS_RADIUS = 5.9e-3
"""Half the human cornea's visible diameter (11.7 mm), which varies little between people."""


@dataclass(frozen=True)
class Light:
    """direction: towards the light in the camera frame; ambient: share of light from everywhere, 0..1."""

    direction: tuple[float, float, float] = (0.3, 0.4, 0.85)
    ambient: float = 0.25


def shade(
    vertices: np.ndarray,
    faces: np.ndarray,
    colours: np.ndarray,
    focal: float,
    size: int,
    light: Light | None = None,
    background: tuple[int, int, int] = (90, 100, 110),
) -> tuple[np.ndarray, Raster]:
    """Lambert-shaded picture uint8 RGB [size, size, 3] of camera-frame vertices with RGB colours [V, 3] (0..255)."""
    light = light or Light()
    raster = rasterise(vertices, faces, focal, size)
    normals = raster.interpolate(vertex_normals(vertices, faces), faces)
    direction = np.asarray(light.direction) / np.linalg.norm(light.direction)
    brightness = light.ambient + (1 - light.ambient) * (normals @ direction).clip(0, 1)
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = background
    mask = raster.covered
    picture[mask] = (raster.interpolate(colours, faces) * brightness[..., None])[mask]
    return picture.clip(0, 255).astype(np.uint8), raster


def face_colours(
    template: np.ndarray,
    regions: dict[str, np.ndarray],
    eye_joints: np.ndarray,
    brows: np.ndarray | None = None,
    skin: tuple[int, int, int] = SKIN,
    hair: tuple[int, int, int] = HAIR,
) -> np.ndarray:
    """RGB colours float32 [V, 3] by region: skin, hair, lips, mouth, lids, eyes with iris and pupil, brows.

    template [V, 3]; regions: vertex indices by name; eye_joints [2, 3]; brows: weight [V] in 0..1.
    """
    colours = np.empty((len(template), 3), np.float32)
    colours[:] = skin
    for name, colour in (("scalp", hair), ("lids", LID), ("lips", LIPS), ("mouth", MOUTH), ("eyes", EYE)):
        if name in regions:
            colours[regions[name]] = colour
    if brows is not None:
        colours += brows[:, None] * (np.asarray(BROW) - colours)
    eyes = regions["eyes"]
    for joint in eye_joints:
        offset = template[eyes] - joint
        distance = np.linalg.norm(offset[:, :2], axis=1)
        front = offset[:, 2] > 0
        colours[eyes[front & (distance < IRIS_RADIUS * 1.1)]] = IRIS
        colours[eyes[front & (distance < IRIS_RADIUS * 0.45)]] = PUPIL
    return colours


def brow_weights(template: np.ndarray, motion: np.ndarray, thickness: float = 3e-3) -> np.ndarray:
    """Weight [V] in 0..1 of a painted brow: a band round the line along which the brow actions move skin most.

    motion [V]: displacement length of the brow actions together; thickness: standard deviation of the band, metres.
    """
    weights = np.zeros(len(template))
    moved = np.flatnonzero(motion > 0.2 * motion.max())
    for i in moved:
        x, y, _ = template[i]
        column = moved[np.abs(np.abs(template[moved, 0]) - abs(x)) < 6e-3]
        crest = np.average(template[column, 1], weights=motion[column] ** 3)
        # From a thumb's breadth beside the middle to the temple.
        along = np.clip((abs(x) - 0.010) / 0.004, 0, 1) * np.clip((0.056 - abs(x)) / 0.006, 0, 1)
        weights[i] = along * np.exp(-((y - crest) ** 2) / (2 * thickness**2))
    return weights
