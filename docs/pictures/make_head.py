"""Makes docs/pictures/head_identity.jpg and head_expressions.jpg:  python docs/pictures/make_head.py

Identity: the first components of the open head at -2 and +2 standard deviations.  Expressions: every named one at the
end of its range, and what FLAME's joints do in place of further actions.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from models.flame.head import FlameHead
from models.flame.shading import Light, brow_weights, face_colours, shade
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder

TILE, DISTANCE = 200, 0.60
WHOLE_HEAD, FACE = (420.0, -0.01), (560.0, 0.005)  # focal length in pixels of a tile, height of the head in metres
COMPONENTS = 8
COLUMNS = 8
BACKGROUND = (236, 238, 240)
BROW_ACTIONS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
JAW_OPEN = 0.25  # radians
JOINTS = {  # name -> argument of FlameHead, column, radians
    "jaw joint": (("jaw_rotation", 0, JAW_OPEN),),
    "eyes: left": (("eyes_rotation", 1, 0.4), ("eyes_rotation", 4, 0.4)),
    "eyes: right": (("eyes_rotation", 1, -0.4), ("eyes_rotation", 4, -0.4)),
    "eyes: up": (("eyes_rotation", 0, -0.3), ("eyes_rotation", 3, -0.3)),
    "eyes: down": (("eyes_rotation", 0, 0.3), ("eyes_rotation", 3, 0.3)),
}


class Painter:
    """Draws one head, coloured by region, as tiles with a caption.  view: WHOLE_HEAD or FACE; yaw in radians."""

    def __init__(self, head: FlameHead, view: tuple[float, float], yaw: float) -> None:
        self.head = head.double()
        self.focal, self.height = view
        self.yaw = yaw
        template, basis = self.head.template.numpy(), self.head.expression_basis.numpy()
        moved = sum(np.linalg.norm(basis[head.expression_names.index(name)], axis=1) for name in BROW_ACTIONS)
        regions = {name: index.numpy() for name, index in head.regions.items()}
        joints = self.head.joints(self.head.template[None])[0, 3:].numpy()
        self.colours = face_colours(template, regions, joints, brow_weights(template, np.asarray(moved)))

    def neutral(self) -> dict[str, torch.Tensor]:
        """Arguments of FlameHead."""
        sizes = {"shape": self.head.shape_size, "expression": self.head.expression_size, "eyes_rotation": 6}
        names = ("shape", "expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation")
        values = {name: torch.zeros(1, sizes.get(name, 3), dtype=torch.float64) for name in names}
        values["global_rotation"][0, 1] = self.yaw
        return values | {"translation": torch.tensor([[0.0, self.height, -DISTANCE]], dtype=torch.float64)}

    def tile(self, caption: str, values: dict[str, torch.Tensor]) -> np.ndarray:
        """uint8 RGB [TILE + 16, TILE, 3]."""
        with torch.no_grad():
            vertices = self.head(**values)[0].numpy()
        light = Light((-0.45, 0.35, 0.8), 0.3)
        large, _ = shade(vertices, self.head.faces.numpy(), self.colours, 3 * self.focal, 3 * TILE, light, BACKGROUND)
        tile = cv2.resize(large, (TILE, TILE), interpolation=cv2.INTER_AREA)
        tile = cv2.copyMakeBorder(tile, 0, 16, 0, 0, cv2.BORDER_CONSTANT, value=BACKGROUND)
        width = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0]
        where = ((TILE - width) // 2, TILE + 10)
        return cv2.putText(tile, caption, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)


def identities(painter: Painter) -> Iterator[np.ndarray]:
    for sigma in (-2.0, 2.0):
        for component in range(COMPONENTS):
            values = painter.neutral()
            values["shape"][0, component] = sigma
            yield painter.tile(f"component {component + 1}: {sigma:+.0f}", values)


def expressions(painter: Painter) -> Iterator[np.ndarray]:
    yield painter.tile("neutral", painter.neutral())
    for index, name in enumerate(painter.head.expression_names):
        values = painter.neutral()
        values["expression"][0, index] = painter.head.expression_range[index, 1]
        if name == "mouthClose":  # shuts the lips of an open jaw
            values["jaw_rotation"][0, 0] = JAW_OPEN
            name = "mouthClose, jaw open"
        yield painter.tile(name, values)
    for name, turns in JOINTS.items():
        values = painter.neutral()
        for argument, column, angle in turns:
            values[argument][0, column] = angle
        yield painter.tile(name, values)


def sheet(tiles: list[np.ndarray]) -> np.ndarray:
    tiles = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows)


def main() -> None:
    head = read_head(AssetFolder.default().open_head)
    sheets = {
        "head_identity": identities(Painter(head, WHOLE_HEAD, 0.45)),
        "head_expressions": expressions(Painter(head, FACE, 0.15)),
    }
    for name, tiles in sheets.items():
        path = Path(__file__).with_name(f"{name}.jpg")
        picture = cv2.cvtColor(sheet(list(tiles)), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 78])
        print(path, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
