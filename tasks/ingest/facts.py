"""What a source video is by its headers and first picture, and what is done to it because of that."""

from dataclasses import dataclass

_DYNAMIC = {
    "pq": "HDR (PQ) tone-mapped to SDR by BT.2446 method A",
    "hlg": "HDR (HLG) tone-mapped to SDR by BT.2446 method A",
    "wide": "BT.2020 colours brought to BT.709",
}


@dataclass(frozen=True)
class StreamFacts:
    """What the headers and the first frame say.

    width, height: pixels of the upright picture with square pixels.  fps: average rate.  duration: seconds, by
    the header (0: it does not say).  rotation: degrees the coded picture must be turned clockwise.
    sample_aspect: width of a coded pixel over its height.  transfer: "sdr", "pq", "hlg", or "wide" (SDR with BT.2020
    colours).  bits: of a colour sample.  audio_track: which of the ``audio_streams`` sound tracks is used, from 1.
    Sound fields are None where there is no sound.
    """

    container: str
    video_codec: str
    width: int
    height: int
    fps: float
    duration: float
    rotation: int
    sample_aspect: float
    video_start: float
    pixel_format: str
    bits: int
    transfer: str
    interlaced: bool
    audio_codec: str | None
    audio_rate: int | None
    audio_channels: int | None
    audio_streams: int
    audio_track: int | None
    audio_language: str | None


def treatments(facts: StreamFacts) -> list[str]:
    """What the crop changes beyond cutting and scaling, in words for logs and reports; often empty."""
    said = []
    if facts.transfer in _DYNAMIC:
        said.append(_DYNAMIC[facts.transfer])
    if facts.interlaced:
        said.append("interlaced, made progressive by bwdif")
    if facts.rotation:
        said.append(f"turned {facts.rotation}° clockwise, as the file says")
    if abs(facts.sample_aspect - 1) > 1e-3:
        said.append(f"pixels {facts.sample_aspect:.3g} times as wide as high made square")
    if facts.audio_streams > 1:
        language = f", {facts.audio_language}" if facts.audio_language else ""
        said.append(
            f"sound of track {facts.audio_track} of {facts.audio_streams} (FFmpeg's choice: the default one{language})"
        )
    if (facts.audio_channels or 0) > 1:
        said.append(f"{facts.audio_channels} sound channels mixed to one")
    return said
