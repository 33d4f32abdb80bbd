"""The entry point of all commands: streams, usage errors and exit codes."""

import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from metrics_graphql.cli.output import (
    discard_unwritable,
    prepare_streams,
    print_error,
)


class CommandGroup(TyperGroup):
    """Commands whose usage errors are one line, and which survive closed or unwritable streams."""

    def main(self, *args: Any, **options: Any) -> NoReturn:  # noqa: ANN401 - those of typer
        """Run a command, and exit with its status."""
        streams = prepare_streams()
        try:
            status = super().main(*args, **{**options, "standalone_mode": False}) or 0
            sys.stdout.flush()
        except TyperException as error:
            print_error(describe_usage_error(error))
            status = getattr(error, "exit_code", 2)
        except typer.Abort:
            status = 1
        except BrokenPipeError:
            status = 1
        except OSError as error:
            print_error(describe_os_error(error))
            status = 1
        finally:
            discard_unwritable(streams)
        sys.exit(status)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own
        """Print the help to standard error if there are no arguments."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)


def describe_usage_error(error: TyperException) -> str:
    """Return one line: what is wrong, and the command that prints the help."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    return f"{message} (see {context.command_path} --help)" if context else message


def describe_os_error(error: OSError) -> str:
    """Return one line: the file, and what is wrong."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
