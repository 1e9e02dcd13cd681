"""Arguments and options that several commands have."""

import pathlib

import click

run_or_file = click.argument("run_or_file", type=click.Path(path_type=pathlib.Path))
data_dir = click.option("--data-dir", help="Where TensorFlow Datasets keeps its data.")
skip_damaged = click.option(
    "--skip-damaged",
    is_flag=True,
    default=None,  # or a run that is continued would be given it each time
    help="Leave out pictures that cannot be read, and say which.  [default: at most 1 % of them]",
)
directions_option = click.option(
    "--directions",
    type=click.Path(path_type=pathlib.Path),
    help="Directions to move along (.npz), as kerasgan directions finds them.  "
    "[default: RUN/directions.npz if there is one]",
)
