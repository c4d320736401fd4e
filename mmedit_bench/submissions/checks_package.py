"""Whether the package of a submission is one, and takes nobody's name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import EDITORS, Registry
from mmedit_bench.submissions.digests import FILE as DIGESTS
from mmedit_bench.submissions.digests import Digests, package_digest
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.package import OWN, in_folder
from mmedit_bench.submissions.problems import Problem

FOLDER = "package"

_HEX = re.compile("[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}", re.ASCII)
_AGAIN = "make the submission anew with `mmedit-bench submit`"


def package_problems(
    contents: Contents, digests: Digests | None, submission: Submission | None
) -> Iterator[Problem]:
    """What is wrong with the sources that are shipped, and with what digests.json says of them.

    Nothing of them is imported. In the track `code` they are needed, but for an editor of this package.
    """
    begin = f"{FOLDER}/"
    own = {
        path.removeprefix(begin): {"sha256": digest}
        for path, digest in contents.digests.items()
        if path.startswith(begin)
    }
    if digests:
        where, told = f"{DIGESTS}#package", digests.package
        if not _HEX.fullmatch(told["sha256"]) or (own and package_digest(own) != told["sha256"]):
            yield Problem("package", where, "its sha256 is not that of the sources", _AGAIN)
        if not _WORD.fullmatch(told["name"]) or not _WORD.fullmatch(told["version"]):
            yield Problem("package", where, "its name or version is no plain word", _AGAIN)
    if submission is None or submission.track != "code":
        return
    if not own:
        if digests is None or digests.package["name"] != OWN or not _ours(submission.editor):
            yield Problem("package", FOLDER, "the track `code` needs the editor's sources", _AGAIN)
        return
    yield from _code_problems(contents, digests, submission)


def _code_problems(contents: Contents, digests: Digests | None, submission: Submission) -> Iterator[Problem]:
    where = f"{FOLDER}/pyproject.toml"
    if where not in contents.texts or any(path.startswith(f"{FOLDER}/") for path in _unread(contents)):
        yield Problem("package", where, "it is missing, or a file beside it is refused", _AGAIN)
        return
    try:
        package = in_folder(contents.root / FOLDER, submission.editor)
    except (BenchError, ValueError, RecursionError) as error:
        said = str(error).replace(f"{contents.root}/", "")[:500]
        yield Problem("package", where, said, "mend it, and submit again")
        return
    if digests and (digests.package["name"], digests.package["version"]) != (
        package.distribution, package.version,
    ):  # fmt: skip
        yield Problem("package", where, "name or version are not those in digests.json", _AGAIN)
    fix = "choose a name of your own"
    if _installed(package.distribution):
        text = f"a distribution called {package.distribution} is installed here already"
        yield Problem("taken-name", where, text, fix)
    top = package.groups[EDITORS.group][package.editor].partition(":")[0].partition(".")[0]
    if _found(top):  # it would be loaded in place of the submission's
        yield Problem("taken-name", where, f"a module called {top} is here already", fix)
    for group, points in package.groups.items():
        what = "an editor" if group == EDITORS.group else group
        for name in sorted(points.keys() & set(Registry(group, what).names())):
            yield Problem("taken-name", where, f"{what} {name} is installed here already", fix)


def _unread(contents: Contents) -> set[str]:
    return contents.sizes.keys() - contents.texts.keys() - contents.notes.keys()


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _found(module: str) -> bool:
    """Whether a top-level module would be found by who has imported nothing; nothing is imported."""
    # not importlib.util.find_spec, which asks what is imported already, and raises for __main__
    finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return module == "__main__" or any(finder.find_spec(module, None) for finder in finders)


def _ours(editor: str) -> bool:
    try:
        return EDITORS.entry(editor).distribution == OWN
    except BenchError:
        return False
