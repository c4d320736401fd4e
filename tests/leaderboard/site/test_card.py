from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from leaderboard.site.card import Part, parts_of

CARD = """# A method

It edits
things.

- one
- two,
  longer
* three

| a | b |
|---|--:|
| 1 | x \\| y |

```python
x = "<b>"

y = 2
```
## End ##
"""


def test_the_parts_of_a_card() -> None:
    found = list(parts_of(CARD))
    assert [part.kind for part in found] == ["heading", "text", "list", "table", "code", "heading"]
    assert found[1].lines == ("It edits things.",)
    assert found[2].lines == ("one", "two, longer", "three")
    assert found[3].rows == (("a", "b"), ("1", "x \\| y"))
    assert found[4].lines == ('x = "<b>"', "", "y = 2")
    assert found[5] == Part("heading", ("End",))


def test_an_open_fence_ends_with_the_card() -> None:
    assert list(parts_of("~~~\nx")) == [Part("code", ("x",))]


@given(st.text(alphabet=st.sampled_from("a#-*|`~ \n\r<>&"), max_size=80))
def test_no_word_is_lost(card: str) -> None:
    found = "".join("".join(part.lines) for part in parts_of(card))
    # a fence is a mark, with the name of a language behind it
    said = "".join(line for line in card.split("\n") if not re.match(r"\s{0,3}(```|~~~)", line))
    assert sum(found.count(sign) for sign in "a<>&") == sum(said.count(sign) for sign in "a<>&")
