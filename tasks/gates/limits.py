"""Where the gates stand: the section ``gates`` of ``params.yaml``."""

from dataclasses import dataclass

from tasks.gates.verdict import Limits


@dataclass(frozen=True)
class GateLimits:
    """Limits of every gate; what the numbers mean stands in the gate's own function.

    duration: seconds.  frame_rate: frames a second.  face_size: pixels.  face_in_view, other_faces: percent of the
    pictures. cuts: number.  camera_motion: percent of the picture's long side.  head_turn: degrees.  blur: percent of
    the face's height.  exposure: percent of the face.  mouth_hidden: percent of the pictures.  mouth_closed,
    mouth_open: percent of the frames.  speech: seconds.  noise: dB of speech above noise.  lip_sync: percent of the
    stretches.  sound_offset: milliseconds.
    """

    duration: Limits
    frame_rate: Limits
    face_size: Limits
    face_in_view: Limits
    other_faces: Limits
    cuts: Limits
    camera_motion: Limits
    head_turn: Limits
    blur: Limits
    exposure: Limits
    mouth_hidden: Limits
    mouth_closed: Limits
    mouth_open: Limits
    speech: Limits
    noise: Limits
    lip_sync: Limits
    sound_offset: Limits
