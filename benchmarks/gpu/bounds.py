"""The fewest bytes and operations of each part of a picture or a training step: every input read once, every output
written once, float32; what lies between two kernels of one part is not counted.  The time of a part cannot be less than
its bytes over the device's rate of copying, nor than its operations over its rate of arithmetic."""

from dataclasses import dataclass

from models.nerf.network import NerfConfig
from models.nerf.static_branch import OFFSETS

WORD = 4  # bytes of a float32
BLENDED, SIDE = 8, 72  # channels and texels of a side of the expression's plane (head_branch.py)
MAP = 4  # channels of the front map: height and displacement
SHADE = 64  # width of the colour network


@dataclass(frozen=True)
class Work:
    """bytes moved and floating-point operations done, at the least."""

    bytes: float
    operations: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.bytes + other.bytes, self.operations + other.operations)

    def milliseconds(self, copied: float, computed: float) -> float:
        """The floor of a device that copies ``copied`` bytes and computes ``computed`` operations a second."""
        return 1e3 * max(self.bytes / copied, self.operations / computed)


def picture(
    config: NerfConfig, frames: int, head_rays: int, other_rays: int, hidden_bytes: int = WORD
) -> dict[str, Work]:
    """Parts of rendering ``frames`` frames with so many rays each, head_rays of them through the head's shell.

    hidden_bytes: of a hidden feature, 2 in mixed precision.
    """
    rays, others = frames * head_rays, frames * other_rays
    samples, every = rays * config.samples, rays + others
    depths, width = len(OFFSETS), config.hidden
    resolution = config.head_resolution
    head_texels = 16 * resolution**2 + 2 * 8 * resolution * (resolution // 2) + frames * BLENDED * SIDE**2
    static_texels = 16 * config.static_resolution**2 + 3 * config.image_size**2
    features = 16 + 8 + 8 + BLENDED
    map_texels = frames * MAP * config.map_resolution**2
    hidden = samples * width + every * depths * width
    return {
        # A direction in; depth, displacement and place out.
        "sampling": Work(WORD * (map_texels + rays * (3 + 6)), rays * 4 * (MAP * 10 + 30)),
        # Four places and a fade in, features out; for the static branch and the plate a place in, features out.
        "lookup": Work(
            WORD * (head_texels + samples * (4 * 2 + 1 + features) + static_texels + every * (2 + 16 + 2 + 3)),
            samples * features * 8 + every * 19 * 8,
        ),
        # Features in, hidden out; hidden in, density out; a fused feature in, a colour out.
        "perceptrons": Work(
            WORD * (samples * (features + 1) + every * (16 + depths + width + 1 + 3)) + 2 * hidden_bytes * hidden,
            2 * (samples * (features + 1) * width + every * (16 * width * depths + width * depths))
            + 2 * every * ((width + 1) * SHADE + SHADE * SHADE + SHADE * 3),
        ),
        "compositing": Work(
            WORD * (2 * (samples + every * depths) + every * (width + 2)) + hidden_bytes * hidden,
            2 * hidden + samples * 3 * depths,
        ),
    }


def backward(parts: dict[str, Work], config: NerfConfig, frames: int) -> dict[str, Work]:
    """What the way back adds: every input read again, its gradient written, the output's gradient read; a plane's
    gradient is cleared, too.  Sampling has none."""
    texels = 16 * config.head_resolution**2 + 8 * config.head_resolution**2 + frames * BLENDED * SIDE**2
    texels += 16 * config.static_resolution**2 + 3 * config.image_size**2
    return {
        name: Work(2 * part.bytes + (WORD * texels if name == "lookup" else 0), 2 * part.operations)
        for name, part in parts.items()
        if name != "sampling"
    }


def whole_picture(config: NerfConfig) -> Work:
    """A picture in one kernel: planes and maps read once, colours and opacity written, the same operations as in
    parts where half of the rays meet the head."""
    rays = config.image_size**2
    parts = picture(config, 1, rays // 2, rays - rays // 2)
    texels = 16 * config.head_resolution**2 + 8 * config.head_resolution**2 + BLENDED * SIDE**2
    texels += 16 * config.static_resolution**2 + 3 * config.image_size**2 + MAP * config.map_resolution**2
    return Work(WORD * (texels + 4 * rays), sum(part.operations for part in parts.values()))


def optimiser(parameters: int) -> Work:
    """Adam: parameter, gradient and two moments read, parameter and moments written."""
    return Work(7 * WORD * parameters, 12 * parameters)
