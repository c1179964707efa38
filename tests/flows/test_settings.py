"""fleet.yaml and the ERLNET_ variables."""

from pathlib import Path

import pytest

from flows.settings import load_settings
from tasks.errors import BadInput


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    return tmp_path


def test_defaults_are_a_machine_alone(root: Path) -> None:
    settings = load_settings()
    assert (settings.inbox, settings.share, settings.fleet_slots) == ("data/inbox", False, {})
    assert settings.slots["cpu"] >= 2
    assert settings.needs("nerf") == {"cpu": 1, "gpu": 1}
    assert settings.needs("crop") == {"cpu": 1}
    assert settings.remote_url(root) == str(root.parent / "erlnet-remote")


def test_a_variable_wins_over_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "fleet.yaml").write_text("inbox: there\nshare: true\nremote: /mnt/x\nstages: {nerf: {cpu: 4}}\n")
    monkeypatch.setenv("ERLNET_REMOTE", "s3://bucket/prefix")
    monkeypatch.setenv("ERLNET_SLOTS", '{"cpu": 7}')
    settings = load_settings()
    assert (settings.inbox, settings.share, settings.slots) == ("there", True, {"cpu": 7})
    assert settings.remote_url(root) == "s3://bucket/prefix"
    assert settings.needs("nerf") == {"cpu": 4}


def test_the_file_of_the_project_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERLNET_ROOT", str(Path(__file__).resolve().parents[2]))
    assert load_settings().share is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red\n", "colour: Extra inputs are not permitted"),
        ("share: perhaps\n", "share: Input should be a valid boolean"),
        ("slots: {cpu: -1}\n", "slots.cpu: Input should be greater than or equal to 0"),
        ("branch: --upload-pack=x\n", "branch: String should match pattern"),
        ("webhook: ftp://x\n", "webhook: String should match pattern"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(root: Path, text: str, message: str) -> None:
    (root / "fleet.yaml").write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
