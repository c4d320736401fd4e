import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadData
from mmedit_bench.runs.spec import RunSpec, canonical

VALUES: dict[str, Any] = {
    "suite": "picturebook-vqa",
    "suite_digest": "a" * 64,
    "split": "test",
    "backbone": "blip2-opt-mini",
    "backbone_digest": "b" * 64,
    "evidence": ("answer", "argmax", "logprobs"),
    "editor": "ft",
    "editor_version": "1",
    "editor_settings": {"lr": 0.001, "layers": [1, 2], "steps": 5},
    "editor_options": {"lr": 0.001, "layers": [1, 2]},
    "editor_code": "c" * 64,
    "artefact": None,
    "protocol": "one-step",
    "protocol_version": "1",
    "protocol_options": {"orders": 5},
    "measures": {},
    "limit": None,
    "seed": 0,
    "dtype": "float32",
    "device": "cpu",
    "batch_size": 16,
    "threads": 1,
    "asking_code": "d" * 64,
    "walking_code": "e" * 64,
    "torch": "2.6.0",
    "transformers": "5.0.0",
}
SPEC = RunSpec(**VALUES)

texts = st.text(st.characters(exclude_categories=["Cs"]))  # UTF-8 cannot write surrogates
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)


def test_the_fingerprint_is_pinned() -> None:
    # A changed fingerprint orphans every run ever made: raise RECIPE and then update this.
    assert SPEC.fingerprint == "d1b90a8bcd755560e71b0bc6867d4aa47ba8f53597615acbbdae98fd4ccc572c"
    assert SPEC.folder_name == f"picturebook-vqa--blip2-opt-mini--ft--one-step--{SPEC.fingerprint[:12]}"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RunSpec)])
def test_every_field_changes_the_fingerprint(field: str) -> None:
    other: dict[str, Any] = {"limit": 7, "seed": 7, "batch_size": 7, "threads": 7, "evidence": ("answer",)}
    mappings = ("editor_settings", "editor_options", "protocol_options", "measures")
    other |= {key: {"lr": 0.002} for key in mappings}
    changed = dataclasses.replace(SPEC, **{field: other.get(field, "other")})
    assert changed.fingerprint != SPEC.fingerprint


@given(st.permutations(list(VALUES)))
def test_the_order_of_fields_and_options_does_not_matter(order: list[str]) -> None:
    options = dict(reversed(VALUES["editor_options"].items()))
    spec = RunSpec.from_dict({name: VALUES[name] for name in order} | {"editor_options": options})
    assert spec.fingerprint == SPEC.fingerprint


@given(st.dictionaries(texts, json_values))
def test_survives_a_round_trip(options: dict[str, Any]) -> None:
    spec = dataclasses.replace(SPEC, editor_options=options)
    assert RunSpec.from_dict(spec.as_dict()) == spec


def test_options_are_copied_and_spelt_as_json() -> None:
    options: dict[str, Any] = {"layers": (1, 2)}
    spec = dataclasses.replace(SPEC, editor_options=options)
    options["layers"] = ()
    assert spec.editor_options == {"layers": [1, 2]}
    assert isinstance(hash(spec), int)


@pytest.mark.parametrize("name", ["", "a--b", "../a", "a/b", "-a", "a b", "é", "a\n", ".hidden"])
@pytest.mark.parametrize("field", ["suite", "backbone", "editor", "protocol"])
def test_names_must_fit_into_a_folder_name(field: str, name: str) -> None:
    with pytest.raises(BadData, match=field):
        dataclasses.replace(SPEC, **{field: name})


@pytest.mark.parametrize("name", ["a", "ft-l2", "MEND_2.0", "a+b", "a-"])
def test_ordinary_names_are_fine(name: str) -> None:
    assert f"--{name}--" in dataclasses.replace(SPEC, editor=name).folder_name


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_positive(limit: int) -> None:
    with pytest.raises(BadData, match="limit"):
        dataclasses.replace(SPEC, limit=limit)


@pytest.mark.parametrize("options", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}])
def test_options_must_be_json(options: dict[str, Any]) -> None:
    with pytest.raises(BadData, match="JSON"):
        dataclasses.replace(SPEC, editor_options=options)


def test_missing_and_unknown_fields_are_named() -> None:
    values = SPEC.as_dict()
    with pytest.raises(BadData, match="unknown fields colour"):
        RunSpec.from_dict(values | {"colour": 1})
    del values["seed"]
    with pytest.raises(BadData, match="lacks seed"):
        RunSpec.from_dict(values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", "0"),
        ("seed", True),
        ("seed", None),
        ("batch_size", 1.5),
        ("limit", "3"),
        ("split", ["test"]),
        ("artefact", 5),
        ("editor_options", ["lr"]),
        ("protocol_options", None),
        ("measures", []),
        ("evidence", "answer"),
        ("evidence", ["answer", 5]),
        ("suite", 5),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: Any) -> None:
    with pytest.raises(BadData, match=field):
        RunSpec.from_dict(SPEC.as_dict() | {field: value})


@given(st.sampled_from(list(VALUES)), json_values)
def test_no_value_of_a_field_crashes_the_reader(field: str, value: Any) -> None:
    try:
        spec = RunSpec.from_dict(SPEC.as_dict() | {field: value})
    except BadData:
        return
    assert RunSpec.from_dict(spec.as_dict()) == spec


def test_canonical_json() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,null,true]}'
