"""``79999_iter.pth``: the published face parsing weights, a state dictionary of models/parsing/bisenet.py."""

from pathlib import Path

from models.parsing.bisenet import BiSeNet
from tasks.artifacts.published_weights import load_chosen

SOURCE = "https://github.com/zllrunning/face-parsing.PyTorch"


def read_bisenet(path: Path) -> BiSeNet:
    """The network in evaluation mode.  Nothing that the file names is run.

    Raises BadInput, one line, where there is no file (it was asked for by name) or where it is not that checkpoint.
    """
    return load_chosen(Path(path), BiSeNet(), "parse.source", "bisenet", "composed", SOURCE)
