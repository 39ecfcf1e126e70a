"""A text has one name, the one that a reader of its documentation would use."""

from __future__ import annotations

import pytest

from harness.data.pydocs.names import Names, canonical, path_words


def chosen(*paths: tuple[str, str, bool]) -> str:
    """The id chosen among (path, own name, defined there) of one object."""
    names, texts = canonical([(path, 0, own, defined) for path, own, defined in paths], ["doc"])
    assert set(names.alias) == {path for path, _, _ in paths}
    return next(iter(texts))


def test_the_own_name_beats_the_shorter_path() -> None:
    """numpy.acos is numpy.arccos by another name."""
    assert chosen(("numpy.acos", "arccos", True), ("numpy.arccos", "arccos", True)) == "numpy.arccos"


def test_the_defining_class_beats_its_heirs() -> None:
    """An inherited method belongs to the class that wrote it, however long its path."""
    assert chosen(("p.Heir.get", "get", False), ("p.deep.base.Base.get", "get", True)) == "p.deep.base.Base.get"


def test_else_the_shorter_path_then_the_alphabet() -> None:
    """Fewer parts first; equal ones by alphabet, so that nothing depends on the order of the walk."""
    assert chosen(("p.m.f", "f", True), ("p.f", "f", True)) == "p.f"
    assert chosen(("p.b.f", "f", True), ("p.a.f", "f", True)) == "p.a.f"


def test_equal_texts_are_one_document() -> None:
    """Two objects with the same docstring have one id, and both paths lead to it."""
    paths = [("p.f", 0, "f", True), ("p.m.f", 1, "f", True), ("p.g", 2, "g", True)]
    names, texts = canonical(paths, ["same", "same", "x"])
    assert texts == {"p.f": "same", "p.g": "x"}
    assert names.alias == {"p.f": "p.f", "p.m.f": "p.f", "p.g": "p.g"}


@pytest.fixture
def names() -> Names:
    paths = ["numpy.sin", "numpy.linalg.norm", "numpy.linalg.det", "scipy.linalg.norm", "scipy.linalg.det",
             "pandas.Index.map", "pandas.Series.map", "pandas.api.typing.Rolling.mean", "numpy.ma.sin", "numpy.ma.cos"]
    return canonical([(path, row, path.rpartition(".")[2], True) for row, path in enumerate(paths)], paths)[0]


@pytest.mark.parametrize(
    ("name", "near", "meant"),
    [
        ("det", "numpy.linalg.norm", "numpy.linalg.det"),
        ("norm", "scipy.linalg.det", "scipy.linalg.norm"),
        ("sin", "numpy.ma.cos", "numpy.ma.sin"),
        ("sin", "numpy.linalg.norm", "numpy.sin"),
        ("linalg.norm", "numpy.sin", "numpy.linalg.norm"),
        ("scipy.linalg.det", "numpy.linalg.det", "scipy.linalg.det"),
        ("np.sin", "scipy.linalg.det", "numpy.sin"),
        ("map", "pandas.Index.sort", "pandas.Index.map"),
        ("Series.map", "pandas.Index.map", "pandas.Series.map"),
        ("core.window.Rolling.mean", "pandas.Index.map", "pandas.api.typing.Rolling.mean"),
        ("cos", "numpy.linalg.norm", "numpy.ma.cos"),
        ("map", "pandas.cut", None),
        ("cos", "scipy.linalg.det", None),
        ("matplotlib.pyplot.mean", "pandas.Index.map", None),
        ("nothing", "numpy.sin", None),
    ],
)
def test_a_name_means_what_stands_nearest(names: Names, name: str, near: str, meant: str | None) -> None:
    """Class, module, enclosing modules, full path, then the only one in the package; two candidates mean neither."""
    assert names.resolve(name, near=near) == meant


def test_words_of_a_path() -> None:
    """Capitals part words, and runs of them stay together."""
    assert path_words("scipy.stats.qmc.MultivariateNormalQMC") == "scipy stats qmc Multivariate Normal QMC"
    assert path_words("numpy.polynomial.hermite_e") == "numpy polynomial hermite e"
