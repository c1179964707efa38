"""An official FLAME file, if there is one, as the project's head model: bases cut, landmarks and regions added.

The files lie where ``erlnet doctor`` says.  Beside the model, ``landmark_embedding.npy`` (or the static and dynamic
files of 2019) and ``FLAME_masks.pkl`` are used where they are present, and done without where not: the mesh detector's
points are always found by showing it rendered heads, as for the open head.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.flame.contours import brow_band, face_vertices, lip_vertices
from models.flame.embedding import embed_irises, embed_mesh
from models.flame.head import JOINTS, FlameHead
from models.flame.landmarks import LandmarkEmbedding
from models.flame.regions import NECK_SHARE, derived_regions, flame_regions
from models.flame.shading import face_colours
from models.flame.views import random_views
from models.landmarks.face_mesh import MESH_POINTS, FaceMesh
from models.landmarks.ibug68 import MESH_TO_IBUG68
from models.landmarks.parts import LIP_POINTS, OVAL_POINTS
from tasks.artifacts.flame_files import OfficialModel, SurfacePoints, read_landmarks, read_masks, read_model
from tasks.artifacts.layout import AssetFolder
from tasks.errors import BadInput, StageFailed

JAW = JOINTS.index("jaw")
OPENING = 0.015
"""Distance in metres by which an expression parts the lips of a head without a jaw joint, for the detector to see."""


@dataclass(frozen=True)
class Official:
    """file: below data/assets.  locked_jaw: expressions open the mouth, the jaw joint is not to be turned."""

    name: str
    file: str
    locked_jaw: bool = False


MODELS = {
    "flame2019": Official("FLAME 2019", "licensed/flame2019/generic_model.pkl"),
    "flame2020": Official("FLAME 2020", "licensed/flame2020/generic_model.pkl"),
    "flame2023": Official("FLAME 2023", "licensed/flame2023.pkl"),
    "flame2023-no-jaw": Official("FLAME 2023 without jaw", "licensed/flame2023_no_jaw.pkl", locked_jaw=True),
    "flame2023-open": Official("FLAME 2023 Open", "licensed/flame2023_Open.pkl"),
}
"""By name in the manifest and in params.yaml."""
LANDMARKS = "licensed/landmark_embedding.npy"
STATIC, DYNAMIC = "licensed/flame_static_embedding.pkl", "licensed/flame_dynamic_embedding.npy"
MASKS = "licensed/FLAME_masks.pkl"


def build(
    model: str, assets: AssetFolder, shapes: int, expressions: int, views: int
) -> tuple[FlameHead, dict[str, Any]]:
    """The head (float64) of the official file ``model`` (a key of MODELS) and the facts to store with it.

    shapes, expressions: how many of the identity's and the expression's components are kept.  views: rendered heads
    that the mesh detector is shown.

    Raises MissingInput (no model file), BadInput (a file that is not what was published) or StageFailed (the
    detector did not find the rendered face).
    """
    official = MODELS[model]
    path = assets.root / official.file
    arrays = shortened(read_model(path), path, shapes, expressions)
    if official.locked_jaw:
        arrays = with_locked_jaw(arrays)
    points, points_file = _ibug68(assets, len(arrays.faces))
    masks_path = assets.root / MASKS
    masks = read_masks(masks_path, len(arrays.template)) if masks_path.exists() else None
    head, errors = _annotate(arrays, path, points, masks, masks_path, views, official.locked_jaw)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    info = {
        "name": official.name,
        "file": {"name": path.name, "sha256": digest},
        "licence": "see https://flame.is.tue.mpg.de; this file holds the model and must not be passed on",
        "components": {"identity": shapes, "expression": expressions},
        "embedding_error_mm": errors,
        "ibug68": points_file or "picked from the mesh embedding",
        "regions": MASKS.split("/")[-1] if masks is not None else "derived from landmarks and skinning weights",
        "pose_correctives": "FLAME's" + (", jaw locked" if official.locked_jaw else ""),
    }
    return head, info


def shortened(arrays: OfficialModel, path: Path, shapes: int, expressions: int) -> OfficialModel:
    """``arrays`` with the first components only.  Raises BadInput where there are not so many."""
    for what, wanted, basis in (
        ("shapes", shapes, arrays.shape_basis),
        ("expressions", expressions, arrays.expression_basis),
    ):
        if not 1 <= wanted <= len(basis):
            raise BadInput(f"params.yaml: head.{what} is {wanted}, {path} has {len(basis)}: choose 1 to {len(basis)}")
    return replace(
        arrays, shape_basis=arrays.shape_basis[:shapes], expression_basis=arrays.expression_basis[:expressions]
    )


def with_locked_jaw(arrays: OfficialModel) -> OfficialModel:
    """The same head with its jaw joint held: its skin goes with the joint above it, and nothing is corrected."""
    weights, correctives = arrays.skinning_weights.copy(), arrays.pose_basis.copy()
    weights[:, 1] += weights[:, JAW]
    weights[:, JAW] = 0.0
    correctives[9 * (JAW - 1) : 9 * JAW] = 0.0
    return replace(arrays, skinning_weights=weights, pose_basis=correctives)


def flame_head(
    arrays: OfficialModel,
    regions: dict[str, np.ndarray] | None = None,
    embeddings: dict[str, LandmarkEmbedding] | None = None,
) -> FlameHead:
    """FlameHead (float64) of official arrays.  Expression coefficients are standard normal: their range is endless."""
    count = len(arrays.expression_basis)
    return FlameHead(
        template=torch.from_numpy(arrays.template),
        shape_basis=torch.from_numpy(arrays.shape_basis),
        expression_basis=torch.from_numpy(arrays.expression_basis),
        pose_basis=torch.from_numpy(arrays.pose_basis),
        joint_regressor=torch.from_numpy(arrays.joint_regressor),
        skinning_weights=torch.from_numpy(arrays.skinning_weights),
        faces=torch.from_numpy(arrays.faces),
        expression_names=[f"expression{i:03d}" for i in range(count)],
        expression_range=torch.tensor([[-torch.inf, torch.inf]] * count, dtype=torch.float64),
        regions={name: torch.from_numpy(index) for name, index in (regions or {}).items()},
        embeddings=embeddings or {},
    )


def _ibug68(assets: AssetFolder, triangles: int) -> tuple[SurfacePoints | None, str]:
    """The official 68 points and the file they are from; none where no such file is here."""
    whole, static, dynamic = (assets.root / name for name in (LANDMARKS, STATIC, DYNAMIC))
    if whole.exists():
        source, points = whole, read_landmarks(whole).ibug68()
    elif static.exists():
        source, points = static, read_landmarks(static, dynamic if dynamic.exists() else None).ibug68()
    else:
        return None, ""
    if points is not None and int(points.faces.max()) >= triangles:
        raise BadInput(f"{source} points outside the {triangles} triangles of the model: take the file of this model")
    return points, source.name if points is not None else ""


def _annotate(
    arrays: OfficialModel,
    path: Path,
    official: SurfacePoints | None,
    masks: dict[str, np.ndarray] | None,
    masks_path: Path,
    views: int,
    locked_jaw: bool,
) -> tuple[FlameHead, dict[str, float]]:
    """The finished head, and the mesh embedding's error in mm (median, p95)."""
    bare = flame_head(arrays)
    template, faces, weights = arrays.template, arrays.faces, arrays.skinning_weights
    eye_joints = arrays.joint_regressor[3:] @ template
    eyeballs = [weights[:, joint] > 0.5 for joint in (3, 4)]
    if not all(ball.any() for ball in eyeballs):
        raise BadInput(f"{path} is not a FLAME model: an eye joint carries no vertex; replace it by the published file")
    eyes = eyeballs[0] | eyeballs[1]
    regions: dict[str, np.ndarray] | None = None
    if masks is not None:
        try:
            regions = flame_regions(masks, weights)
        except KeyError as error:
            raise BadInput(f"{masks_path} has no mask {error}: replace it by the published file") from None
    ibug: np.ndarray | None = None
    if official is not None:
        ibug = (official.weights[..., None] * template[faces[official.faces]]).sum(1)
    opening = _opening(arrays, official, path) if locked_jaw else None

    painted = False
    while True:
        shown = regions or {"eyes": np.flatnonzero(eyes)}
        if regions is None and ibug is not None:
            shown = shown | {"lips": np.flatnonzero(lip_vertices(template, ibug) & ~eyes)}
        brows = brow_band(template, ibug) if ibug is not None else None
        colours = face_colours(template, shown, eye_joints, brows)
        hidden = eyes | (weights[:, 0] > NECK_SHARE)
        for name in ("ears", "neck"):
            hidden[shown.get(name, np.zeros(0, np.int64))] = True
        skin = ~hidden[faces].any(1)
        try:
            with FaceMesh(static=True) as detector:
                mesh = embed_mesh(
                    random_views(bare, colours, views, opening=opening),
                    detector, template, faces, skin, LIP_POINTS, MESH_POINTS,
                )  # fmt: skip
        except ValueError as error:
            raise StageFailed(f"{path.name} was read, but no landmarks could be put on it: {error}") from None
        points = mesh.points(bare.template, bare.faces).numpy()
        if painted or ibug is not None:
            break
        # The detector has seen neither lips nor brows: show it the head again with both painted where it put them.
        ibug, painted = points[MESH_TO_IBUG68], True
    if regions is None:
        lips, face = lip_vertices(template, points[MESH_TO_IBUG68]), face_vertices(template, faces, points[OVAL_POINTS])
        regions = derived_regions(eyes, face, lips, weights)
    irises = embed_irises(template, faces, eyeballs, eye_joints)
    joined = LandmarkEmbedding(
        torch.cat([mesh.faces, irises.faces]),
        torch.cat([mesh.weights, irises.weights]),
        torch.cat([mesh.uncertainty, irises.uncertainty]),
    )
    if official is not None:
        sparse = LandmarkEmbedding(
            torch.from_numpy(official.faces),
            torch.from_numpy(official.weights),
            torch.zeros(len(official.faces), dtype=torch.float64),
        )
    else:
        sparse = joined.subset(torch.from_numpy(MESH_TO_IBUG68))
    spread = 1e3 * mesh.uncertainty.numpy()
    errors = {"median": round(float(np.median(spread)), 2), "p95": round(float(np.percentile(spread, 95)), 2)}
    return flame_head(arrays, regions, {"mesh": joined, "ibug68": sparse}), errors


def _opening(arrays: OfficialModel, official: SurfacePoints | None, path: Path) -> np.ndarray:
    """The least expression [E] that parts the inner lips' middles by OPENING."""
    if official is None:
        raise BadInput(
            f"{path.name} has no jaw to open, so the lips must be known: put landmark_embedding.npy, from the same "
            f"download page, at {path.parent / 'landmark_embedding.npy'}"
        )
    corners, weights = arrays.faces[official.faces[[62, 66]]], official.weights[[62, 66]]
    height = (arrays.expression_basis[:, corners, 1] * weights).sum(-1)
    gap = height[:, 0] - height[:, 1]
    return gap * OPENING / np.square(gap).sum()
