"""The landmark detector that ``track.landmarks`` names, with its files read."""

from pathlib import Path
from typing import Literal

from models.landmarks.detector import LandmarkDetector
from models.landmarks.dlib68 import Dlib68
from models.landmarks.face_mesh import FaceMesh
from models.landmarks.fan68 import Fan68
from tasks.artifacts.dlib_files import read_predictor
from tasks.artifacts.fan import WHERE, read_fan
from tasks.artifacts.layout import AssetFolder
from tasks.assets import read_manifest
from tasks.errors import BadInput

Source = Literal["mesh", "dlib68", "fan68"]


def open_source(source: Source, assets: AssetFolder) -> LandmarkDetector:
    """The detector, to be used as a context manager.

    Raises BadInput, one line that says where to get the file and where to put it, or that the file is a wrong one.
    """
    if source == "mesh":
        return FaceMesh()
    if source == "dlib68":
        _require(source, assets.dlib68, "'erlnet assets fetch dlib68' gets it")
        return Dlib68(read_predictor(assets.dlib68, read_manifest(assets).fetched["dlib68"].sha256))
    _require(source, assets.fan68, f"download {WHERE} and put it there")
    return Fan68(read_fan(assets.fan68))


def _require(source: str, path: Path, remedy: str) -> None:
    if not path.is_file():
        raise BadInput(f"params.yaml: track.landmarks is {source}, but {path} is missing: {remedy}, or use mesh")
