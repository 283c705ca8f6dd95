"""The `lumina` command."""

import sys

import click

from lumina.cli.check import summary
from lumina.cli.simulate import simulate
from lumina.config.load import load
from lumina.config.polled import doubts
from lumina.errors import ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lumina", message="%(prog)s %(version)s")
def main() -> None:
    """Share the Modbus devices of a site among many programs."""


main.add_command(simulate)


@main.command()
@click.argument("file")
def check_config(file: str) -> None:
    """Say what a configuration FILE would run, or all that is wrong with it."""
    try:
        config = load(file)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for line in summary(config):
        click.echo(line)
    for sentence in doubts(config.poll):
        click.echo(f"{file}: {sentence}", err=True)
