"""Where ``track.initial: deca`` lets the fit begin: DECA's encoder shown every face, read as FLAME parameters."""

from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from models.deca.crop import DecaCrop, crop_of_landmarks
from models.deca.encoder import DecaCode, DecaEncoder, split
from models.deca.start import deca_start
from models.flame.head import FlameHead
from models.flame.initial_pose import InitialGuess
from models.landmarks.layouts import to_ibug68
from tasks.artifacts.deca import read_deca
from tasks.artifacts.landmarks import LandmarkTrack
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.video import read_frames
from tasks.errors import BadInput

BATCH = 8
OWN_MODEL = "FLAME 2020"
"""The head model whose identity and expression components DECA was trained to tell."""


def open_deca(assets: AssetFolder, head_info: dict[str, Any]) -> DecaEncoder:
    """DECA's encoder, if there is one and the head model is FLAME.  Raises BadInput, one line."""
    if "stands_in_for" in head_info:
        raise BadInput(
            f"params.yaml: track.initial is deca, but the head model is the {head_info['name']}, to which DECA's FLAME "
            "coefficients mean nothing: set head.model to a FLAME file ('erlnet doctor' lists them), or track.initial: "
            "landmarks"
        )
    if not assets.deca.is_file():
        raise BadInput(
            f"params.yaml: track.initial is deca, but {assets.deca} is missing: register at https://deca.is.tue.mpg.de "
            "and put deca_model.tar there, or set track.initial: landmarks"
        )
    return read_deca(assets.deca)


def guess(
    folder: SubjectFolder, landmarks: LandmarkTrack, head: FlameHead, info: dict[str, Any], encoder: DecaEncoder
) -> tuple[InitialGuess, str]:
    """DECA's guess for every frame that has landmarks, and what the artifact says of it.

    info: facts of the head model (tasks.artifacts.head.head_info).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = encoder.to(device)
    found = landmarks.found
    points = to_ibug68(landmarks.points)[..., :2]
    crops: list[DecaCrop] = []
    waiting: list[np.ndarray] = []
    codes: list[torch.Tensor] = []

    def encode() -> None:
        with torch.inference_mode():
            codes.append(encoder(torch.from_numpy(np.stack(waiting)).to(device)).cpu())
        waiting.clear()

    bar = tqdm(read_frames(folder.video), "DECA", len(landmarks), unit="frame", mininterval=1.0)
    for row, picture in enumerate(bar):
        if found[row]:
            crops.append(crop_of_landmarks(points[row]))
            waiting.append(crops[-1].cut(picture))
        if len(waiting) == BATCH:
            encode()
    if waiting:
        encode()
    code: DecaCode = split(torch.cat(codes).clone())
    own = info["name"] == OWN_MODEL
    rows = torch.from_numpy(np.flatnonzero(found))
    start = deca_start(head, code, crops, rows, len(landmarks), landmarks.image_size, own)
    used = "pose, jaw, identity, expression" if own else f"pose and jaw only: its components are {OWN_MODEL}'s"
    return start, f"DECA ({used})"
