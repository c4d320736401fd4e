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
    "editor": "ft",
    "editor_version": "1",
    "editor_source": "mmedit-bench 0.1.0",
    "editor_options": {"lr": 0.001, "layers": [1, 2]},
    "editor_code": "c" * 64,
    "protocol": "one-step",
    "protocol_version": "1",
    "limit": None,
    "seed": 0,
    "dtype": "float32",
    "device": "cpu",
    "batch_size": 16,
    "core_code": "d" * 64,
    "torch": "2.6.0",
    "transformers": "5.0.0",
}
SPEC = RunSpec(**VALUES)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_the_fingerprint_is_pinned() -> None:
    # A changed fingerprint orphans every run ever made: raise RECIPE and then update this.
    assert SPEC.fingerprint == "c6187bc3a64f142d2f731d98e089b986b946c6e5349dede68fe3df598b9bfead"
    assert SPEC.folder_name == f"picturebook-vqa--blip2-opt-mini--ft--one-step--{SPEC.fingerprint[:12]}"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(RunSpec)])
def test_every_field_changes_the_fingerprint(field: str) -> None:
    other: dict[str, Any] = {"editor_options": {"lr": 0.002}, "limit": 7, "seed": 7, "batch_size": 7}
    changed = dataclasses.replace(SPEC, **{field: other.get(field, "other")})
    assert changed.fingerprint != SPEC.fingerprint


@given(st.permutations(list(VALUES)))
def test_the_order_of_fields_and_options_does_not_matter(order: list[str]) -> None:
    options = dict(reversed(VALUES["editor_options"].items()))
    spec = RunSpec.from_dict({name: VALUES[name] for name in order} | {"editor_options": options})
    assert spec.fingerprint == SPEC.fingerprint


@given(st.dictionaries(st.text(), json_values))
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


def test_canonical_json() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,null,true]}'
