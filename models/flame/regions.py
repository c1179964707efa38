"""Regions of a head as vertex index sets: lips, eyes, face, neck, scalp, and the finer ones they come from."""

from collections.abc import Mapping

import numpy as np

REGIONS = ("lips", "eyes", "face", "neck", "scalp")
"""What every head model has; the open head adds lids, ears and mouth (its inside)."""


def build_regions(masks: Mapping[str, np.ndarray], eyeballs: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Vertex indices by region from the package's painted masks (bool [V]: face, lips, inside-mouth, eyelids, ears).

    eyeballs bool [V]; weights [V, 5] skinning weights.  ``face`` is the skin in front of the ears with lips and lids;
    ``neck`` what the root joint carries or shares, ``scalp`` the rest of the skin.  The five main regions are
    disjoint except that face holds lips.
    """
    mouth = masks["inside-mouth"] & ~masks["lips"]
    face = (masks["face"] | masks["lips"] | masks["eyelids"]) & ~eyeballs & ~mouth
    neck = (weights[:, 0] > 0.05) & ~face & ~mouth & ~eyeballs
    ears = masks["ears"] & ~face & ~neck
    scalp = ~(face | neck | ears | mouth | eyeballs)
    named = {
        "lips": masks["lips"],
        "eyes": eyeballs,
        "face": face,
        "neck": neck,
        "scalp": scalp,
        "lids": masks["eyelids"],
        "ears": ears,
        "mouth": mouth,
    }
    return {name: np.flatnonzero(mask) for name, mask in named.items()}


NECK_SHARE = 0.05
"""Share of the root joint from which a vertex that nothing else names belongs to the neck."""


def flame_regions(masks: Mapping[str, np.ndarray], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Vertex indices by region from FLAME's published masks (vertex indices by name).

    weights [V, 5] skinning weights.  Face, neck, ears, eyes and scalp are disjoint and cover the head (the published
    masks overlap and leave gaps): face wins, then neck, then ears; what no mask names goes to the neck or the
    scalp by its skinning.  Raises KeyError where a mask is missing.
    """

    def named(*names: str) -> np.ndarray:
        mask = np.zeros(len(weights), bool)
        for name in names:
            mask[masks[name]] = True
        return mask

    eyes = named("left_eyeball", "right_eyeball")
    return _partition(
        eyes, named("face", "lips") & ~eyes, named("lips") & ~eyes, named("neck", "boundary"),
        named("left_ear", "right_ear"), named("scalp"), weights,
    )  # fmt: skip


def derived_regions(eyes: np.ndarray, face: np.ndarray, lips: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Vertex indices by region where there are no masks: from eyeballs, face and lips (bool [V]), the rest by
    skinning weights [V, 5]; no ears."""
    none = np.zeros(len(eyes), bool)
    return _partition(eyes, (face | lips) & ~eyes, lips & ~eyes, none, none, none, weights)


def _partition(
    eyes: np.ndarray,
    face: np.ndarray,
    lips: np.ndarray,
    neck: np.ndarray,
    ears: np.ndarray,
    scalp: np.ndarray,
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    neck = neck & ~face & ~eyes
    ears = ears & ~face & ~neck & ~eyes
    scalp = scalp & ~(face | neck | ears | eyes)
    left = ~(face | neck | ears | eyes | scalp)
    neck |= left & (weights[:, 0] > NECK_SHARE)
    scalp |= left & ~neck
    named = {"lips": lips, "eyes": eyes, "face": face, "neck": neck, "scalp": scalp, "ears": ears}
    return {name: np.flatnonzero(mask) for name, mask in named.items() if name in REGIONS or mask.any()}
