"""Whose face the gates judge: the person whom the crop stage takes (tasks/ingest/main_face.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.ingest.main_face import Box, Person, people, rival

LARGE = 0.4  # of the main person's median height: faces from that size on count as another person


@dataclass(frozen=True)
class Look:
    """One picture in which faces were looked for.

    time: seconds on the file's clock.  faces: box in pixels of the upright source and confidence of every face found.
    """

    time: float
    faces: list[tuple[Box, float]]


@dataclass(frozen=True)
class Faces:
    """Heights in source pixels of the faces in one picture: the main person's (None: not seen), and of others that
    count."""

    main: float | None
    others: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cast:
    """Who was seen in ``looks``, in order of time.  main: None where no face was.  equals: the crop would refuse the
    clip, because a second person is about as large and as long in it."""

    looks: list[Look]
    main: Person | None
    equals: bool

    @classmethod
    def of(cls, looks: Sequence[Look]) -> "Cast":
        ordered = sorted(looks, key=lambda look: look.time)
        found = people([look.faces for look in ordered])
        return cls(ordered, found[0] if found else None, rival(found) is not None)

    @property
    def boxes(self) -> np.ndarray:
        """float64 [N, 4]: the main person's boxes."""
        boxes = [] if self.main is None else [box for box, _ in self.main.boxes.values()]
        return np.array(boxes, np.float64).reshape(-1, 4)

    def agrees(self, earlier: "Cast") -> bool:
        """Whether the main person is the one whom ``earlier``, which knew some of these looks only, took for it."""
        if self.main is None or earlier.main is None:
            return self.main is earlier.main
        mine = {self.looks[k].time: box for k, (box, _) in self.main.boxes.items()}
        theirs = {earlier.looks[k].time: box for k, (box, _) in earlier.main.boxes.items()}
        return sum(mine.get(time) == box for time, box in theirs.items()) >= len(theirs) / 2

    def faces(self) -> list[Faces]:
        """The heights of the faces in every look."""
        if self.main is None:
            return [Faces(None) for _ in self.looks]
        least, result = LARGE * self.main.height, []
        for k, look in enumerate(self.looks):
            own = self.main.boxes[k][0] if k in self.main.boxes else None
            others = [_height(box) for box, _ in look.faces if box != own]
            large = tuple(sorted((height for height in others if height >= least), reverse=True))
            result.append(Faces(None if own is None else _height(own), large))
        return result


def _height(box: Box) -> float:
    return float(box[3] - box[1])
