"""The command line: one command a file, each thin. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import typer

from auditor.cli import (
    compare,
    config,
    demo,
    doctor,
    explain,
    harden,
    init,
    plugins,
    report,
    scan,
    selftest,
    study,
    verify,
)

app = typer.Typer(
    name="auditor",
    help="Audit how robust a model file is to adversarial inputs, and how far that answer can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("scan")(scan.scan)
app.command("demo")(demo.demo)
app.command("harden")(harden.harden)
app.command("verify")(verify.verify)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.add_typer(plugins.app, name="plugins")
app.command("explain")(explain.explain)
app.command("init")(init.init)
app.command("config")(config.config)
app.command("doctor")(doctor.doctor)
app.command("selftest")(selftest.selftest)
app.add_typer(study.app, name="study")


def _version(value: bool) -> None:
    if value:
        from auditor._version import __version__

        typer.echo(f"auditor {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Audit how robust a model file is to adversarial inputs, and how far that answer can be trusted."""
