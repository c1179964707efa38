"""Makes docs/pictures/sample_strip.jpg from the demo's videos:  python docs/pictures/make_strip.py [SUBJECT]

Top row: recorded.  Middle: rendered from the tracked motion.  Bottom: rendered from the sound alone.
The moments are spread over the end of the clip, which holds the part that nothing was trained on.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import read_frames

COLUMNS = 5


def main() -> None:
    folder = SubjectFolder.of(sys.argv[1] if len(sys.argv) > 1 else "sample")
    recorded = list(read_frames(folder.video))
    pairs = list(read_frames(folder.self_driven, "the evaluate stage"))
    spoken = list(read_frames(folder.render, "the evaluate stage"))
    size = recorded[0].shape[0]
    columns = []
    for back in np.linspace(len(pairs) - 1, 0, COLUMNS).astype(int):
        # All three videos end with the clip's last frame.
        rendered = pairs[-1 - back][:size, -size:]
        columns.append(np.concatenate([recorded[-1 - back], rendered, spoken[-1 - back][:size, -size:]]))
    strip = cv2.resize(np.concatenate(columns, axis=1), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    path = Path(__file__).with_name("sample_strip.jpg")
    cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(path)


if __name__ == "__main__":
    main()
