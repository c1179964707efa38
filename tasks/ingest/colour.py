"""What a decoded picture's colour tags mean, and the filters that follow them."""

import tempfile
from pathlib import Path
from typing import Any

from av.video.reformatter import ColorRange, Colorspace

from tasks.ingest.tone_mapping import cube

# Code points of ITU-T H.273, which the frames carry as numbers.
PQ, HLG, PRIMARIES_2020 = 16, 18, 9
MATRIX_2020 = (9, 10)


def transfer_of(frame: Any) -> str:
    """How the picture's light is coded: "pq" or "hlg" (HDR), "wide" (SDR with BT.2020 colours), else "sdr"."""
    if frame.color_trc == PQ:
        return "pq"
    if frame.color_trc == HLG:
        return "hlg"
    return "wide" if frame.color_primaries == PRIMARIES_2020 else "sdr"


def matrix_and_range(frame: Any) -> tuple[str, str]:
    """Names of the YUV matrix and of the range, for the scale filter; untagged pictures follow the usual convention."""
    space = frame.colorspace
    if space == Colorspace.ITU709:
        matrix = "bt709"
    elif space in MATRIX_2020:
        matrix = "bt2020"
    elif space in (Colorspace.ITU601, Colorspace.ITU624, Colorspace.SMPTE170M, Colorspace.FCC):
        matrix = "bt601"
    else:
        matrix = "bt709" if min(frame.width, frame.height) >= 720 else "bt601"
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return matrix, "full" if full else "limited"


def add_tone_mapping(graph: Any, transfer: str) -> list[Any]:
    """Filters from BT.2020 RGB of ``transfer`` to BT.709; none for "sdr"."""
    if transfer == "sdr":
        return []
    # lut3d takes a file only, and has read it when it is added.
    with tempfile.TemporaryDirectory(prefix="erlnet-colour-") as folder:
        table = Path(folder) / "table.cube"
        table.write_text(cube(transfer), encoding="ascii")
        return [
            graph.add("format", "pix_fmts=gbrp16le"),
            graph.add("lut3d", file=str(table), interp="tetrahedral"),
        ]
