"""`signoff export KIND MANIFEST`: files for Argo Rollouts, Flagger, Prometheus, Grafana and Kubernetes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.monitor.exports.common import Exports
    from harness.release.manifest import Loaded

__all__ = ["Kind", "command"]

_NEXT = {
    "prometheus": "promtool check rules {0}/signoff.rules.yml && promtool test rules {0}/signoff.rules.test.yml",
    "grafana": "import {0}/dashboard.json and choose a data source", "argo": "kubectl apply {1}",
    "flagger": "kubectl apply {1}", "k8s": "kubectl apply {1}"}


class Kind(StrEnum):
    """For whom the files are."""

    ARGO = "argo"
    FLAGGER = "flagger"
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    K8S = "k8s"


def command(
    kind: Annotated[Kind, typer.Argument(help="For whom the files are.")],
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write there. Default: print.")] = None,
    service: Annotated[str | None, typer.Option(
        metavar="URL", help="Where the service answers: a URL (argo), host:port (prometheus).")] = None,
    metrics: Annotated[str | None, typer.Option(metavar="URL", help="Where Prometheus answers (flagger).")] = None,
    image: Annotated[str | None, typer.Option(help="The container's image (argo, k8s).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write what others need to watch or to roll out a release as its manifest says: guards, ramp, probes."""
    from harness.release.manifest import load_manifest

    given = {"service": service, "metrics": metrics, "image": image}
    made = _made(kind, load_manifest(manifest), {name: value for name, value in given.items() if value is not None})
    if out is not None:
        _write(made, out)
    if as_json:
        print_json({"kind": kind.value, "files": {name: str(out / name) if out else text
                                                  for name, text in made.items()}})
    else:
        _tell(kind, made, out)


def _made(kind: Kind, loaded: Loaded, given: dict[str, str]) -> Exports:
    from harness.monitor.exports import argo, flagger, grafana, kubernetes, prometheus

    maker, names = {
        Kind.ARGO: (argo.exported, {"service": "service", "image": "image"}),
        Kind.FLAGGER: (flagger.exported, {"metrics": "prometheus"}),
        Kind.PROMETHEUS: (prometheus.exported, {"service": "target"}), Kind.GRAFANA: (grafana.exported, {}),
        Kind.K8S: (kubernetes.exported, {"image": "image"})}[kind]
    if useless := sorted(given.keys() - names.keys()):
        raise UsageError(f"--{useless[0]} says nothing to {kind.value}; it takes "
                         f"{' and '.join(f'--{name}' for name in names) or 'no address'}")
    made: Exports = maker(loaded, **{names[name]: value for name, value in given.items()})  # type: ignore[operator]
    return made


def _write(made: Exports, out: Path) -> None:
    from harness.data.store import atomic_write_text

    for name, text in made.items():
        atomic_write_text(out / name, text)


def _tell(kind: Kind, made: Exports, out: Path | None) -> None:
    show = console()
    if out is None:
        for name, text in made.items():
            show.print(f"# {name}\n{text}", end="", markup=False, soft_wrap=True)
        return
    for name in made:
        show.print(f"written: {out / name}", markup=False, soft_wrap=True)
    files = " ".join(f"-f {out / name}" for name in made)
    show.print(f"next: {_NEXT[kind.value].format(out, files)}", markup=False, soft_wrap=True)
