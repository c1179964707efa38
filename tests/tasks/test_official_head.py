"""An official FLAME file on the whole road: read, landmarks put on it, written, tracked.

The real files cannot be here.  These have their layout; their geometry is the open head's, its named expressions turned
into principal components.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_subject import hide, make_subject, render
from made_checkout import assets_with
from official_flame import Layout, python2_pickle, write_landmarks, write_model

from models.deca.crop import crop_of_landmarks
from models.deca.encoder import INPUT_SIZE, OUTPUT_SIZE, SPLIT, DecaEncoder, split
from models.deca.start import deca_start
from models.flame.camera import project
from models.flame.embedding import View
from models.flame.head import FlameHead
from models.flame.landmark_fit import FramePrior
from models.flame.landmark_model import LandmarkModel
from models.flame.tracker import TrackerSettings, face_width, smoothness, track_landmarks
from models.landmarks.layouts import to_ibug68
from tasks import head as head_task
from tasks import official_head, track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.head import head_identity, head_info, read_head, write_head
from tasks.artifacts.landmarks import read_landmarks
from tasks.artifacts.layout import AssetFolder
from tasks.errors import BadInput, MissingInput, StageFailed
from tasks.track import head_part

sys.path.append(str(Path(__file__).resolve().parents[1] / "models" / "flame"))
from animated_head import FOCAL, SIZE, animate, observe, rotation_errors

VIEWS = 24
COMPONENTS = 42
DECA_POSE = (0.1, 0.2, 0.05, 0.12, 0.01, 0.0)
DECA_CAMERA = (7.5, 0.004, 0.012)


@dataclass(frozen=True)
class Made:
    """components [42, A]: what the named actions' coefficients are multiplied by to become the components'."""

    assets: AssetFolder
    layout: Layout
    components: np.ndarray


@pytest.fixture(scope="module")
def open_head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path).double()


@pytest.fixture(scope="module")
def made(open_head: FlameHead, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An assets folder with a FLAME 2020 file, masks and a landmark embedding."""
    count = len(open_head.template)
    actions = open_head.expression_basis.numpy().reshape(open_head.expression_size, -1)
    left, sizes, right = np.linalg.svd(0.3 * actions, full_matrices=False)  # actions lie about 0.3 from rest
    directions = np.zeros((count, 3, 400))
    directions[:, :, :100] = open_head.shape_basis.numpy().transpose(1, 2, 0)
    directions[:, :, 300 : 300 + COMPONENTS] = (sizes[:, None] * right).reshape(-1, count, 3).transpose(1, 2, 0)
    layout = Layout(
        v_template=open_head.template.numpy(),
        shapedirs=directions,
        posedirs=open_head.pose_basis.numpy().transpose(1, 2, 0),
        J_regressor=open_head.joint_regressor.numpy(),
        weights=open_head.skinning_weights.numpy(),
        f=open_head.faces.numpy(),
    )
    folder = AssetFolder(tmp_path_factory.mktemp("assets"))
    write_model(folder.root / "licensed/flame2020/generic_model.pkl", layout)
    regions = {name: index.numpy() for name, index in open_head.regions.items()}
    weights = layout.weights
    masks = {name: regions[name] for name in ("face", "lips", "neck", "scalp")} | {
        "left_eyeball": np.flatnonzero(weights[:, 3] > 0.5), "right_eyeball": np.flatnonzero(weights[:, 4] > 0.5),
        "left_ear": regions["ears"][::2], "right_ear": regions["ears"][1::2], "boundary": regions["neck"][:9],
    }  # fmt: skip
    (folder.root / "licensed/FLAME_masks.pkl").write_bytes(python2_pickle(masks))
    ibug = open_head.embeddings["ibug68"]
    full = ibug.faces.numpy(), ibug.weights.numpy()
    static = full[0][17:], full[1][17:]
    dynamic = np.tile(full[0][:17], (79, 1)), np.tile(full[1][:17], (79, 1, 1))
    write_landmarks(folder.root / "licensed/landmark_embedding.npy", static, dynamic, full)
    return Made(folder, layout, left.T / 0.3)


@pytest.fixture(scope="module")
def converted(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    head, info = official_head.build("flame2020", made.assets, 100, 50, VIEWS)
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    write_head(path, head, info)
    return path


def distances(head: FlameHead, other: FlameHead) -> torch.Tensor:
    """Between the two heads' mesh landmarks, metres [478]."""
    points = [h.embeddings["mesh"].points(h.template.double(), h.faces) for h in (head, other)]
    return (points[0] - points[1]).norm(dim=-1)


def test_the_head_file_holds_the_official_model(made: Made, converted: Path, open_head: FlameHead) -> None:
    head = read_head(converted)
    assert (head.shape_size, head.expression_size) == (100, 50)
    np.testing.assert_array_equal(head.template.numpy(), made.layout.v_template.astype(np.float32))
    assert torch.isinf(head.expression_range).all()
    for name in ("lips", "eyes", "neck", "scalp"):
        assert set(head.regions[name].tolist()) >= set(open_head.regions[name].tolist())
    torch.testing.assert_close(head.embeddings["ibug68"].faces, open_head.embeddings["ibug68"].faces)
    assert distances(head, open_head)[:468].median() < 3e-3
    assert head_identity(converted)["name"] == "FLAME 2020"
    info = head_info(converted)
    assert info["ibug68"] == "landmark_embedding.npy"
    assert info["regions"] == "FLAME_masks.pkl"
    assert len(info["file"]["sha256"]) == 64
    assert head_part(info) == "FLAME 2020", "nothing stands in"


def test_the_head_agrees_with_the_official_formula(made: Made, converted: Path) -> None:
    head = read_head(converted)
    rng = np.random.default_rng(0)
    values = {
        "shape": np.pad(rng.normal(size=100), (0, 200)), "expression": np.pad(rng.normal(size=COMPONENTS), (0, 58)),
        "rotations": 0.2 * rng.normal(size=(5, 3)), "translation": np.array([0.0, 0.0, -0.7]),
    }  # fmt: skip
    row = {name: torch.from_numpy(value).float()[None] for name, value in values.items()}
    turns = row["rotations"][0]
    found = head(
        row["shape"][:, :100], row["expression"][:, :50], turns[:1], turns[1:2], turns[2:3],
        turns[3:].reshape(1, 6), row["translation"],
    )  # fmt: skip
    np.testing.assert_allclose(found[0].numpy(), made.layout.posed(values), atol=1e-6)


def test_it_is_tracked(made: Made, converted: Path, open_head: FlameHead) -> None:
    """Truth is animated in named actions on the open head; its surface in components is fitted to the landmarks."""
    head = read_head(converted).double()
    torch.set_num_threads(1)
    shape, x = animate(open_head, 60)
    named = x[:, 15:].numpy()
    components = torch.from_numpy(np.pad(named @ made.components.T, ((0, 0), (0, 50 - COMPONENTS))))
    y = torch.cat([x[:, :15], components], 1)
    mesh = observe(head, shape, y, noise=0.3)
    # The components' surface is the named actions'.
    with_names = LandmarkModel.of(open_head, head.embeddings["mesh"]).personal(shape).project(x, FOCAL, SIZE)
    assert np.abs(mesh[..., :2] - with_names.numpy()).max() < 3.0
    track = track_landmarks(head, mesh, 1.2 * FOCAL, SIZE, TrackerSettings(identity_frames=16, workers=1))
    assert track.seen.all()
    assert np.isfinite(track.parameters).all()
    assert np.median(rotation_errors(track.parameters[:, :3], y[:, :3].numpy())) < 1.5
    assert np.corrcoef(track.parameters[:, 6], y[:, 6])[0, 1] > 0.95
    error = np.linalg.norm(track.points - mesh[..., :2], axis=-1)
    assert np.median(error) < 0.01 * face_width(mesh)
    assert np.abs(track.parameters[:, 15:]).max() < 6, "components stay within what a face does"


def test_unbounded_coefficients_have_a_gaussian_prior_and_no_wall(converted: Path) -> None:
    head = read_head(converted)
    prior = FramePrior.of(head.expression_range, torch.float64)
    torch.testing.assert_close(prior.precision[15:], torch.ones(50, dtype=torch.float64))
    x = torch.zeros(1, 65, dtype=torch.float64)
    x[0, 15:] = 7.0
    cost, gradient, _ = prior.terms(x)
    assert float(cost) == pytest.approx(50 * 49)
    torch.testing.assert_close(gradient[0, 15:], torch.full((50,), 7.0, dtype=torch.float64))
    assert torch.isfinite(smoothness(head, 1.0).first[15:]).all()


def test_without_masks_and_embedding_both_are_derived(made: Made, open_head: FlameHead, tmp_path: Path) -> None:
    assets = AssetFolder(tmp_path)
    write_model(tmp_path / "licensed/flame2023.pkl", made.layout)
    head, info = official_head.build("flame2023", assets, 100, 50, VIEWS)
    assert info["ibug68"] == "picked from the mesh embedding"
    assert info["regions"].startswith("derived")
    assert distances(head, open_head)[:468].median() < 4e-3
    for name, least in (("lips", 0.6), ("face", 0.75), ("eyes", 1.0)):
        found, true = (set(h.regions[name].tolist()) for h in (head, open_head))
        assert len(found & true) / len(found | true) >= least, name
    regions = [set(head.regions[name].tolist()) for name in ("eyes", "face", "neck", "scalp")]
    assert sum(map(len, regions)) == len(set().union(*regions)) == len(head.template)


def test_a_head_without_jaw_opens_its_mouth_by_expression(
    made: Made, open_head: FlameHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    views = official_head.random_views

    def watched(*arguments: Any, **options: Any) -> Iterator[View]:
        for view in views(*arguments, **options):
            shown.append(view)
            yield view

    monkeypatch.setattr(official_head, "random_views", watched)
    assets = AssetFolder(tmp_path)
    write_model(tmp_path / "licensed/flame2023_no_jaw.pkl", made.layout)
    with pytest.raises(BadInput, match=r"put landmark_embedding\.npy"):
        official_head.build("flame2023-no-jaw", assets, 100, 50, VIEWS)
    shutil.copy(made.assets.root / "licensed/landmark_embedding.npy", tmp_path / "licensed")
    head, info = official_head.build("flame2023-no-jaw", assets, 100, 50, VIEWS)
    assert (head.skinning_weights[:, 2] == 0).all()
    assert info["pose_correctives"] == "FLAME's, jaw locked"
    assert distances(head, open_head)[:468].median() < 4e-3
    inner = head.embeddings["ibug68"].subset(torch.tensor([62, 66]))
    points = np.stack([inner.points(torch.from_numpy(view.vertices), head.faces).numpy() for view in shown])
    gaps = np.linalg.norm(points[:, 0] - points[:, 1], axis=1)
    widened = np.median(gaps[1::2]) - np.median(gaps[::2])
    assert widened == pytest.approx(official_head.OPENING, rel=0.3)


def test_what_cannot_be_converted_gets_one_line(made: Made, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"flame2019.generic_model\.pkl is missing.*registration"):
        official_head.build("flame2019", made.assets, 100, 50, VIEWS)
    with pytest.raises(BadInput, match=r"head\.shapes is 301"):
        official_head.build("flame2020", made.assets, 301, 50, VIEWS)
    assets = AssetFolder(tmp_path)
    write_model(tmp_path / "licensed/flame2023.pkl", made.layout)
    wide = np.full((1, 3), 1 / 3)
    faces = np.full(68, len(made.layout.f))
    weights = np.repeat(wide, 68, 0)
    write_landmarks(
        tmp_path / "licensed/landmark_embedding.npy", (faces[:51], weights[:51]),
        (np.tile(faces[:17], (79, 1)), np.tile(weights[:17], (79, 1, 1))), (faces, weights),
    )  # fmt: skip
    with pytest.raises(BadInput, match="points outside the"):
        official_head.build("flame2023", assets, 100, 50, VIEWS)
    (tmp_path / "licensed/landmark_embedding.npy").unlink()
    (tmp_path / "licensed/FLAME_masks.pkl").write_bytes(python2_pickle({"face": np.arange(9)}))
    with pytest.raises(BadInput, match="no mask"):
        official_head.build("flame2023", assets, 100, 50, VIEWS)
    (tmp_path / "licensed/FLAME_masks.pkl").unlink()
    faceless = made.layout.v_template * np.array([1.0, 1.0, 0.0])
    write_model(tmp_path / "licensed/flame2023.pkl", made.layout, v_template=faceless)
    with pytest.raises(StageFailed, match="no landmarks could be put on it"):
        official_head.build("flame2023", assets, 100, 50, 4)


@pytest.fixture(scope="module")
def deca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the published layout with a known answer, whatever the picture."""
    torch.manual_seed(0)
    state = DecaEncoder().state_dict()
    state["layers.2.weight"].zero_()
    state["layers.2.bias"].zero_()
    answer = dict(zip(SPLIT, state["layers.2.bias"].split(list(SPLIT.values())), strict=True))
    answer["shape"][:3] = torch.tensor([0.5, -0.4, 0.3])
    answer["expression"][:2] = torch.tensor([0.4, -0.3])
    answer["pose"].copy_(torch.tensor(DECA_POSE))
    answer["camera"].copy_(torch.tensor(DECA_CAMERA))
    path = tmp_path_factory.mktemp("deca") / "deca_model.tar"
    torch.save({"E_flame": state, "E_detail": {}, "D_detail": {}}, path)
    return path


def test_deca_begins_the_fit(converted: Path, deca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = assets_with(tmp_path / "checkout", converted)
    assets.deca.parent.mkdir()
    assets.deca.symlink_to(deca_file)
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path / "checkout"))
    head = read_head(converted)
    values = {"global_rotation": np.tile([0.05, 0.15, 0.0], (8, 1)), "jaw_rotation": np.zeros((8, 3))}
    pictures = render(head, values)
    folder = make_subject(tmp_path, hide(pictures, [3]))

    # Not one step of the fit: what DECA says comes back.
    sequence = track.run(folder, track.TrackParams(initial="deca", iterations=0, worst_error=10.0))
    np.testing.assert_array_equal(np.flatnonzero(~sequence.tracked), [3])
    for name, columns in (("global_rotation", slice(0, 3)), ("jaw_rotation", slice(3, 6))):
        np.testing.assert_allclose(getattr(sequence, name), np.tile(DECA_POSE[columns], (8, 1)), atol=1e-6)
    np.testing.assert_allclose(sequence.expression[:, :3], np.tile([0.4, -0.3, 0.0], (8, 1)), atol=1e-6)
    assert sequence.parts["initialisation"] == "DECA (pose, jaw, identity, expression)"
    # Its camera, worked out as DECA's own code does, puts the head where ours does.
    landmarks = read_landmarks(folder.landmarks)
    row = {name: torch.from_numpy(getattr(sequence, name)[:1]) for name in (
        "expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation"
    )}  # fmt: skip
    posed = head(torch.from_numpy(sequence.shape)[None], translation=torch.zeros(1, 3), **row)
    points = head.embeddings["ibug68"].points(posed, head.faces)
    scale, x, y = DECA_CAMERA
    inside = torch.stack([scale * (points[0, :, 0] + x), -scale * (points[0, :, 1] + y)], 1)  # -1..1 over the crop
    crop = crop_of_landmarks(to_ibug68(landmarks.points)[0, :, :2])
    expected = np.array([crop.left, crop.top]) + crop.step * (inside.numpy() + 1) * INPUT_SIZE / 2
    found = project(points + torch.from_numpy(sequence.translation[:1])[:, None], sequence.focal, 256)[0].numpy()
    assert np.abs(np.median(found - expected, 0)).max() < 1.0
    assert np.median(np.linalg.norm(found - expected, axis=1)) < 4.0, "what is left is perspective"

    # With the fit, the head is where it is, whatever DECA said.
    sequence = track.run(folder, track.TrackParams(initial="deca"))
    turned = rotation_errors(sequence.global_rotation, values["global_rotation"])
    assert np.median(turned) < 3.0
    assert read_flame(folder.flame).parts["initialisation"].startswith("DECA (pose, jaw, identity")
    plain = track.run(folder, track.TrackParams())
    assert plain.parts["initialisation"].startswith("without DECA")


def test_deca_is_refused_where_it_means_nothing(
    converted: Path, open_head_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = [np.full((256, 256, 3), 90, np.uint8)] * 2
    for name, path, reason in (
        ("open", open_head_path, r"head model is the open head, to which DECA's FLAME coefficients mean nothing"),
        ("flame", converted, r"licensed.deca_model\.tar is missing: register at https://deca\.is\.tue\.mpg\.de"),
    ):
        assets_with(tmp_path / name / "checkout", path)
        monkeypatch.setenv("ERLNET_ROOT", str(tmp_path / name / "checkout"))
        folder = make_subject(tmp_path / name, grey)
        with pytest.raises(BadInput, match=reason) as caught:
            track.run(folder, track.TrackParams(initial="deca"))
        assert "\n" not in str(caught.value)
        assert not folder.landmarks.exists()


def test_another_flame_takes_only_pose_and_camera_from_deca(converted: Path) -> None:
    """FLAME 2023's components are not those that DECA was trained with."""
    head = read_head(converted)
    code = split(torch.full((2, OUTPUT_SIZE), 0.1))
    crops = [crop_of_landmarks(np.array([[40.0, 60.0], [140.0, 180.0]]))] * 2
    rows = torch.tensor([0, 2])
    own, other = (deca_start(head, code, crops, rows, 3, 256.0, own) for own in (True, False))
    assert (own.shape[:100] - 0.1).abs().max() < 1e-6
    assert (other.shape == 0).all()
    first, second = own.parameters(700.0), other.parameters(700.0)
    assert torch.isnan(first[1]).all()
    torch.testing.assert_close(first[rows][:, :3], second[rows][:, :3])
    assert (first[rows][:, 15:] - 0.1).abs().max() < 1e-6
    assert (second[rows][:, 15:] == 0).all()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    out = str(tmp_path / "head.safetensors")

    def ends(params: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "params.yaml").write_text(params + "profiles: {}\n")
        return head_task.main(["--out", out, *arguments]), capsys.readouterr().err

    assert ends("head: {model: smpl}\n")[0] == 2
    status, text = ends("head: {model: flame2020}\n")
    assert status == 1
    assert "flame2020/generic_model.pkl is missing" in text
    assert ends("head: {modell: open}\n")[0] == 2
    assert "flame2023_Open.pkl is missing" in ends("head: {model: open}\n", "--model", "flame2023-open")[1]
    assert not Path(out).exists()
