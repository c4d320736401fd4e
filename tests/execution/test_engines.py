"""Every engine ends in the bytes of one process, also when a worker is killed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.engines.ray import RayEngine
from mmedit_bench.execution.engines.slurm import SlurmEngine, _minutes, _setting
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.pool import carry_out
from mmedit_bench.execution.worker import Elsewhere
from mmedit_bench.harness.commit import Bench
from mmedit_bench.harness.work import Task, as_they_stand
from mmedit_bench.runs.folder import Manifest, RunFolder
from tests.execution.test_crew import contents, order


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"no {module}: pip install 'mmedit-bench[{extra}]'")


ENGINES = [
    "local",
    pytest.param("ray", marks=needs("ray", "ray")),
    pytest.param("submitit", marks=needs("submitit", "slurm")),
]


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """One Ray for all tests of this process, begun by the first session and ended with the last test."""
    yield
    import ray

    ray.shutdown()


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Two workers."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if request.param == "ray":
        request.getfixturevalue("ray_here")
        return RayEngine(2)
    return SlurmEngine(2, {"cluster": "local"}) if request.param == "submitit" else LocalEngine(2)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_killed_worker_changes_no_byte(lab: Path, engine: Engine) -> None:
    mark = lab / "mark"
    what = Order(
        suite="lab-suite", backbone="lab-backbone", editor="mortal", options={"mark": str(mark)},
        protocol="sequential", protocol_options={"orders": 4}, limit=5,
    )  # fmt: skip
    alone = Workshop().run(what, lab / "alone")
    mark.touch()
    together = Workshop().run(what, lab / "together", engine=engine)
    assert not mark.exists(), "nobody was killed"
    assert contents(together.folder) == contents(alone.folder)
    assert (together.status, together.units, together.new) == ("complete", alone.units, alone.new)
    assert sorted(path.name for path in together.folder.iterdir()) == sorted(
        path.name for path in alone.folder.iterdir()
    )
    assert not list((lab / "together").glob(".seen-*"))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_many_runs_with_a_killed_worker(lab: Path, engine: Engine) -> None:
    mark = lab / "mark"
    mortal = replace(order("mortal"), options={"mark": str(mark)})
    orders = [order("fragile"), mortal, order("defective")]
    alone = [Workshop().run(one, lab / "alone").folder for one in orders[:2]]
    mark.touch()
    told: list[str] = []
    outcomes = carry_out(orders, lab / "many", engine=engine, told=lambda one: told.append(one.order.editor))
    assert not mark.exists(), "nobody was killed"
    assert [one.order for one in outcomes] == orders
    assert [contents(one.folder) for one in outcomes[:2] if one.folder] == [contents(one) for one in alone]
    assert [one.failed for one in outcomes] == [3, 0, 0]
    assert outcomes[2].error == "ZeroDivisionError: a defect"
    assert sorted(told) == ["defective", "fragile", "mortal"]


@pytest.mark.parametrize("engine", ["local"], indirect=True)
def test_every_worker_has_an_editors_process_of_its_own(lab: Path, engine: Engine) -> None:
    alone = Workshop().run(order("deadly"), lab / "alone", isolation=Isolation())
    apart = Workshop().run(order("deadly"), lab / "apart", engine=engine, isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)
    assert (apart.units, apart.failed) == (6, 1)


def test_a_batch_that_is_handed_out_again_is_gone_on_with(lab: Path) -> None:
    what = replace(order("fragile"), protocol="sequential", protocol_options={"orders": 1})
    workshop = Workshop()
    folder = RunFolder(workshop.run(what, lab / "runs").folder)
    manifest = Manifest.read(folder.manifest)
    plan, bench = workshop.plan_of(what, manifest), Bench(folder, manifest.spec.evidence)
    tasks = [Task(index, 0, frozenset()) for index in range(len(plan.schedule))]
    assert as_they_stand(tasks, plan, folder, bench) == []
    folder.predictions.write_bytes(b"")
    assert as_they_stand(tasks, plan, folder, bench) == tasks


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"does not see .*; name a folder with --out"):
        Elsewhere(tmp_path / "away" / ".seen-1", ()).check()


def test_settings_of_slurm_as_submitit_takes_them() -> None:
    assert _setting("partition", "gpu") == ("slurm_partition", "gpu")
    assert _setting("gpus", "2") == ("gpus_per_node", 2)
    assert _setting("array_parallelism", "4") == ("slurm_array_parallelism", 4)
    assert [_minutes(text) for text in ("90", "1:30:00", "1-02", "1-02:03", "0-00:01:01")] == [
        90, 90, 1560, 1563, 2,
    ]  # fmt: skip
    for key, value in (("time", "soon"), ("nodes", "2")):
        with pytest.raises(BenchError, match=f"--slurm {key}"):
            _setting(key, value)


@needs("submitit", "slurm")
def test_an_unknown_setting_of_slurm_is_refused_before_anything_is_submitted(lab: Path) -> None:
    engine = SlurmEngine(1, {"cluster": "local", "colour": "red"})
    with pytest.raises(BenchError, match=r"--slurm: .*colour"):
        Workshop().run(order("echo"), lab / "runs", engine=engine)


SBATCH = """#!{python}
import os, re, subprocess, sys
script = sys.argv[1]
last = re.search(r"--array=0-(\\d+)", open(script).read())
alone = {{"SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}}
for task in range(int(last[1]) + 1) if last else [None]:
    own = {{"SLURM_JOB_ID": f"{{os.getpid()}}", "SLURM_NTASKS": "1"}}
    if task is not None:
        own |= {{"SLURM_ARRAY_JOB_ID": own["SLURM_JOB_ID"], "SLURM_ARRAY_TASK_ID": str(task)}}
    out = open(f"{{script}}.{{task}}.out", "wb")
    subprocess.Popen(["bash", script], env=os.environ | alone | own, stdout=out, stderr=out)
with open(os.environ["SUBMITTED"], "a") as told:
    told.write(("array" if last else "job") + "\\n")
print(f"Submitted batch job {{os.getpid()}}")
"""
SRUN = """#!/bin/bash
while [[ "$1" == --* ]]; do
    [[ "$1" == --output || "$1" == --error ]] && shift
    shift
done
exec "$@"
"""


@needs("submitit", "slurm")
def test_a_job_array_of_slurm(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With programs in SLURM's place that start what they are given."""
    programs = lab / "programs"
    programs.mkdir()
    told = lab / "submitted"
    scripts = {
        "sbatch": SBATCH.format(python=sys.executable),
        "srun": SRUN,
        "sacct": "#!/bin/sh\necho 'JobID|State|NodeList'\n",
    }
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(told))
    alone = Workshop().run(order("fragile"), lab / "alone")
    engine = SlurmEngine(2, {"partition": "any", "time": "0:10:00", "array_parallelism": "1"})
    result = Workshop().run(order("fragile"), lab / "runs", engine=engine)
    assert contents(result.folder) == contents(alone.folder)
    assert told.read_text().split() == ["job", "array"], "the opening, then the units"
