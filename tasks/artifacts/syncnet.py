"""``syncnet_v2.model``: the published SyncNet weights, a state dictionary of models/metrics/syncnet.py."""

from pathlib import Path

from models.metrics.syncnet import SyncNet
from tasks.artifacts.published_weights import load_chosen

SOURCE = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/"


def read_syncnet(path: Path) -> SyncNet:
    """The network in evaluation mode.  Nothing that the file names is run.

    Raises BadInput, one line, where there is no file (it was asked for by name) or where it is not that checkpoint.
    """
    return load_chosen(Path(path), SyncNet(), "evaluate.lip_sync", "syncnet", "none", SOURCE)
