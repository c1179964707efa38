"""Regions of the open head as vertex index sets: lips, eyes, face, neck, scalp, and the finer ones they come from."""

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
