"""The `signoff` command: a table of verbs, each imported only when it is called.

A verb's module offers `command`, a typer-annotated function; what it returns (or raises as `typer.Exit`) is the exit
code. Errors are one line on stderr. Nothing heavier than the standard library is imported for `signoff --help`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.errors import Exit, SignoffError, UsageError, nearest

__all__ = ["UNEXPECTED", "VERBS", "Verb", "help_text", "main"]

UNEXPECTED = 1
INTERRUPTED = 130


class Verb(NamedTuple):
    """Where a verb's `command` lives, the heading it is listed under, and one line on what it does."""

    module: str
    heading: str
    help: str


VERBS: Mapping[str, Verb] = {
    "init": Verb("harness.cli.init", "Begin", "write a commented manifest, tox.ini and a CI workflow"),
    "gates": Verb("harness.cli.gates", "Release", "run every gate of a manifest and write the evidence"),
    "sign": Verb("harness.cli.sign", "Release", "re-derive the verdict from the evidence and sign the release"),
    "verify": Verb("harness.cli.verify", "Release", "check a signed release: signature, digests, every verdict"),
    "approve": Verb("harness.cli.approve", "Release", "sign that an item of the checklist is in order"),
    "status": Verb("harness.cli.status", "Release", "the checklist: done, missing, by whom, when, what next"),
    "keygen": Verb("harness.cli.keygen", "Release", "make a signing key"),
    "freeze": Verb("harness.cli.freeze", "Release", "build a release's artifacts with digests and run manifest"),
    "contract": Verb("harness.cli.contract", "Release", "write the release contract from the evidence, or check it"),
    "bank": Verb("harness.cli.bank", "Release", "make a signed release the gold standard for later ones"),
    "sustain": Verb("harness.cli.sustain", "Release", "one cycle over today's data: a candidate for the gates"),
    "admit": Verb("harness.cli.admit", "Serve", "let a signed release serve an environment, after a backup"),
    "rollback": Verb("harness.cli.rollback", "Serve", "serve the release before again, at once, and check it"),
    "smoke": Verb("harness.cli.smoke", "Serve", "is what serves whole, does it answer, are its figures back"),
    "serve": Verb("harness.cli.serve", "Serve", "answer queries over HTTP by what the pointer names"),
    "trail": Verb("harness.cli.trail", "Serve", "who did what, when; verify that no row was changed"),
    "backup": Verb("harness.cli.backup", "Serve", "keep what serves: create, list, verify, restore"),
    "rollout": Verb("harness.cli.rollout", "Serve", "give a candidate traffic stage by stage, or take it back"),
    "monitor": Verb("harness.cli.monitor", "Serve", "hold the signed guards against traffic, live or recorded"),
    "export": Verb("harness.cli.export", "Serve", "files for Argo, Flagger, Prometheus, Grafana, Kubernetes"),
    "audit": Verb("harness.cli.audit", "Measure", "counterfactual audit of a table of logged decisions"),
    "power": Verb("harness.cli.power", "Measure", "what each gate catches, and how often it refuses what is sound"),
    "plan": Verb("harness.cli.plan", "Measure", "how many queries would settle each bound"),
    "metrics": Verb("harness.cli.metrics", "Measure", "score a run against judgements"),
    "eval": Verb("harness.cli.eval", "Measure", "measure a release before and after reranking"),
    "compare": Verb("harness.cli.compare", "Measure", "paired differences of two releases: plan, tune or hold"),
    "tune": Verb("harness.cli.tune", "Look inside", "find the cheapest setting that loses nothing"),
    "health": Verb("harness.cli.health", "Look inside", "whether what answers is fit to be evaluated"),
    "diagnose": Verb("harness.cli.diagnose", "Look inside", "index health and reranker acceptance"),
    "explain": Verb("harness.cli.explain", "Look inside", "why a query got its results"),
    "hunt": Verb("harness.cli.hunt", "Look inside", "search for the query and mutation that lose most"),
    "weekly": Verb("harness.cli.weekly", "Look inside", "rebuild the truth, evaluate again, append to the history"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; every failure is one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except SignoffError as error:
        return _say(str(error), int(error.exit_code))
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:
        if debug:
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return _say(f"unexpected {text} (run again with --debug for the traceback)", UNEXPECTED)


def help_text() -> str:
    """What `signoff --help` prints: usage, every verb under its heading, the exit codes."""
    lines = ["Usage: signoff VERB [OPTIONS] [ARGUMENTS]", "", "Gate, sign and verify releases of a search system."]
    width = max(map(len, VERBS)) + 2
    heading = ""
    for name, verb in VERBS.items():
        if verb.heading != heading:
            heading = verb.heading
            lines += ["", f"{heading}:"]
        lines.append(f"  {name:<{width}}{verb.help}")
    return "\n".join([*lines, "", *_ENDING])


_ENDING = [
    "signoff VERB --help tells a verb's options. With --json, where a verb reports,",
    "stdout is one JSON document. --debug shows tracebacks, --version the version.",
    "",
    "Exit codes: 0 passed, 2 usage or unreadable input, 10 refused, 11 inconclusive,",
    "            12 evidence or attestation invalid, 1 anything unforeseen.",
]


def _run(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        print(help_text())
        return int(Exit.PASSED if words else Exit.USAGE)
    if words[0] == "--version":
        print(f"signoff {_version()}")
        return int(Exit.PASSED)
    name = words[0]
    if name not in VERBS:
        near = nearest(name, VERBS)
        raise UsageError(f"unknown {'option' if name.startswith('-') else 'verb'} {name!r}"
                         + (f" (nearest: {near})" if near else "") + "; signoff --help lists the verbs")
    return _invoke(name, words[1:])


def _invoke(name: str, words: list[str]) -> int:
    """Run a verb's command; the parser's own complaints become one line, like every other error."""
    import typer

    command = _command(name)
    try:
        code = command.main(args=words, prog_name=f"signoff {name}", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.Exit as done:
        code = done.exit_code
    except SystemExit as done:  # the parser leaves so when the reader of its output has gone
        raise BrokenPipeError from done
    except Exception as error:
        if not isinstance(error, typer.BadParameter.__mro__[2]):  # the parser's own base
            raise
        message = " ".join(str(getattr(error, "format_message", error.__str__)()).split()).rstrip(".")
        raise UsageError(f"{name}: {message} (see signoff {name} --help)") from None
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return int(code or 0)


def _command(name: str) -> Any:
    import typer

    module = importlib.import_module(VERBS[name].module)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name=name)(module.command)
    return typer.main.get_command(app)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("signoff")
    except PackageNotFoundError:
        return "(not installed)"


def _say(line: str, code: int) -> int:
    print(f"signoff: {' '.join(line.splitlines())}", file=sys.stderr)
    return code


def _reader_left() -> int:
    """Whoever read stdout has gone: nothing was shown in full, so this is never a pass; and stay silent at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNEXPECTED
