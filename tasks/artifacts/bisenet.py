"""``79999_iter.pth``: the published face parsing weights, a state dictionary of models/parsing/bisenet.py."""

from pathlib import Path

from models.parsing.bisenet import BiSeNet
from tasks.artifacts.published_weights import load_published
from tasks.errors import BadInput

_OTHERWISE = "or set parse.source: composed in params.yaml"


def read_bisenet(path: Path) -> BiSeNet:
    """The network in evaluation mode.  Nothing that the file names is run.

    Raises BadInput, one line, where there is no file (it was asked for by name) or where it is not that checkpoint.
    """
    if not Path(path).exists():
        raise BadInput(
            f"{path} is missing, and parse.source is bisenet: go to https://github.com/zllrunning/face-parsing.PyTorch "
            f"for 79999_iter.pth and put it there, {_OTHERWISE}"
        )
    return load_published(Path(path), BiSeNet(), f"replace it by the published 79999_iter.pth, {_OTHERWISE}")
