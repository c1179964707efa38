"""``syncnet_v2.model``: the published SyncNet weights, a state dictionary of models/metrics/syncnet.py."""

from pathlib import Path

from models.metrics.syncnet import SyncNet
from tasks.artifacts.published_weights import load_published
from tasks.errors import BadInput

_OTHERWISE = "or set evaluate.lip_sync: none in params.yaml"


def read_syncnet(path: Path) -> SyncNet:
    """The network in evaluation mode.  Nothing that the file names is run.

    Raises BadInput, one line, where there is no file (it was asked for by name) or where it is not that checkpoint.
    """
    if not Path(path).exists():
        raise BadInput(
            f"{path} is missing, and evaluate.lip_sync is syncnet: get syncnet_v2.model from "
            f"https://www.robots.ox.ac.uk/~vgg/software/lipsync/ and put it there, {_OTHERWISE}"
        )
    return load_published(Path(path), SyncNet(), f"replace it by the published syncnet_v2.model, {_OTHERWISE}")
