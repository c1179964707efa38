"""Makes docs/pictures/visemes.jpg, every viseme's target on the open head:  python docs/pictures/make_visemes.py"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from make_head import Painter, sheet

from models.visemes.branch import expression_branch
from models.visemes.phones import VISEME_OF
from models.visemes.shapes import CHANNELS, SHAPES, to_actions
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder

LOWER_FACE = (900.0, 0.045)  # focal length in pixels of a tile, height of the head in metres


def visemes(painter: Painter) -> Iterator[np.ndarray]:
    for name, shape in SHAPES.items():
        phones = [phone.lower() for phone, viseme in VISEME_OF.items() if viseme == name]
        curves = np.array([[getattr(shape, channel) for channel in CHANNELS]])
        branch = expression_branch(painter.head, to_actions(curves)).double()
        values = painter.neutral()
        values["expression"], values["jaw_rotation"] = branch[:, :-9], branch[:, -9:-6]
        yield painter.tile(" ".join(phones), values)


def main() -> None:
    head = read_head(AssetFolder.default().open_head)
    path = Path(__file__).with_name("visemes.jpg")
    picture = cv2.cvtColor(sheet(list(visemes(Painter(head, LOWER_FACE, 0.0)))), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 78])
    print(path, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
