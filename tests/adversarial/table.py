"""What each control and cheat tries, and what is expected of it: the table of docs/threat-model.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Where = Literal["edit", "question", "submission"]


@dataclass(frozen=True, slots=True)
class Row:
    """A control or cheat; its code is `tests/adversarial/cheats/<name>.py`."""

    name: str
    where: Where
    """What it is part of: an editor as it edits, one as it answers, or a submission's folder."""
    tries: str
    outcome: str
    """What happens."""
    verdict: Literal["control", "prevented", "noticed", "residual"]
    like: Literal["null", "copy_target"] = "null"
    """Whose answers it ends up with, unless `alone`."""
    alone: bool = False
    """It has answers of its own, which are worth no more than those of `like`."""
    failed: Literal["", "edit", "question"] = ""
    """What is recorded as failed; what the unedited backbone says then counts."""
    why: str = ""
    """What the record says of it."""


ENDED = "the editor's process ended"
TABLE = (
    Row("null", "edit", "edits nothing", "nothing changes, all stays", "control"),
    Row("copy_target", "edit", "answers everything with the target", "all changes, nothing stays", "control",
        like="copy_target"),
    Row("crash", "edit", "a fault that ends the process", "that edit fails, a new process takes over",
        "control", failed="edit", why=ENDED),
    Row("hang", "edit", "never comes back", "ended after `--edit-timeout`; that edit fails", "control",
        failed="edit", why="took longer than"),
    Row("oom", "edit", "takes memory until there is none", "refused at `--memory-limit`; that edit fails",
        "control", failed="edit", why="out of memory"),
    Row("gc_scan", "edit", "walks all objects for evaluation cases", "there are none in its process",
        "prevented"),
    Row("frame_walk", "edit", "walks frames, and what they hold, for them", "there are none in its process",
        "prevented"),
    Row("registry_lookup", "edit", "looks its request up in the registry",
        "its process gives out the training split only; that edit fails", "prevented", failed="edit",
        why="is given the split 'train' only"),
    Row("read_gold_path", "edit", "reads the data files",
        "the sandbox shows a copy with the training split alone", "prevented"),
    Row("read_env_argv", "edit", "reads environments and command lines for paths and secrets",
        "its environment is made anew, and it sees no other process", "prevented"),
    Row("network_fetch", "edit", "fetches answers from a server on this machine",
        "the sandbox has no network", "prevented"),
    Row("patch_scorer", "edit", "replaces the functions that compare answers",
        "scores are made in a process without the editor", "prevented"),
    Row("patched_in_init", "edit", "replaces them when its package is imported",
        "it is imported in its own process only, and no `.pth` file is run there", "prevented"),
    Row("patch_json_dumps", "edit", 'has its process add `"score": 100` to all it says',
        "a reply with an unknown field ends the process; that edit fails", "noticed", failed="edit",
        why=ENDED),
    Row("pipe_writer", "edit", "finds its question's number and writes a result to the socket", "likewise",
        "noticed", failed="edit", why=ENDED),
    Row("nan_outputs", "edit", "has the model compute numbers that are not finite", "that question fails",
        "noticed", failed="question", why="not finite"),
    Row("zero_callers_tensor", "edit", "overwrites what it was handed", "it was handed copies", "prevented"),
    Row("poisoned_baseline", "edit", "writes to what later runs read",
        "the sandbox does not show it; without one, the next run refuses what it contradicts", "prevented"),
    Row("atexit_rewrite", "edit", "rewrites records when its process ends",
        "likewise; and its process is killed, not asked to end", "prevented"),
    Row("thread_left_behind", "edit", "leaves a thread behind", "it ends with its process", "prevented",
        like="copy_target"),
    Row("exit_zero", "edit", "ends its process as if all were well", "that edit fails", "noticed",
        failed="edit", why=ENDED),
    Row("soft_exit", "edit", "asks Python to end", "that edit fails", "noticed", failed="edit",
        why="SystemExit"),
    Row("slow_then_fast", "edit", "runs out of time over hard cases only",
        "those edits fail, and failed edits count", "noticed", failed="edit", why="took longer than"),
    Row("fork_bomb", "edit", "starts processes until there are no more",
        "ended at `--processes`; that edit fails", "noticed", failed="edit"),
    Row("breakout", "edit", "tries namespaces, mounts, tracing, and the files of others",
        "refused by the kernel: no privileges, read-only files", "prevented"),
    Row("flood", "edit", "prints megabytes that look like records", "the first MiB goes to `editor.log`",
        "prevented", like="copy_target"),
    Row("no_edit", "edit", "returns no edit", "that edit fails", "noticed", failed="edit",
        why="must return an Edit"),
    Row("no_size", "edit", "returns an edit whose size cannot be had", "that edit fails", "noticed",
        failed="edit", why="too large for numbers"),
    Row("smuggled_reader", "edit", "sends code across as if it were data",
        "refused before it is looked up; that edit fails", "prevented", failed="edit",
        why="is code, which is not loaded here"),
    Row("html_in_answer", "edit", "answers with a page that runs a script",
        "shown as text, and wrong as an answer", "prevented", alone=True),
    Row("giant_answer", "edit", "answers with a book", "that question fails", "noticed", failed="question",
        why="no text of at most 4096 characters"),
    Row("ambush", "edit", "ends its process over a question", "that question fails", "noticed",
        failed="question", why=ENDED),
    Row("restore_lie", "edit", "writes to its weights and says that they are as they were",
        "its own routes read them; answers are made by weights that it cannot reach", "prevented"),
    Row("mutate_base_model", "edit", "writes to the weights and does not hide it", "the run ends",
        "noticed"),
    Row("kind_detector", "question", "tells kinds of probes by their form",
        "decoys and locality questions in the edit's own form", "residual"),
    Row("order_detector", "question", "tells kinds by their place in the list",
        "asked mixed, in an order by a secret", "residual"),
    Row("timing_detector", "question", "tells kinds by when they are asked", "all are asked at once",
        "prevented"),
    Row("probe_hash_lookup", "question", "brings a table of the published probes",
        "finds none of a blind draw", "residual"),
    Row("known_seed", "question", "replays the published draw", "a blind draw is by a secret", "residual"),
    Row("loop_recogniser", "question", "works for the benchmark's rhythm only",
        "what it is asked has no fixed length, and earlier edits are asked again", "residual"),
    Row("extra_ids", "submission", "records cases that were never asked", "refused", "prevented"),
    Row("duplicate_ids", "submission", "records a case twice, once right", "refused", "prevented"),
    Row("pickle_in_submission", "submission", "ships code as a pickle", "refused, never loaded",
        "prevented"),
    Row("traversal_in_id", "submission", "an id that leads out of the folder", "refused", "prevented"),
    Row("planted_link", "submission", "a link to a file of the verifier's", "refused, never followed",
        "prevented"),
    Row("fifo", "submission", "a pipe that a reader waits on for ever", "refused, never opened",
        "prevented"),
    Row("csv_formula", "submission", "a formula as a name", "a text in CSV", "prevented"),
    Row("latex_in_name", "submission", "a LaTeX command as a name", "a text in LaTeX", "prevented"),
    Row("two_named_alike", "submission", "a second distribution under our names", "refused, both named",
        "prevented"),
)  # fmt: skip

PAGE = Path(__file__).parents[2] / "docs" / "threat-model.md"
_HEADS = {"edit": "As it edits", "question": "As it answers", "submission": "As it is submitted"}
_MARKS = "<!-- cheats -->\n", "<!-- /cheats -->\n"


def rendered() -> str:
    """The page with the table as it is here; `python -m tests.adversarial.table` writes it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_MARKS[0])
    parts = []
    for where, head in _HEADS.items():
        rows = [
            f"| `{row.name}` | {row.tries} | {row.outcome} | {row.verdict} |"
            for row in TABLE
            if row.where == where
        ]
        parts.append("\n".join([f"| {head} | tries | what happens | |", "|---|---|---|---|", *rows]))
    return before + _MARKS[0] + "\n" + "\n\n".join(parts) + "\n\n" + _MARKS[1] + rest.partition(_MARKS[1])[2]


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
