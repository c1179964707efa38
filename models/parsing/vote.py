"""Temporal vote: labels are decided on scores averaged over neighbouring frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")
WEIGHTS = (1.0, 2.0, 3.0, 2.0, 1.0)  # frame t-2 .. t+2


def vote(
    frames: Iterable[tuple[T, np.ndarray | None, np.ndarray]], weights: tuple[float, ...] = WEIGHTS
) -> Iterator[tuple[T, np.ndarray | None, np.ndarray]]:
    """Yield (item, voted scores, voted matte) for every (item, scores [H, W, K] or None, matte [H, W]), in order.

    The window is cut at the ends and skips frames without scores; a frame without scores gets None.  Holds
    len(weights) frames.
    """
    radius = len(weights) // 2
    window: deque[tuple[T, np.ndarray | None, np.ndarray]] = deque(maxlen=len(weights))
    source = iter(frames)
    behind = 0  # frames of the window before the one to yield next
    ended = False
    for _ in range(radius + 1):
        item = next(source, None)
        if item is None:
            ended = True
            break
        window.append(item)
    while behind < len(window):
        yield _average(window, behind, weights, radius)
        following = None if ended else next(source, None)
        if following is None:
            ended = True
            behind += 1
        else:
            full = len(window) == window.maxlen
            window.append(following)
            behind = behind if full else behind + 1


def _average(
    window: "deque[tuple[T, np.ndarray | None, np.ndarray]]", centre: int, weights: tuple[float, ...], radius: int
) -> tuple[T, np.ndarray | None, np.ndarray]:
    item, own, _ = window[centre]
    total: np.ndarray | None = None
    matte = np.zeros_like(window[centre][2])
    share = matte_share = 0.0
    for offset in range(-radius, radius + 1):
        place = centre + offset
        if not 0 <= place < len(window):
            continue
        weight = weights[offset + radius]
        _, scores, neighbour = window[place]
        matte += weight * neighbour
        matte_share += weight
        if own is not None and scores is not None:
            total = weight * scores if total is None else total + weight * scores
            share += weight
    return item, None if total is None else total / share, matte / matte_share
