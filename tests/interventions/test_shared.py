"""Parts that edits refer to: written once, known by content, held once."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmedit_bench.errors import BadRecord, Collision, UnknownName
from mmedit_bench.interventions import (
    AttentionMemory,
    ConstantAnswer,
    Edit,
    NotSavable,
    Route,
    Shared,
    WeightDelta,
    register_reader,
)


def bank(seed: int = 0) -> Shared:
    generator = torch.Generator().manual_seed(seed)
    return Shared({name: torch.randn(50, 4, generator=generator) for name in ("index", "states")})


def edit(seed: int, shared: Shared) -> Edit:
    own = torch.full((1, 4), float(seed + 1))
    return Edit((AttentionMemory(0, own, own, 2, groups=(1,), banks=(shared,)), WeightDelta("m", own)))


def test_a_digest_is_of_the_content() -> None:
    assert bank().digest == bank().digest != bank(1).digest
    tensors = dict(bank().tensors)
    for other in (
        {"index": tensors["states"], "states": tensors["index"]},
        {name: tensor.double() for name, tensor in tensors.items()},
        {name: tensor.reshape(4, 50) for name, tensor in tensors.items()},
    ):
        assert Shared(other).digest != bank().digest
    # the content, not how it lies in memory
    turned = {name: tensor.T.contiguous().T for name, tensor in tensors.items()}
    assert Shared(turned).digest == bank().digest


def test_edits_count_their_own_parts_and_write_shared_ones_once(tmp_path: Path) -> None:
    edits = [edit(seed, bank()) for seed in range(3)]
    for number, one in enumerate(edits):
        assert (one.nbytes, one.shared_nbytes, one.parameter_count) == (3 * 16, 2 * 50 * 16, 12)
        one.save(tmp_path / f"{number}.safetensors")
        assert (tmp_path / f"{number}.safetensors").stat().st_size < one.shared_nbytes
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [f"{bank().digest}.safetensors"]
    loaded = [Edit.load(tmp_path / f"{number}.safetensors") for number in range(3)]
    assert loaded == edits
    parts = [part for one in loaded for part in one.shared().values()]
    assert parts[0] is parts[1] is parts[2], "a process holds one copy"
    assert edit(0, bank(1)) != edits[0]


def test_the_folder_of_shared_parts_can_be_given_and_copies_are_let_go(tmp_path: Path) -> None:
    one = edit(0, bank(5))
    one.save(tmp_path / "edit.safetensors", shared=tmp_path / "parts")
    (part,) = (tmp_path / "parts").iterdir()
    assert not (tmp_path / "shared").exists()
    del one
    loaded = Edit.load(tmp_path / "edit.safetensors", shared=tmp_path / "parts")
    assert loaded == edit(0, bank(5))
    part.unlink()
    assert Edit.load(tmp_path / "edit.safetensors", shared=tmp_path / "parts") == loaded
    del loaded
    gc.collect()
    with pytest.raises(BadRecord, match="no such shared part"):
        Edit.load(tmp_path / "edit.safetensors", shared=tmp_path / "parts")


def test_another_content_under_the_name_is_refused(tmp_path: Path) -> None:
    edit(0, bank(6)).save(tmp_path / "edit.safetensors")
    gc.collect()
    (part,) = (tmp_path / "shared").iterdir()
    tensors = load_file(part)
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, part)
    with pytest.raises(BadRecord, match="the content's digest is"):
        Edit.load(tmp_path / "edit.safetensors")
    part.write_bytes(b"no tensors")
    with pytest.raises(BadRecord, match="not a safetensors file"):
        Edit.load(tmp_path / "edit.safetensors")
    with pytest.raises(BadRecord, match="no digest"):
        Shared.load(tmp_path, "../edit")


def test_edits_travel_as_bytes_with_shared_parts_beside_them(tmp_path: Path) -> None:
    one = edit(0, bank())
    data = one.to_bytes()
    assert len(data) < one.shared_nbytes
    given = {bank().digest: bank()}
    found = Edit.from_bytes(data, given)
    assert found == one and found.to_bytes() == data
    assert next(iter(found.shared().values())) is given[bank().digest]
    one.save(tmp_path / "edit.safetensors")
    assert (tmp_path / "edit.safetensors").read_bytes() == data
    with pytest.raises(BadRecord, match="was not given"):
        Edit.from_bytes(data)
    with pytest.raises(BadRecord, match="not a safetensors file"):
        Edit.from_bytes(b"{}")


class Mute(ConstantAnswer):
    """A reader that nobody registered."""


def test_readers_are_known_by_name() -> None:
    with pytest.raises(NotSavable, match=r"Mute .*register_reader"):
        Edit((Route(Mute("x")),)).to_bytes()
    with pytest.raises(Collision, match="ConstantAnswer"):
        register_reader("constant_answer", Mute)
    register_reader("mute", Mute)
    data = Edit((Route(Mute("x"), "key"),)).to_bytes()
    (route,) = Edit.from_bytes(data).interventions
    assert isinstance(route, Route) and type(route.reader) is Mute and route.key == "key"
    unknown = data.replace(b'\\"mute\\"', b'\\"moot\\"')
    with pytest.raises(UnknownName, match=r"'moot' \(known: .*constant_answer, .*ike-memory, "):
        Edit.from_bytes(unknown)
