"""``deca_model.tar``: DECA's published checkpoint, of which the coarse encoder is used (key ``E_flame``)."""

from pathlib import Path

from models.deca.encoder import DecaEncoder
from tasks.artifacts.published_weights import load_published
from tasks.errors import MissingInput

KEY = "E_flame"
MADE_BY = "nobody here: register at https://deca.is.tue.mpg.de and download deca_model.tar"


def read_deca(path: Path) -> DecaEncoder:
    """The encoder in evaluation mode.  Nothing that the file names is run.

    Raises MissingInput where there is no file and BadInput, one line, where it is not that checkpoint.
    """
    if not Path(path).exists():
        raise MissingInput(Path(path), MADE_BY)
    return load_published(Path(path), DecaEncoder(), "replace it by the published deca_model.tar", KEY)
