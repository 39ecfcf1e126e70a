"""What the environment changes makes another release: named apart, hashed apart, and never signed as the manifest's."""

from __future__ import annotations

import pytest

from harness.errors import SignoffError
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded
from harness.release.overrides import overridden
from tests.release.small import DENSE, LIBRARY, library, made, small


@pytest.fixture
def loaded(tmp_path, monkeypatch) -> Loaded:
    return library(tmp_path, monkeypatch)


@pytest.mark.parametrize(("environ", "name"), [
    ({"RERANKER": "off"}, "library.reranker-off"),
    ({"RERANKER": " OFF "}, "library.reranker-off"),
    ({"RETRIEVER_IMPL": "gru_v0"}, "library.gru_v0"),
    ({"RERANKER": "off", "RETRIEVER_IMPL": "last_vector"}, "library.reranker-off.last_vector"),
])  # fmt: skip
def test_a_changed_release_is_another_one(loaded, environ, name):
    """Its name and its CONFIG_HASH differ, its policy and the manifest's bytes do not."""
    other = overridden(loaded, environ)
    assert other.manifest.release == name
    assert other.manifest.config_hash != loaded.manifest.config_hash
    assert (other.manifest.policy, other.sha256, other.path) == (loaded.manifest.policy, loaded.sha256, loaded.path)


@pytest.mark.parametrize("environ", [{}, {"RERANKER": "on"}, {"RETRIEVER_IMPL": "amn_v0"}, {"RETRIEVER_IMPL": ""},
                                     {"RERANKER": "on", "RETRIEVER_IMPL": "amn_v0", "OTHER": "off"}])
def test_asking_for_what_is_there_changes_nothing(loaded, environ):
    """The very same release, so that it can be signed."""
    assert overridden(loaded, environ) is loaded


def test_a_release_without_the_part_stays_as_it_is(tmp_path):
    """Nothing to switch off, nothing to choose; yet a value that nobody knows is still told."""
    loaded = small(tmp_path, DENSE)
    assert overridden(loaded, {"RERANKER": "off", "RETRIEVER_IMPL": "gru_v0"}) is loaded
    with pytest.raises(SignoffError):
        overridden(loaded, {"RERANKER": "no"})


@pytest.mark.parametrize(("environ", "told"), [
    ({"RERANKER": "false"}, "RERANKER must be on or off, found 'false'"),
    ({"RERANKER": ""}, "RERANKER must be on or off, found ''"),
    ({"RETRIEVER_IMPL": "gru_v1"}, r"RETRIEVER_IMPL: no such sequence retriever; .* \(nearest: gru_v0\)"),
])  # fmt: skip
def test_a_value_that_nobody_knows_is_an_error(loaded, environ, told):
    """Never read as its opposite, never passed over."""
    with pytest.raises(SignoffError, match=told) as caught:
        overridden(loaded, environ)
    assert caught.value.exit_code == 2


def test_with_the_reranker_off_there_is_no_second_stage(loaded, tmp_path):
    """What serves is the first stage alone, built without a reranker's bytes."""
    def second(one: Loaded) -> object:
        built = made(one, tmp_path / "cache")
        assert ("reranker" in built.folders) is (one.manifest.parts.reranker is not None)
        return LiveRelease.load(one.manifest, built.world, built.folders).second

    assert second(loaded) is not None
    assert second(overridden(loaded, {"RERANKER": "off"})) is None


def test_a_chosen_retriever_is_the_one_that_is_built(loaded, tmp_path):
    """RETRIEVER_IMPL decides the sequence part's model, as if the manifest had named it."""
    chosen = made(overridden(loaded, {"RETRIEVER_IMPL": "popularity"}), tmp_path / "cache").folders["sequence"]
    (tmp_path / "named").mkdir()
    named = loaded.path.with_name("named.yaml")
    named.write_text(LIBRARY.replace("amn_v0", "popularity"), encoding="utf-8")
    from harness.release.manifest import load_manifest

    assert chosen == made(load_manifest(named), tmp_path / "cache").folders["sequence"]
    assert chosen != made(loaded, tmp_path / "cache").folders["sequence"]
