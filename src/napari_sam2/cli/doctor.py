"""``napari-sam2 doctor``: what this installation is, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam2.cli.console import ERROR, Log, err, out, speaks_plainly

if TYPE_CHECKING:
    from napari_sam2.doctor import Finding, Report


@speaks_plainly
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
    log: Log = None,
) -> None:
    """Print what an issue report needs: versions, devices, models, Qt, OpenGL, what is wrong, and how to mend it.

    Follows a cell through a tiny movie to see that the engine works. Opens no
    window. The exit status is 1 when something has to be mended.

    \b
    napari-sam2 doctor
    napari-sam2 doctor --json > doctor.json
    """
    from napari_sam2.doctor import examine, judge

    with err().status("Looking") as status:
        report = examine(lambda what: status.update(f"Looking at {what}"))
    findings = judge(report)
    console = out()
    if as_json:
        typer.echo(json.dumps(to_dict(report, findings), indent=2))
    else:
        for line in lines(report, findings):
            console.print(line, markup=False)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(ERROR)


def to_dict(report: Report, findings: list[Finding]) -> dict[str, object]:
    """Report and findings as plain data."""
    from dataclasses import asdict

    return {**report.as_dict(), "findings": [asdict(finding) for finding in findings]}


def lines(report: Report, findings: list[Finding]) -> Iterator[str]:
    """Yield the report as text, the findings last, where the eye is."""
    yield f"napari-sam2  {report.version}  ({report.installed_at})"
    yield f"Python       {report.python}, {report.bits} bit  ({report.executable})"
    yield f"system       {report.system}"
    versions = [f"{name} {version}" for name, version in report.packages.items() if version is not None]
    for i in range(0, len(versions), 6):
        yield f"{'packages' if i == 0 else '':<13}{', '.join(versions[i : i + 6])}"
    yield f"torch        {report.torch_build or report.torch_error}, {report.threads or 0} threads"
    for i, device in enumerate(report.devices):
        memory = "" if device.bytes is None else f", {device.bytes / 1e9:.0f} GB"
        mark = "  <- auto" if device.chosen else ""
        yield f"{'devices' if i == 0 else '':<13}{device.name}: {device.what}{memory}{mark}"
    yield f"precision    {_trial(report)}"
    for i, model in enumerate(report.models):
        checked = {
            "right": "checksum right",
            "wrong": "CHECKSUM WRONG",
            "unfinished": "unfinished download",
            "unknown": f"sha256 {(model.sha256 or '')[:12]}, nothing to compare it with",
        }[model.check]
        yield f"{'models' if i == 0 else '':<13}{model.name}: {model.bytes / 1e6:.1f} MB, {checked}  ({model.path})"
    cache = report.cache
    yield f"cache        {cache.path}: {cache.bytes / 1e6:.0f} MB used, {_gigabytes(cache.free)} free"
    yield f"temporary    {report.temporary.path}: {_gigabytes(report.temporary.free)} free"
    yield f"window       {_window(report)}"
    for i, (name, value) in enumerate(report.settings.items()):
        yield f"{'environment' if i == 0 else '':<13}{name}={value}"
    yield ""
    if not findings:
        yield "Nothing is wrong."
    for finding in findings:
        yield f"{'PROBLEM' if finding.level == 'problem' else 'Advice'}: {finding.what}"
        yield f"    {finding.mend}"


def _trial(report: Report) -> str:
    trial = report.trial
    if not trial.ran:
        return f"unknown: {trial.error}"
    return (
        f"{trial.precision} on {trial.device}, as the bundled model really ran: loaded in {trial.load_seconds:.1f} s, "
        f"3 small frames in {trial.seconds:.1f} s, IoU {trial.iou:.2f}"
    )


def _window(report: Report) -> str:
    window = report.window
    if not window.installed:
        return "napari is not installed"
    parts = [window.binding, window.qt, window.platform, window.gl and f"OpenGL {window.gl}", window.renderer]
    said = ", ".join(part for part in parts if part)
    names = " and ".join(f"{name} {version}" for name, version in report.bindings.items())
    return said if window.works else f"{said or names}; {window.error}"


def _gigabytes(n_bytes: int | None) -> str:
    return "unknown" if n_bytes is None else f"{n_bytes / 1e9:.1f} GB"
