"""`signoff gates` on live parts: one's own retriever behind three doors, and what a broken one leaves."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.cli.app import main
from tests.release.small import DENSE, EASY, FULL, beir, small

ENGINE = '''
import json
import re
import sys
from pathlib import Path

MODE = Path(__file__).with_name("mode")
LINES = Path(__file__).with_name("beir").joinpath("corpus.jsonl").read_text(encoding="utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES]
WORDS = {row["_id"]: set(re.findall("[a-z]{4,}", f"{row['_id']} {row['text']}".lower())) for row in ROWS}


def search(queries, k):
    mode = MODE.read_text(encoding="utf-8") if MODE.exists() else "sound"
    if mode == "raises":
        raise KeyError("index is being rebuilt")
    if mode == "short":
        return []
    if mode == "unknown":
        return [[("nowhere", 1.0)] for _ in queries]
    if mode == "nan":
        return [[("abs", float("nan"))] for _ in queries]
    if mode == "exits":
        sys.exit(3)
    return [found(query, k) for query in queries]


def found(query, k):
    asked = set(re.findall("[a-z]{4,}", query.lower()))
    scored = {name: len(asked & words) / len(words) ** 0.3 for name, words in WORDS.items() if asked & words}
    return sorted(scored.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(search([asked["query"]], asked["k"])[0]))
'''
OWN = "{{retriever: {{impl: {}, target: '{}', timeout_s: {}}}}}"
SOUND = ("[{measure: Success@50, at_least: 0.6}, {measure: unanswered, at_most: 0}, "
         "{measure: violations of batch_equals_single, at_most: 0}, {measure: replay differences, at_most: 0}]")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    (beir(tmp_path) / "engine_of_mine.py").write_text(ENGINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNOFF_KEY", "RERANKER", "RETRIEVER_IMPL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def endpoint(here, monkeypatch) -> Iterator[str]:
    """The same engine behind a real server on this machine."""
    monkeypatch.syspath_prepend(str(here))
    sys.modules.pop("engine_of_mine", None)
    import engine_of_mine  # type: ignore[import-not-found]  # written above

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mode = engine_of_mine.MODE.read_text(encoding="utf-8") if engine_of_mine.MODE.exists() else "sound"
            if mode == "slow":
                time.sleep(2.0)
            body = json.dumps({"hits": engine_of_mine.search(asked["queries"], asked["k"])}).encode()
            self.send_response(503 if mode == "refuses" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the test's own output says enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/search"
        server.shutdown()
        thread.join()


def gated(capfd, *words: str, verb: str = "gates") -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines on stderr that tell an error.

    Each door is seen to break under `gates`; its further ways to break are tried with `eval`, which asks the same
    engine through the same door in this process.
    """
    code = main([verb, *words])
    out, err = capfd.readouterr()
    return code, out, [line for line in err.splitlines() if line.startswith("signoff:")]


def test_a_callable_of_one_s_own_passes_its_gates(here, capfd):
    """Quality, a property and determinism, measured on the user's function; stdout is one JSON document."""
    small(here, OWN.format("callable", "engine_of_mine:search", 30), SOUND)
    code, out, told = gated(capfd, "small.yaml", "--json")
    (run,) = json.loads(out)
    assert (code, run["verdict"], run["exit_code"], run["signed"], told) == (0, "PASS", 0, None, [])
    assert [row["verdict"] for row in run["findings"]] == ["PASS"] * 4
    assert Path(run["reports"], "evidence.jsonl").is_file()


@pytest.mark.slow
def test_a_command_of_one_s_own_passes_the_same_gates(here, capfd):
    """A real process, asked once for all queries, without a shell."""
    policy = SOUND.replace("{measure: violations of batch_equals_single, at_most: 0}, ", "")  # a process for each try
    small(here, OWN.format("command", f"{sys.executable} engine_of_mine.py", 30), policy)
    code, out, _ = gated(capfd, "small.yaml", "--json")
    assert code == 0, out


@pytest.mark.slow
def test_an_endpoint_of_one_s_own_passes_the_same_gates(here, endpoint, capfd):
    """A real server over HTTP, also for the processes that repeat the run."""
    small(here, OWN.format("http", endpoint, 30), SOUND)
    code, out, _ = gated(capfd, "small.yaml", "--json")
    assert code == 0, out


def test_three_doors_give_the_same_numbers(here, endpoint, capfd):
    """The same engine behind a function, a program and a server is the same release to every measure."""
    values = []
    for kind, target in (("callable", "engine_of_mine:search"), ("command", f"{sys.executable} engine_of_mine.py"),
                         ("http", endpoint)):
        small(here, OWN.format(kind, target, 30), name=kind)
        assert main(["eval", f"{kind}.yaml", "--json"]) == 0
        values.append(json.loads(capfd.readouterr().out)["measures"])
    assert values[0] == values[1] == values[2] and values[0]["RR"] > 0.2


@pytest.fixture
def signed(here, capfd) -> bytes:
    """A release that passed and was signed before its engine broke."""
    small(here, OWN.format("callable", "engine_of_mine:search", 30))
    assert gated(capfd, "small.yaml", "--sign")[0] == 0
    return (here / "signed" / "small.intoto.jsonl").read_bytes()


def test_an_engine_that_breaks_leaves_no_evidence_and_the_signed_release_as_it_was(here, signed, capfd):
    """Every way to break: one line, exit code 2, no evidence that could be signed, the earlier bundle to the byte."""
    for mode, told in (("raises", "the retriever failed"), ("unknown", "hit is not in the corpus")):
        (here / "mode").write_text(mode, encoding="utf-8")
        code, out, lines = gated(capfd, "small.yaml", "--sign", "--json")
        assert (code, out, len(lines)) == (2, "", 1) and told in lines[0], lines
        assert not (here / "reports" / "small" / "evidence.jsonl").exists()
        assert (here / "signed" / "small.intoto.jsonl").read_bytes() == signed
    assert main(["sign", "small.yaml"]) == 12


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "told"), [
    ("short", "wrong number of answers; expected a list of"),
    ("nan", "score is not a number"),
])  # fmt: skip
def test_a_wrong_answer_of_a_callable_is_one_line(here, mode, told, capfd):
    """What it returned is said, and nothing is measured."""
    (here / "mode").write_text(mode, encoding="utf-8")
    small(here, OWN.format("callable", "engine_of_mine:search", 30))
    code, out, lines = gated(capfd, "small.yaml")
    assert (code, out, len(lines)) == (2, "", 1) and told in lines[0], lines


@pytest.mark.parametrize(("verb", "target", "told"), [
    ("gates", "-c \"import time; time.sleep(9)\"", "no answer in time; expected within 0.5 s"),
    pytest.param("eval", "engine_of_mine.py", "exited with 3; expected exit code 0", marks=pytest.mark.slow),
    pytest.param("eval", "-c \"print(1)\"", "wrong number of answers; expected", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_command_that_breaks_is_one_line(here, verb, target, told, capfd):
    """A program that hangs, fails or says too little."""
    (here / "mode").write_text("exits", encoding="utf-8")
    loaded = small(here)
    manifest = {"release": "small", "seed": 7, "data": {"beir": "beir"}, "policy": [{"measure": "RR", "at_least": 0.1}],
                "parts": {"retriever": {"impl": "command", "target": f"{sys.executable} {target}", "timeout_s":
                                        0.5 if "sleep" in target else 30}}}
    loaded.path.write_text(json.dumps(manifest), encoding="utf-8")
    code, out, lines = gated(capfd, "small.yaml", verb=verb)
    assert (code, out, len(lines)) == (2, "", 1) and told in lines[0], lines
    assert not (here / "reports" / "small" / "evidence.jsonl").exists()


@pytest.mark.parametrize(("verb", "mode", "told"), [
    ("gates", "slow", "no answer in time; expected within 0.5 s"),
    pytest.param("eval", "refuses", "endpoint refused; expected status 200, found 503", marks=pytest.mark.slow),
    pytest.param("eval", "unknown", "hit is not in the corpus", marks=pytest.mark.slow),
])  # fmt: skip
def test_an_endpoint_that_breaks_is_one_line(here, endpoint, verb, mode, told, capfd):
    """A server that is slow, refuses, or names a document that nobody has."""
    (here / "mode").write_text(mode, encoding="utf-8")
    small(here, OWN.format("http", endpoint, 0.5 if mode == "slow" else 30))
    code, out, lines = gated(capfd, "small.yaml", verb=verb)
    assert (code, out, len(lines)) == (2, "", 1) and told in lines[0], lines


@pytest.mark.parametrize(("policy", "told"), [
    ("[{measure: nDCG_10, at_least: 0.1}]", "unknown measure"),
    pytest.param("[{measure: violations of top_prefix, at_most: 0}]", "no such property", marks=pytest.mark.slow),
    ("[{measure: RR, at_least: 0.1, slice: all}]", "slice"),
    ("[]", "policy"),
])  # fmt: skip
def test_a_policy_that_cannot_be_gated_is_bad_input(here, policy, told, capfd):
    """Exit 2 and one line, no evidence."""
    small(here)
    text = (here / "small.yaml").read_text(encoding="utf-8")
    (here / "small.yaml").write_text(text.replace(FULL, DENSE).replace(EASY, policy), encoding="utf-8")
    code, out, lines = gated(capfd, "small.yaml")
    assert (code, out, len(lines)) == (2, "", 1) and told in lines[0], lines
    assert not (here / "reports" / "small" / "evidence.jsonl").exists()


def test_no_manifest_is_bad_input(here, capfd):
    """Nothing gated is nothing shown."""
    for words in ([], ["missing.yaml"], ["engine_of_mine.py"]):
        code, out, lines = gated(capfd, *words)
        assert (code, out, len(lines)) == (2, "", 1)
