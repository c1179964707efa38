"""The flow ``prior`` on a small checkout, with a task that writes down whom it read."""

from pathlib import Path

import pytest
import yaml

from flows.bridge.planner import Target, make_plan
from flows.corpus import chosen, learned_from
from flows.prior import prior
from flows.repro import repro
from flows.subjects.garbage import collect
from flows.subjects.remove import remove
from flows.tables import proof_text
from tasks.artifacts.layout import PriorFolder, SubjectFolder
from tasks.artifacts.subject import Consent, Source, SubjectRecord, read_subject, write_subject
from tasks.errors import BadInput
from tests.flows.toy import PARAMS, PROJECT, Toy

TASK = """\
from tasks.artifacts.corpus import read_corpus
from tasks.artifacts.layout import PriorFolder, SubjectFolder

if __name__ == "__main__":
    folder = PriorFolder.default()
    text = ""
    for member in read_corpus(folder.members).members:
        text += f'{{"id": "{member.id}"}} {member.style} ' + SubjectFolder.of(member.id).flame.read_text() + "; "
    with open("log.txt", "a") as log:
        log.write("prior\\n")
    folder.weights.write_text(text)
"""
WEIGHTS = "      - data/priors/corpus.safetensors\n"


@pytest.fixture
def corpus(toy: Toy) -> Toy:
    """Subjects a and b, who are the corpus; the report of subjects with profile cpu starts from the prior."""
    (toy.root / "tasks" / "corpus_prior.py").write_text(TASK)
    template = (PROJECT / "flows" / "templates" / "prior.dvc.yaml.j2").read_text()
    # The toy has no speech stage and another head.
    lines = [line for line in template.splitlines(True) if "speech.parquet" not in line and "open_head" not in line]
    (toy.root / "flows" / "templates" / "prior.dvc.yaml.j2").write_text("".join(lines))
    subject = toy.root / "flows" / "templates" / "subject.dvc.yaml.j2"
    user = "{%- if stage == 'report' and profile == 'cpu' %}\n" + WEIGHTS + "{%- endif %}\n      - {{ s }}/{{ before }}"
    subject.write_text(subject.read_text().replace("      - {{ s }}/{{ before }}", user))
    ask(toy, "a", "b")
    for name in "ab":
        toy.onboard(name)
    return toy


def ask(toy: Toy, *subjects: str) -> None:
    profiles = PARAMS.replace("cpu: {}", "cpu: {crop: {}, track: {}, report: {}}")
    (toy.root / "params.yaml").write_text(profiles + yaml.safe_dump({"corpus_prior": {"subjects": list(subjects)}}))


def run() -> str | None:
    state = prior(return_state=True)
    return None if state.is_completed() else f"{state.name}: {state.message}"


def change(toy: Toy, subject: str, **values: object) -> None:
    record = SubjectFolder.of(subject, toy.root).record
    write_subject(record, read_subject(record).model_copy(update=values))


@pytest.mark.usefixtures("prefect_server")
def test_from_the_first_training_to_a_removal(corpus: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what it needs runs, nothing twice; who starts from it is stale when it changes; a removal tells of it."""
    corpus.control("a", "track", "fail")
    assert run() == "Failed: track of subject a failed: the toy broke"
    assert "prior" not in corpus.started()
    corpus.control("a", "track", "")
    corpus.forget()
    assert run() is None
    assert sorted(corpus.started()) == ["a:track", "prior"]
    weights = PriorFolder.of(corpus.root).weights
    assert weights.read_text().startswith('{"id": "a"} neutral video of acroptrack')
    assert "corpus.safetensors" in (corpus.root / "data" / "priors" / "dvc.lock").read_text()
    assert corpus.dvc("status", "data/priors/dvc.yaml") == "Data and pipelines are up to date."

    corpus.forget()
    corpus.onboard("c")  # one more subject in the fleet
    assert run() is None
    assert corpus.started() == []
    ask(corpus, "a", "b", "c")
    change(corpus, "c", profile="cpu")
    assert run() is None
    assert sorted(corpus.started()) == ["c:crop", "c:track", "prior"]
    assert repro(["c"], return_state=True).is_completed()
    assert make_plan(corpus.root, [Target("c")]).stages == {}

    user = "data/subjects/c/dvc.yaml:report"
    monkeypatch.setattr("flows.subjects.prefect_data.database_url", lambda: None)
    proof = remove(corpus.root, "a")
    [line] = proof.learned
    assert "data/priors/corpus.safetensors was trained on a: take it out of corpus_prior.subjects" in line
    assert line.endswith("subjects that start from it: c")
    assert f"LEARNED FROM: {line}" in proof_text(proof)
    assert {"data/priors/corpus.yaml", "data/priors/corpus.safetensors"} <= {trace.where for trace in proof.left}
    assert proof.kept == {}  # what the prior read is no reason to keep the person's files

    ask(corpus, "b", "c")
    corpus.forget()
    assert make_plan(corpus.root, [Target("c")]).stages == {}  # nobody but its own flow trains it
    assert run() is None
    assert corpus.started() == ["prior"]
    plan = make_plan(corpus.root, [Target("c")])
    assert list(plan.stages) == [user]
    assert plan.reasons[user] == ["data/priors/corpus.safetensors modified"]
    assert repro(["c"], return_state=True).is_completed()
    collect(corpus.root, delete=True, history=False)
    proof = remove(corpus.root, "a")
    assert proof.learned == []
    assert [trace for trace in proof.left if "prior" in trace.where or "cache" in trace.where] == []


@pytest.fixture
def records(tmp_path: Path) -> Toy:
    """The records alone of subjects a, b, c."""
    for name in "abc":
        path = SubjectFolder.of(name, tmp_path).record
        path.parent.mkdir(parents=True)
        source, consent = Source(name="v.mp4", sha256="0" * 64, bytes=1), Consent(statement="yes", recorded="now")
        write_subject(
            path, SubjectRecord(id=name, source=source, consent=consent, profile="demo", style=f"{name}-style")
        )
    return Toy(tmp_path)


@pytest.mark.parametrize(
    ("subjects", "complaint"),
    [
        ([], "names nobody"),
        (["a"], "it names 1 subjects"),
        (["a", "z"], "no subject 'z'"),
        (["a", "z*"], "no subject fits 'z\\*'"),
        (["../a", "b"], "neither the id"),
        ([7], "neither the id"),
    ],
)
def test_who_cannot_be_a_corpus_is_refused(records: Toy, subjects: list[str], complaint: str) -> None:
    ask(records, *subjects)
    with pytest.raises(BadInput, match=complaint):
        chosen(records.root)


def test_a_pattern_stands_for_those_that_can_be_used(records: Toy) -> None:
    ask(records, "*")
    members = chosen(records.root).members
    assert [(member.id, member.person, member.style, member.consent) for member in members] == [
        (name, name, f"{name}-style", "yes") for name in "abc"
    ]
    change(records, "b", status="quarantined", reasons=["too dark"])
    assert [member.id for member in chosen(records.root).members] == ["a", "c"]
    ask(records, "a", "b")
    with pytest.raises(BadInput, match="'b' is quarantined \\(too dark\\)"):
        chosen(records.root)


def test_a_list_that_cannot_be_read_is_no_reason_to_keep_anyone(records: Toy) -> None:
    assert learned_from(records.root, ["a"]) == []
    members = PriorFolder.of(records.root).members
    members.parent.mkdir(parents=True)
    members.write_text("members: 3\n")
    [line] = learned_from(records.root, ["a"])
    assert "may have been trained on a" in line


def test_several_subjects_may_be_one_person(records: Toy) -> None:
    change(records, "a", person="p", style="calm")
    change(records, "b", person="p", style="angry")
    ask(records, "a", "b")
    assert [member.person for member in chosen(records.root).members] == ["p", "p"]
    change(records, "b", style="calm")
    with pytest.raises(BadInput, match="two people or styles"):
        chosen(records.root)
