"""The `lumina` command."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from lumina import validity
from lumina.assembly.poll import burden
from lumina.cli.check import summary
from lumina.cli.explain import explained
from lumina.cli.idle import idle
from lumina.cli.poll import poll_command
from lumina.cli.rules import tables
from lumina.cli.simulate import simulate
from lumina.cli.spool import spool
from lumina.config import credentials
from lumina.config.load import load
from lumina.config.polled import doubts
from lumina.config.settings import Config
from lumina.errors import BadRequest, ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lumina", message="%(prog)s %(version)s")
def main() -> None:
    """Share the Modbus devices of a site among many programs."""


main.add_command(simulate)
main.add_command(poll_command)
main.add_command(spool)


@main.command(short_help="Say what a FILE would run, or what is wrong.")
@click.argument("file")
@click.option("--access", is_flag=True, help="Print the access rules as they count for each listener.")
@click.option(
    "--explain",
    metavar="SENTENCE",
    help='Say what would happen, and why: "10.0.0.5 write holding 100 on boiler unit 3".',
)
def check_config(file: str, access: bool, explain: str | None) -> None:
    """Say what a configuration FILE would run, or all that is wrong with it."""
    try:
        config = load(file)
        impossible, much = burden(config)
        if impossible:
            raise ConfigError("\n".join(f"{file}: {sentence}" for sentence in impossible))
        lines = _told(config, access, explain)
    except (ConfigError, BadRequest, ValueError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for line in lines:
        click.echo(line)
    for sentence in () if explain else (*idle(config), *doubts(config.poll), *much, *_ending(config)):
        click.echo(f"{file}: {sentence}", err=True)


def _ending(config: Config) -> Iterator[str]:
    """What is to be told of certificates that have expired, or will soon."""
    found = validity.doubts(credentials.files(config), config.log.expiry, datetime.now(UTC))
    return (doubt.sentence for doubt in found)


def _told(config: Config, access: bool, question: str | None) -> list[str]:
    """
    What is asked for.

    @raise ValueError: or `BadRequest`; the question is not understood.
    """
    if question is not None:
        return list(explained(question, config))
    return list(tables(config) if access else summary(config))
