"""``lpips_alexnet.ckpt``: the published LPIPS v0.1 weights, in the form their package ships (a pickle of arrays)."""

from pathlib import Path

from models.metrics.lpips import Lpips
from tasks.artifacts.safe_pickle import read_pickle
from tasks.errors import BadInput

MADE_BY = "'erlnet assets fetch lpips'"


def read_lpips(path: Path) -> Lpips:
    """The frozen network.  Raises MissingInput, or BadInput (one line) for anything but the published layout."""
    arrays = read_pickle(path, MADE_BY)
    try:
        return Lpips.from_arrays(arrays)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{path} is not the LPIPS AlexNet checkpoint ({reason}); {MADE_BY} gets it") from None
