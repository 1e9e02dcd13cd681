"""Curves of the losses and metrics."""

from kerasgan import pictures
from kerasgan.callbacks.run_history import RunHistory


class TrainingCurves(RunHistory):
    """Draws `curves.png`: the losses in one panel, and a panel for every metric.

    The numbers themselves are in `history.csv`, which is updated after every epoch. The picture is
    drawn at the end, and after an epoch at most every `seconds`.

    Args:
        folder: where `curves.png` and `history.csv` go; made if missing.
        seconds: float, the shortest time between two writes of the picture.

    Example:

    >>> gan = kerasgan.VanillaGAN((2,), latent_dim=2)
    >>> gan.compile()
    >>> curves = kerasgan.callbacks.TrainingCurves("runs/ring")
    >>> points = kerasgan.data.load("ring8", batch_size=1000)
    >>> history = gan.fit(points, epochs=2, callbacks=[curves], verbose=0)
    """

    def write(self) -> None:
        """Draws the curves so far."""
        pictures.write_png(self.folder / "curves.png", draw_curves(self.rows))


def draw_curves(rows):
    """Draws the history of a run.

    Args:
        rows: dict from epoch to dict of floats by name.

    Returns:
        uint8 array (height, width, 3).
    """
    from matplotlib.figure import Figure

    panels = _panels(rows)
    figure = Figure(figsize=(5 * len(panels), 3.5), layout="constrained")
    for index, title in enumerate(panels):
        _draw(figure.add_subplot(1, len(panels), index + 1), title, panels[title], rows)
    return pictures.figure_pixels(figure)


def draw_panels(rows):
    """Draws the history of a run for a web page: each panel by itself, narrow enough for a phone.

    Args:
        rows: dict from epoch to dict of floats by name.

    Returns:
        Dict from a panel's title to a uint8 array (height, width, 3).
    """
    from matplotlib.figure import Figure

    drawn = {}
    for title, members in _panels(rows).items():
        figure = Figure(figsize=(4, 3), layout="constrained")
        _draw(figure.add_subplot(), title, members, rows)
        drawn[title] = pictures.figure_pixels(figure, dpi=240)
    return drawn


def _panels(rows):
    """Groups the logged names into panels: dict from a panel's title to a list of names."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    panels = {}
    for name in names:
        # Validation values are drawn dashed, in the panel of the training values.
        base = name.removeprefix("val_")
        panels.setdefault("losses" if base.endswith("_loss") else base, []).append(name)
    return panels


def _draw(axes, title, members, rows):
    from matplotlib.ticker import MaxNLocator

    colors = {}
    for name in members:
        base = name.removeprefix("val_")
        colors.setdefault(base, f"C{len(colors)}")
        points = [(epoch, row[name]) for epoch, row in sorted(rows.items()) if name in row]
        style = "--" if name.startswith("val_") else "-"
        marker = "o" if len(points) == 1 else None
        axes.plot(*zip(*points, strict=True), style, marker=marker, c=colors[base], label=name)
    axes.set(title=title.replace("_", " "), xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
