"""The group of all commands, and how errors are reported."""

import errno
import sys

import click

import kerasgan
from kerasgan.cli import (
    augment,
    compare,
    control,
    editing,
    evaluate,
    fakes,
    hype,
    import_file,
    info,
    model_classes,
    presets,
    sample,
    serving,
    train,
    translate,
)
from kerasgan.utils.printable import printable


def main():
    """Runs the command line; errors are one line on stderr, and exit code 2 (usage) or 1 (run)."""
    debug = "--debug" in sys.argv  # wherever it stands
    try:
        arguments = [a for a in sys.argv[1:] if a != "--debug"]
        sys.exit(commands(arguments, standalone_mode=False))
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted.", 130)
    except click.ClickException as error:
        if debug and error.__cause__ is not None:
            raise error.__cause__ from None
        _fail(error.format_message(), error.exit_code)
    except Exception as error:
        if debug:
            raise
        _fail(f"{_describe(error)} (--debug shows where)", 1)


def _describe(error):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "no space left on the disk; what was saved before is intact, so make room and continue "
            "(a training: with --resume)"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _fail(message, exit_code):
    print(f"kerasgan: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(exit_code)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasgan.__version__, prog_name="kerasgan")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commands(context, debug):
    """Train, sample, measure and serve generative adversarial networks."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    model_classes.models,
    presets.presets,
    train.train,
    sample.sample,
    translate.translate,
    control.interpolate,
    control.directions,
    control.project,
    evaluate.evaluate,
    augment.augment,
    fakes.fakes,
    compare.compare,
    serving.export,
    serving.serving_config,
    serving.serve,
    info.info,
    import_file.import_file,
    hype.hype,
    editing.edit,
):
    commands.add_command(command)
