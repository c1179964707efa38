import numpy as np
import pytest

from models.landmarks.face_mesh import FaceMesh
from models.landmarks.ibug68 import MESH_TO_IBUG68, ibug68


def test_no_face_is_none_and_bad_pictures_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with FaceMesh() as mesh:
        assert mesh(np.full((96, 96, 3), 127, np.uint8)) is None
        with pytest.raises(ValueError, match="uint8"):
            mesh(np.zeros((96, 96, 3), np.float32))
        assert "mediapipe" in mesh.name
    assert "W0000" not in capfd.readouterr().err


def test_ibug68_picks_distinct_points_in_the_right_order() -> None:
    assert len(set(MESH_TO_IBUG68.tolist())) == 68
    assert MESH_TO_IBUG68.max() < 468
    mesh = np.arange(478.0)[None, :, None]
    picked = ibug68(mesh)[0, :, 0]
    # Corners of the mouth and eyes, tip of the nose, chin: the numbers every user of the mesh knows.
    assert picked[[48, 54, 36, 45, 30, 8]].tolist() == [61, 291, 33, 263, 4, 152]
