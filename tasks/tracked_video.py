"""A video that is no subject's, cropped and tracked on the spot: a style to imitate, or a performance to repeat."""

import tempfile
from pathlib import Path

from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput
from tasks.params import load_params


def track_video(path: Path, profile: str, head: Path) -> FlameSequence:
    """Parameters of the head model in ``head`` for the main person of ``path``; crop and track as in ``profile``.

    Raises BadInput, naming ``path``, where it cannot be used or no face is tracked in it.
    """
    with tempfile.TemporaryDirectory(prefix="erlnet-tracked-") as place:
        folder = SubjectFolder(Path(place) / "video")
        folder.root.mkdir()
        folder.source.symlink_to(path.resolve())
        try:
            crop_and_track(folder, profile, head)
        except BadInput as error:
            raise BadInput(str(error).replace(str(folder.source), str(path))) from None
        sequence = read_flame(folder.flame)
    if not sequence.usable.any():
        raise BadInput(f"{path}: no face could be tracked in this video: give one in which the face is seen")
    return sequence


def crop_and_track(folder: SubjectFolder, profile: str, head: Path) -> None:
    """source.video -> flame.parquet in a scratch ``folder``."""
    # Imported here: only this way in needs the detectors.
    from tasks import crop, track

    crop.run(folder, load_params(crop.CropParams, profile, "crop"))
    track.run(folder, load_params(track.TrackParams, profile, "track"), head)
