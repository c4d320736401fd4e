"""The tasks in the package: what they ask, and that they are what the data makes."""

from __future__ import annotations

import hashlib
import json

import yaml

from mmedit_bench.datasets.picturebook import files, wordings
from mmedit_bench.plugins.registry import BACKBONES
from mmedit_bench.retention.loading import SHIPPED, shipped
from mmedit_bench.retention.measure import LMEval
from mmedit_bench.retention.picturebook import DOCUMENTS, SPLIT, text

DIGEST = "d68324cec6126804ad3100024a36e9cb92562426780aed15aceb199cf640bca5"


def test_the_documents_are_what_the_data_makes() -> None:
    written = DOCUMENTS.read_bytes()
    assert written.decode() == text()
    assert hashlib.sha256(written).hexdigest() == DIGEST


def test_the_facts_are_known_and_no_edit_of_the_evaluation_is_about_them() -> None:
    documents = json.loads(DOCUMENTS.read_text(encoding="utf-8"))
    assert len(documents) == 219
    data = files.load()
    entities = {entity.id: entity for entity in data.entities}
    edited = {edit.picture.split("/")[0] for edit in data.edits if edit.id.split("-")[1] == "evaluation"}
    for document in documents:
        id, _, relation = document["id"].partition("/")
        fact = entities[id].fact(relation)
        assert fact is not None
        assert not fact.withheld
        assert document["choices"][document["answer"]] == fact.value
        assert len(set(document["choices"])) == 4
        assert entities[id].split == SPLIT
        assert id not in edited
        known = [template.format(x=entities[id].name) for template in wordings.trained(relation)]
        assert document["question"] in known


def test_every_shipped_file_is_the_task_of_its_name() -> None:
    assert shipped() == ("picturebook-answers", "picturebook-facts")
    for name in shipped():
        # functions aside, plain YAML
        source = (SHIPPED / f"{name}.yaml").read_text().replace("!function ", "")
        assert yaml.safe_load(source)["task"] == name


def test_the_embedded_backbones_know_the_facts() -> None:
    backbone = BACKBONES.load("minigpt4-mini")(device="cpu", dtype="float32", batch_size=16)
    values = LMEval()(backbone, limit=40)
    found = {name: sum(value) / len(value) for name, value in values.items()}  # type: ignore[arg-type]
    assert found["picturebook-facts/acc"] > 0.95
    assert found["picturebook-answers/acc"] > 0.9
    assert 0 < found["picturebook-answers/perplexity:nats"] < 0.3
