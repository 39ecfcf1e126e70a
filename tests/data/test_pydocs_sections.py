"""Docstrings of every shape that the packages hold are taken apart as their authors meant them."""

from __future__ import annotations

from inspect import cleandoc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.pydocs.sections import parse, see_also_names

FULL = cleandoc(
    """
    norm(x, ord=None)

    Matrix or vector
    norm.

    This function returns one of
    several norms.

    A second paragraph.

    Parameters
    ----------
    x : array_like
        Input.

    See Also
    --------
    scipy.linalg.norm : Similar.

    Notes
    -----
    A note.
    """
)


def test_a_full_docstring_falls_into_its_parts() -> None:
    """Signature off, summary as one line, paragraphs kept, sections in order with their raw text."""
    found = parse(FULL)
    assert found.summary == "Matrix or vector norm."
    assert found.extended == "This function returns one of\nseveral norms.\n\nA second paragraph."
    assert [name for name, _ in found.sections] == ["parameters", "see also", "notes"]
    assert found.section("parameters") == "x : array_like\n    Input."
    assert found.section("references") == ""


@pytest.mark.parametrize(
    ("doc", "summary"),
    [
        ("", ""),
        ("f(x)", ""),
        ("Only this", "Only this"),
        ("f(x, y=(1, 2)) -> int\n\nAdd.", "Add."),
        ("out = f(x)\n\nAdd.", "Add."),
        ("add(x1, x2, /, out=None, *, where=True,\n    dtype=None)\n\nAdd.", "Add."),
        ("f(x)\nAdd.", "Add."),
        ("dtype(x)\n--\n\nMake one.", "Make one."),
        (".. deprecated:: 1.2\n   Gone soon.\n\nAdd.", "Add."),
        ("Return f(x) of x.", "Return f(x) of x."),
        ("Parameters\n----------\nx : int", ""),
    ],
)
def test_the_summary_is_found_behind_what_stands_before_it(doc: str, summary: str) -> None:
    """Signatures and directives come off, but a sentence with a call in it is a sentence."""
    assert parse(doc).summary == summary


def test_a_table_rule_is_no_heading() -> None:
    """Rules within tables and code belong to the text; an unknown title counts when it stands like one."""
    table = "====  ====\nname  unit\n====  ====\na     m\n\n    deep\n    ----"
    doc = f"Sum.\n\nNotes\n-----\n{table}\n\nOwn Title\n---------\nText."
    assert [name for name, _ in parse(doc).sections] == ["notes", "own title"]


def test_a_heading_may_be_indented_or_end_in_a_colon() -> None:
    """The known titles are recognised wherever they stand, whatever their case."""
    assert [name for name, _ in parse("Sum.\n\n  See also:\n  ---------\n  g\n").sections] == ["see also"]


def test_two_sections_of_one_name_are_joined() -> None:
    """A title that comes twice loses neither text."""
    assert parse("S.\n\nNotes\n-----\nOne.\n\nNotes\n-----\nTwo.").section("notes") == "One.\nTwo."


@given(st.text("ab().,:-=`~\n \t_", max_size=120))
def test_no_text_is_too_odd(doc: str) -> None:
    """Whatever a docstring holds, the summary is one line, and names have neither spaces nor commas."""
    found = parse(doc)
    assert len(found.summary.splitlines()) <= 1
    assert all(name and not set(name) & set(" ,:\n") for name in see_also_names(doc))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("sin : Sine.", ("sin",)),
        ("sin, cos, tan", ("sin", "cos", "tan")),
        ("sin, cos : Both.\n    tan : not a link, a description", ("sin", "cos")),
        ("numpy.linalg.norm", ("numpy.linalg.norm",)),
        (":func:`~numpy.sin` : Sine.", ("numpy.sin",)),
        (":py:meth:`.Index.map`, :class:`Index`", ("Index.map", "Index")),
        ("`sin` : Sine.\n``cos``", ("sin", "cos")),
        ("sin() : Sine.", ("sin",)),
        ("sin :\n    Sine.", ("sin",)),
        ("sin -- Sine.", ("sin",)),
        ("sin.", ("sin",)),
        (".ngroup : Number the groups.", ("ngroup",)),
        (":ref:`how-to-index`", ()),
        ("sin : a\nsin : b", ("sin",)),
        ("    sin : Indented as a whole.\n    cos : So too.", ("sin", "cos")),
        ("For more see the user guide.", ()),
        ("The functions sin and cos.", ()),
        ("https://numpy.org : Home.", ()),
        ("", ()),
    ],
)
def test_see_also_gives_names_and_never_prose(body: str, names: tuple[str, ...]) -> None:
    """Every way of writing an entry gives its names; descriptions, prose and addresses give none."""
    assert see_also_names(body) == names
