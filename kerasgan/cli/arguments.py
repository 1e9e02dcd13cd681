"""Arguments and options that several commands share."""

import pathlib

import click

from kerasgan.cli.environment import usage_errors

run_or_file = click.argument("run_or_file", type=click.Path(path_type=pathlib.Path))
data_dir = click.option("--data-dir", help="Where TensorFlow Datasets keeps its data.")
skip_damaged = click.option(
    "--skip-damaged",
    is_flag=True,
    default=None,  # otherwise a continued run would get it each time
    help="Leave out pictures that cannot be read, and say which.  [default: at most 1 % of them]",
)
directions_option = click.option(
    "--directions",
    type=click.Path(path_type=pathlib.Path),
    help="Directions to move along, an .npz file that kerasgan directions wrote.  "
    "[default: RUN/directions.npz if there is one]",
)


class TakesPreset(click.Command):
    """A command that accepts `--preset NAME` instead of its first argument, a run or a file."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        option = click.Option(
            ["--preset"],
            metavar="NAME",
            expose_value=False,
            help="Use this preset instead of RUN_OR_FILE; `kerasgan presets` lists them.",
        )
        self.params.append(option)

    def parse_args(self, context, args):
        rest, names = [], []
        words = iter(args)
        for word in words:
            name, equals, value = word.partition("=")
            if word == "--":
                rest += [word, *words]
            elif name == "--preset":
                names.append(value if equals else next(words, ""))
            else:
                rest.append(word)
        if names and not {"--help", "-h"} & set(rest):
            rest.insert(0, str(preset_folder(names[-1])))
        return super().parse_args(context, rest)


def preset_folder(name):
    """The folder of a preset by its name."""
    from kerasgan.presets import catalogue

    try:
        with usage_errors():
            preset = catalogue.find(name)
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    if preset.folder is None:
        raise click.UsageError(
            f"the preset {name} has only the settings of a paper and no weights; to train its "
            f"model, make it in Python with kerasgan.from_preset({name!r}, weights=None)."
        )
    return preset.folder
