"""The documents of the shipped tasks: facts of Picturebook that the embedded backbones know in words.

`python -m mmedit_bench.retention.picturebook` writes them anew; equal data gives equal bytes. They
are facts of the things of the validation split: no edit of the evaluation split is about one of
them, and no editor was trained on them. Facts withheld from the backbones are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mmedit_bench.datasets.picturebook import files, wordings
from mmedit_bench.datasets.picturebook.entities import Entity, Fact, rng

SPLIT = "validation"
CHOICES = 4
DOCUMENTS = Path(__file__).parent / "tasks" / "picturebook.json"


def documents() -> Iterator[dict[str, object]]:
    """Each fact as a question in a wording the backbones were trained on.

    `choices` holds the answer and, in random order with it, other values of the relation, such as
    edits put in an answer's place; `answer` is the answer's index.
    """
    entities = files.load().entities
    for entity in entities:
        if entity.split == SPLIT:
            for fact in entity.known:
                if fact.relation not in wordings.PICTURE_ONLY:
                    yield _document(entity, fact, entities)


def _document(entity: Entity, fact: Fact, entities: tuple[Entity, ...]) -> dict[str, object]:
    draw = rng("retention", entity.id, fact.relation)
    question = draw.choice(wordings.trained(fact.relation)).format(x=entity.name)
    values = {own.value for other in entities for own in other.facts if own.relation == fact.relation}
    choices = [fact.value, *draw.sample(sorted(values - {fact.value}), CHOICES - 1)]
    draw.shuffle(choices)
    return {
        "id": f"{entity.id}/{fact.relation}",
        "question": question,
        "choices": choices,
        "answer": choices.index(fact.value),
    }


def text() -> str:
    """The file's content: one document per line, in random order, so that any first N are a fair sample."""
    found = sorted(documents(), key=lambda document: rng("retention order", str(document["id"])).random())
    lines = (json.dumps(document, ensure_ascii=False) for document in found)
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    DOCUMENTS.write_text(text(), encoding="utf-8")
