"""Whose face it is: boxes linked over time to people, the main one chosen by time and size.  Pure functions.

There is no recognition here, only places: a face that moves on from where it was is the same person, and so is one that
appears alone while the first is gone (a jump cut, a turned head).  Two faces in one picture are two people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.errors import BadInput

Box = tuple[float, float, float, float]

REACH = 0.7  # face heights that a face may move from one look to the next, and still be the same
MEMORY = 5  # looks that a face may be missed in between
SIZES = 2.0  # greatest ratio of face heights at which places that are far apart in time are the same person's
TOGETHER = 0.1  # share of the looks in which two chains may overlap (a double detection) and still be one person
RIVAL = 0.6  # of the main person's weight: from here on the second is about as large and long


@dataclass(frozen=True)
class Person:
    """One person's boxes: look number -> (box, confidence).  weight: sum of the boxes' areas over the looks."""

    boxes: dict[int, tuple[Box, float]]

    @property
    def weight(self) -> float:
        return sum((box[3] - box[1]) ** 2 for box, _ in self.boxes.values())

    @property
    def height(self) -> float:
        """Median height of the face, in the boxes' unit."""
        return float(np.median([box[3] - box[1] for box, _ in self.boxes.values()]))


def people(looks: Sequence[Sequence[tuple[Box, float]]]) -> list[Person]:
    """The people seen in pictures that were looked at in order of time, the heaviest first.

    looks: per picture, (box, confidence) of every face found in it.
    """
    waiting = sorted((Person(dict(chain)) for chain in _chains(looks)), key=lambda one: -one.weight)
    found: list[Person] = []
    while waiting:
        person, apart = waiting[0], []
        for other in waiting[1:]:
            shared = len(person.boxes.keys() & other.boxes.keys())
            ratio = max(person.height, other.height) / min(person.height, other.height)
            if shared <= TOGETHER * len(other.boxes) and ratio <= SIZES:
                person = Person(other.boxes | person.boxes)
            else:
                apart.append(other)
        found.append(person)
        waiting = apart
    return sorted(found, key=lambda one: -one.weight)


def rival(found: Sequence[Person]) -> Person | None:
    """The second person, where that one is about as large and long in the picture as the first; else None."""
    return found[1] if len(found) > 1 and found[1].weight >= RIVAL * found[0].weight else None


def main_person(source: Path, found: Sequence[Person], looks: int) -> Person:
    """The main one of the people ``found`` in so many looks.  Raises BadInput for none, and for two equals."""
    if not found:
        raise BadInput(f"{source}: no face was found in {looks} pictures: one must be seen")
    second = rival(found)
    if second is not None:
        raise BadInput(
            f"{source}: two people are about equally large and long in the picture (faces {found[0].height:.0f} and "
            f"{second.height:.0f} px high, in {len(found[0].boxes)} and {len(second.boxes)} of {looks} pictures): crop "
            "the video to the one who speaks"
        )
    return found[0]


def _chains(looks: Sequence[Sequence[tuple[Box, float]]]) -> list[dict[int, tuple[Box, float]]]:
    """Faces of consecutive looks joined where they are near; the nearest pairs first."""
    chains: list[dict[int, tuple[Box, float]]] = []
    ends: list[tuple[int, Box]] = []  # of every chain: its last look and box
    for look, faces in enumerate(looks):
        pairs = sorted(
            (distance, chain, face)
            for chain, (last, box) in enumerate(ends)
            if look - last <= MEMORY
            for face, (other, _) in enumerate(faces)
            if (distance := _distance(box, other)) <= REACH
        )
        chained: set[int] = set()
        placed: set[int] = set()
        for _, chain, face in pairs:
            if chain not in chained and face not in placed:
                chained.add(chain)
                placed.add(face)
                chains[chain][look] = faces[face]
                ends[chain] = (look, faces[face][0])
        for face in range(len(faces)):
            if face not in placed:
                chains.append({look: faces[face]})
                ends.append((look, faces[face][0]))
    return chains


def _distance(one: Box, other: Box) -> float:
    """Distance of the centres plus difference of the heights, in mean face heights."""
    heights = one[3] - one[1], other[3] - other[1]
    unit = max(1e-9, sum(heights) / 2)
    centres = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (one, other)]
    apart = float(np.hypot(centres[0][0] - centres[1][0], centres[0][1] - centres[1][1]))
    return (apart + abs(heights[0] - heights[1])) / unit


def boxes_at(instants: np.ndarray, times: np.ndarray, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """The person's box and confidence at ``instants`` [N], seconds, from the looks at ``times`` [M].

    Between two looks with the face: in proportion; elsewhere the nearest look decides.  float64 [N, 4] and [N]; NaN
    and 0 where no face was seen.
    """
    values = np.full((len(times), 5), np.nan)
    for look, (box, confidence) in person.boxes.items():
        values[look] = (*box, confidence)
    after = np.clip(np.searchsorted(times, instants), 1, max(1, len(times) - 1))
    if len(times) == 1:
        chosen = np.repeat(values, len(instants), 0)
    else:
        before = after - 1
        share = np.clip((instants - times[before]) / (times[after] - times[before]), 0, 1)[:, None]
        chosen = values[before] * (1 - share) + values[after] * share
        nearest = np.where(share < 0.5, values[before], values[after])
        chosen = np.where(np.isfinite(chosen), chosen, nearest)
    return chosen[:, :4], np.nan_to_num(chosen[:, 4])


def scaled(box: Box, scale: float) -> Box:
    """The box in a picture that is ``scale`` times as large."""
    return box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale
