"""What a site gives away of probes that a secret drew."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from leaderboard.site.model import Site


def test_no_file_of_a_blind_run_names_its_probes(loaded: Site, built: Path) -> None:
    runs = [run for entry in loaded.entries for run in entry.runs]
    blind = [run for run in runs if run.probes == "blind"]
    assert blind and len(blind) < len(runs)
    for run in runs:
        page = (built / "runs" / f"{loaded.page(run)}.html").read_text("utf-8")
        folder = built / "data" / "runs" / loaded.page(run)
        offered = run.probes != "blind"
        assert (folder / "predictions.jsonl.gz").exists() == ("predictions.jsonl.gz" in page) == offered
        assert (folder / "scores.json").exists() and (folder / "manifest.json").exists()
    lines = gzip.decompress(blind[0].predictions.read_bytes()).splitlines()
    asked = next(record for record in map(json.loads, lines) if record.get("probes"))
    ids = [probe["id"].encode() for probe in asked["probes"]]
    folder = built / "data" / "runs" / loaded.page(blind[0])
    for path in folder.iterdir():
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        assert not any(id in data for id in ids), path
