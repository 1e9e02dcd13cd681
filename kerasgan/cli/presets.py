"""`kerasgan presets`."""

import json

import click

from kerasgan.cli.environment import usage_errors
from kerasgan.utils.text import in_columns


@click.command()
@click.argument("name", required=False)
def presets(name):
    """List the presets, or show the card of the preset NAME.

    Presets with weights come first; `kerasgan sample --preset NAME` draws from them. The others are
    settings of papers, for kerasgan.from_preset(NAME, weights=None) in Python.
    """
    from kerasgan.presets import catalogue

    if name is None:
        rows = [("preset", "model", "images", "weights")]
        rows += [_row(preset) for preset in catalogue.presets().values()]
        click.echo("\n".join(in_columns(rows, left=3)))
        return
    with usage_errors():
        preset = catalogue.find(name)
    if preset.folder is None:
        _, model, images, _ = _row(preset)
        click.echo(f"{preset.name}: {model}, {images}, without weights")
        settings = {"arguments": preset.config["config"]}
        if preset.config["compile_config"]:
            settings["compile"] = preset.config["compile_config"]
        click.echo(json.dumps({**settings, **preset.paper}, indent=2))
        return
    card = preset.folder / catalogue.CARD
    click.echo(
        card.read_text(encoding="utf-8")
        if card.exists()
        else f"{preset.folder} has no {catalogue.CARD}."
    )


def _row(preset):
    shape = preset.config["config"].get("image_shape")
    images = "" if shape is None else "x".join(map(str, shape))
    size = f"{preset.weights.stat().st_size / 2**20:.1f} MiB" if preset.weights else "-"
    return preset.name, preset.class_name, images, size
