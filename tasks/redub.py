"""Re-dubbing: the subject's own video with another text in its mouth.

Head pose, torso, gaze, lids and brows are those of the recording; the lower face is what the ADF speaks
(models/flame/lower_face.py).  The picture is rendered anew, all of it.  The result lasts as long as the new sound:
where that is shorter, the video ends with it; where it is longer, the recording's motion runs back and forth, which
nowhere jumps.  It needs the recording's track and torso, which an exported avatar does not hold.
"""

from dataclasses import replace

import numpy as np
import torch

from models.flame.head import FlameHead
from models.flame.lower_face import replace_lower_face
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.torso import read_torso
from tasks.avatar import Avatar
from tasks.errors import BadInput, DamagedArtifact
from tasks.performance import Performance
from tasks.portrait import held_rows

KEPT = ("global_rotation", "neck_rotation", "eyes_rotation", "translation")


def redubbed(avatar: Avatar, spoken: Performance) -> Performance:
    """The recording of ``avatar``'s subject with the mouth of ``spoken``.

    Raises BadInput for an avatar in a file; MissingInput or DamagedArtifact where the recording's track is not usable.
    """
    folder = SubjectFolder.of(avatar.record.id)
    if avatar.exported:
        raise BadInput("--redub needs the track of the recording, which an avatar file does not hold: use --subject")
    track, torso = read_flame(folder.flame), read_torso(folder.torso)
    if len(torso) != len(track):
        raise DamagedArtifact(folder.torso, f"{len(torso)} frames, {len(track)} were tracked")
    rows = back_and_forth(len(track), len(spoken.motion))
    motion = with_mouth(read_head(avatar.head), track, held_rows(track.usable)[rows], spoken.motion)
    more = {
        **spoken.more,
        "redubbed": {"recording_frames": len(track), "runs": "back and forth" if len(rows) > len(track) else "once"},
    }
    return replace(spoken, motion=motion, torso=torso.motion[rows], more=more)


def back_and_forth(frames: int, wanted: int) -> np.ndarray:
    """Rows int64 [wanted]: 0 to ``frames`` - 1, back to 0, and so on; neighbours differ by at most one."""
    if frames == 1:
        return np.zeros(wanted, np.int64)
    period = 2 * frames - 2
    place = np.arange(wanted) % period
    return np.minimum(place, period - place)


def with_mouth(head: FlameHead, track: FlameSequence, rows: np.ndarray, spoken: FlameSequence) -> FlameSequence:
    """``spoken`` with everything but the lower face taken from ``rows`` of ``track``, one a row of ``spoken``."""
    upper, lower = (torch.tensor(values, dtype=torch.float32) for values in (track.expression[rows], spoken.expression))
    kept = {name: getattr(track, name)[rows].astype(np.float32) for name in KEPT}
    parts = {**track.parts, **spoken.parts, "head motion and upper face": "the subject's own recording"}
    for sampled in ("blinks", "gaze"):
        parts.pop(sampled, None)
    return replace(spoken, expression=replace_lower_face(head, upper, lower).numpy(), parts=parts, **kept)
