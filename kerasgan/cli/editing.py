"""`kerasgan edit`."""

import contextlib
import inspect
import signal

import click

from kerasgan.cli import model_classes, runs
from kerasgan.cli.arguments import TakesPreset, directions_option, run_or_file
from kerasgan.cli.environment import import_keras, listen, needs, usage_errors

EXAMPLES = 32  # pictures of the data, from which the colours of the brushes are taken
POINTS = 2000  # to find directions with


@click.command(cls=TakesPreset)
@run_or_file
@directions_option
@click.option(
    "--clip",
    metavar="CLIP",
    help="Change images by words, too: a preset of keras-hub's CLIP, a folder with one, or "
    "FILE.py:FUNCTION, which returns an object with encode_images and encode_texts.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def edit(run_or_file, directions, clip, host, port):
    """Change images on a web page.

    RUN_OR_FILE can also be a SavedModel, which is edited through its signature edit. A model that
    makes images gets sliders, a model that translates gets brushes. A preset of keras-hub is
    downloaded by it, if it was not before.
    """
    needs("flask", "waitress", extra="web")
    import_keras()
    from kerasgan.editing import application
    from kerasgan.serving import web

    with contextlib.closing(listen(host, port)) as listening:
        editor = _editor(run_or_file, directions, clip)
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.default_int_handler)
        app = application.create_app(editor, host)
        server = web.make_server(app, listening, application.LARGEST_BODY)
        with contextlib.suppress(KeyboardInterrupt):
            click.echo(f"Open {web.url_of(listening)} in a browser; Ctrl-C ends.")
            server.run()


def _editor(path, directions, clip=None):
    """The editor that the page uses."""
    from kerasgan.editing import editors

    version = _saved_model(path)
    if version is not None:
        if clip is not None:
            raise click.UsageError(
                "--clip: a text cannot steer a SavedModel; give the run instead."
            )
        if directions is not None:
            raise click.UsageError(
                "--directions: a SavedModel already contains its directions; leave the option out."
            )
        with usage_errors():
            return editors.served(version, str(path))
    model, _ = runs.load_run(path)
    from kerasgan import roles

    with usage_errors():
        if roles.has(model, roles.Translates):
            if directions is not None:
                name = type(model).__name__
                raise ValueError(
                    f"--directions: {name} translates images and has no latents; leave the option "
                    "out."
                )
            if clip is not None:
                raise ValueError(
                    f"--clip: {type(model).__name__} translates what you draw, not texts; leave "
                    "the option out."
                )
            settings = _settings(path)
            pictures = _pictures(model, settings)
            erases = settings.get("task") == "inpaint"
            return editors.live_painter(model, _name(path), pictures, erases)
        roles.require(model, roles.HasLatents, "kerasgan edit")
        found, hint = runs.load_directions(path, directions), ""
        if found is None:
            found, hint = _unnamed(model, path)
        judge = None if clip is None else _clip(clip)
        # This is right if the same CLIP encoded the texts of the data.
        if judge is not None and model.draws_texts and model.encode_text is None:
            model.encode_text = judge.encode_texts
        return editors.LiveEditor(model, found, _name(path), hint, judge)


def _clip(name):
    """The CLIP that `--clip` names.

    Raises:
        ValueError: if there is no such CLIP, or the object is not one.
    """
    if not model_classes.is_own(name):
        needs("keras_hub", extra="text")
        from kerasgan.metrics import KerasHubCLIP

        return KerasHubCLIP.from_preset(name)
    make = model_classes.own_function(name)
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise ValueError(
            f"--clip {name}: {error}; name a function without arguments, which returns the object."
        ) from error
    clip = make()
    missing = [m for m in ("encode_images", "encode_texts") if not callable(getattr(clip, m, None))]
    if missing:
        raise ValueError(
            f"--clip {name} returns {type(clip).__name__}, which has no method {missing[0]}; "
            "return an object with encode_images and encode_texts."
        )
    return clip


def _saved_model(path):
    """The newest version of a SavedModel in a folder, or the folder itself; None if it is none."""
    from kerasgan.serving.folders import version_folders

    if (path / "saved_model.pb").is_file():
        return path
    versions = version_folders(path) if path.is_dir() else {}
    newest = versions[max(versions)] if versions else None
    return newest if newest is not None and (newest / "saved_model.pb").is_file() else None


def _settings(path):
    folder = runs.run_of(path)
    return {} if folder is None else runs.read_settings(folder)


def _pictures(model, settings):
    """Some pictures of each domain of a run's data; none if the data no longer exists."""
    import numpy as np

    from kerasgan import data
    from kerasgan.utils.images import to_uint8

    if not settings:
        return {}
    kind = data.kind_of(model)
    try:
        examples = kind.load(kind.fitted(model, settings), training=False)
        batches = list(examples.unbatch().take(EXAMPLES).as_numpy_iterator())
    except (OSError, ValueError) as error:
        click.echo(
            "kerasgan: note: the data cannot be read, so the brushes have default colours: "
            f"{error}",
            err=True,
        )
        return {}
    halves = (to_uint8(np.stack(half)) for half in zip(*batches, strict=True))
    return dict(zip(model.networks_by_direction, halves, strict=False))


def _unnamed(model, path):
    """Directions found in the model itself, and how the page describes them."""
    from kerasgan import control, roles

    method = "pca" if roles.has(model, roles.HasStyles) else "sefa"
    labels = None if model.condition is None else model.all_classes(POINTS)
    try:
        found = control.directions(model, method=method, num_points=POINTS, labels=labels)
    except ValueError as error:
        return None, f"There are no directions: {error}"
    return found, f"These are the model's own ({method}), without names. {_how_to_name(path)}"


def _how_to_name(path):
    """How to find directions with names for a model."""
    from kerasgan.presets.catalogue import SHIPPED

    if path.parent == SHIPPED:  # no place for a user's file
        named = f"--preset {path.name}"
        return (
            f"Find some with names: kerasgan directions {named} --scores ink --out directions.npz; "
            f"then kerasgan edit {named} --directions directions.npz"
        )
    folder = path if path.is_dir() else path.parent
    return (
        f"Find some with names: kerasgan directions {path} --scores ink "
        f"--out {folder / runs.DIRECTIONS}"
    )


def _name(path):
    """What the page calls a model."""
    from kerasgan.presets.catalogue import SHIPPED

    return path.name if path.parent == SHIPPED else str(path)
