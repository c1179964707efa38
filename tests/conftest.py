"""Fixtures that several test folders share: the assets folder, real clips by name, small synthetic media."""

import os
import signal
from pathlib import Path

import pytest

from tasks.artifacts.layout import AssetFolder

# A shell that starts the tests in the background has SIGINT ignored, which children inherit; the tests of Ctrl-C mean a
# terminal's.
signal.signal(signal.SIGINT, signal.default_int_handler)

CLIPS = Path(os.environ.get("ERLNET_CLIPS", Path(__file__).resolve().parents[2] / "shared" / "videos"))


@pytest.fixture(scope="session")
def assets() -> AssetFolder:
    """``data/assets`` with everything that is fetched or built, made where it is missing (minutes the first time)."""
    folder = AssetFolder.default()
    _fetch(folder, "moonshine", "lpips", "sample", "speech-sample")
    _build_head(folder)
    return folder


@pytest.fixture(scope="session")
def moonshine_path() -> Path:
    """The speech encoder alone."""
    folder = AssetFolder.default()
    _fetch(folder, "moonshine")
    return folder.moonshine


@pytest.fixture(scope="session")
def lpips_path() -> Path:
    """The LPIPS weights alone."""
    folder = AssetFolder.default()
    _fetch(folder, "lpips")
    return folder.lpips


@pytest.fixture(scope="session")
def open_head_path() -> Path:
    """The open head alone."""
    folder = AssetFolder.default()
    _build_head(folder)
    return folder.open_head


@pytest.fixture(scope="session")
def sample_clip() -> Path:
    """The sample clip: one man, 640x480, 29.97 fps, 5.8 s, with sound."""
    folder = AssetFolder.default()
    _fetch(folder, "sample")
    return folder.sample


@pytest.fixture(scope="session")
def clip():
    """``clip("anchor_71s_512.mp4")``: a real clip that is not part of the project; skips, by name, where absent."""

    def find(name: str) -> Path:
        path = CLIPS / name
        if not path.is_file():
            pytest.skip(f"the clip {name} is not here (set ERLNET_CLIPS to the folder that holds it)")
        return path

    return find


def _fetch(folder: AssetFolder, *names: str) -> None:
    from tasks.assets import fetch

    fetch(names, folder)


def _build_head(folder: AssetFolder) -> None:
    if not folder.open_head.is_file():
        from tasks import head

        assert head.main([]) == 0
