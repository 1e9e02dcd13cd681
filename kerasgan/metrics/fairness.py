"""Compares how often, and how well, generated and real images show the groups of the data."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasgan import roles
from kerasgan.checks import class_names as classes
from kerasgan.checks import whole_number
from kerasgan.metrics.batches import blocks, checked_labels, outputs
from kerasgan.utils.text import in_columns


@dataclasses.dataclass(frozen=True, eq=False)
class Rates:
    """A rate per group, for generated and for reference images, and their difference.

    Attributes:
        generated, reference: float64 (groups,) from 0 to 1, NaN where a group had no image.
        lower, upper: float64 (groups,), the ends of the confidence intervals of the differences.
    """

    generated: np.ndarray
    reference: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """float64 (groups,): generated minus reference."""
        return self.generated - self.reference

    @property
    def largest(self) -> float | None:
        """The largest absolute difference, a float, or None when no group has one."""
        known = np.abs(self.difference[~np.isnan(self.difference)])
        return float(known.max()) if len(known) else None

    @property
    def clear(self) -> np.ndarray:
        """bool (groups,): whether the interval excludes 0."""
        return (self.lower > 0.0) | (self.upper < 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class FairnessReport:
    """The results of `fairness_report`.

    Attributes:
        group_names: tuple of str.
        num_generated, num_reference: int, how many images were compared.
        confidence: float, of each interval.
        shares: `Rates`, the share of the images that the classifier assigns to each group.
        true_positive_rates: `Rates`, the share of a group's images that it recognizes, or None.
        false_positive_rates: `Rates`, the share of the other images that it takes for the group, or
            None.
        why_no_odds: str, why the last two are None; None if they are not.
    """

    group_names: tuple
    num_generated: int
    num_reference: int
    confidence: float
    shares: Rates
    true_positive_rates: Rates | None = None
    false_positive_rates: Rates | None = None
    why_no_odds: str | None = None

    @property
    def demographic_parity_difference(self) -> float | None:
        """float: the largest absolute difference of a group's shares; 0 is parity."""
        return self.shares.largest

    @property
    def equalized_odds_difference(self) -> float | None:
        """float: the largest absolute difference of a true or false positive rate, or None."""
        both = (self.true_positive_rates, self.false_positive_rates)
        found = [rates.largest for rates in both if rates is not None]
        return max((largest for largest in found if largest is not None), default=None)

    @property
    def sections(self) -> dict[str, Rates]:
        """dict from title to `Rates`, for all rates that were measured."""
        found = {
            "share": self.shares,
            "true positive rate": self.true_positive_rates,
            "false positive rate": self.false_positive_rates,
        }
        return {title: rates for title, rates in found.items() if rates is not None}

    def table(self) -> str:
        """The report as aligned text.

        Returns:
            str: rates in percent, differences and their intervals in percentage points; a star
            marks a difference whose interval excludes 0.
        """
        percent = f"{100 * self.confidence:g} %"
        lines = [
            f"{self.num_generated} generated and {self.num_reference} reference images; "
            f"* marks a {percent} interval without 0",
            f"demographic parity difference: {_percent(self.demographic_parity_difference)}",
            "equalized odds difference:     "
            + (
                _percent(self.equalized_odds_difference)
                if self.why_no_odds is None
                else f"none, {self.why_no_odds}"
            ),
        ]
        for title, rates in self.sections.items():
            header = ("group", "generated", "reference", "difference", f"{percent} interval", "")
            rows = [header]
            for index, name in enumerate(self.group_names):
                ends = (rates.lower[index], rates.upper[index])
                known = not np.isnan(rates.difference[index])
                rows.append(
                    (
                        name,
                        _percent(rates.generated[index]),
                        _percent(rates.reference[index]),
                        f"{100 * rates.difference[index]:+.1f}" if known else "-",
                        " to ".join(f"{100 * end:+.1f}" for end in ends) if known else "-",
                        "*" if rates.clear[index] else "",
                    )
                )
            lines += ["", title, *in_columns(rows, left=0)]
        return "\n".join(lines)

    def plot(self, title: str | None = None) -> np.ndarray:
        """Plots the differences with their intervals, a panel for each rate; red ones exclude 0.

        Args:
            title: None, or a str to put above the picture, such as the name of the model.

        Returns:
            uint8 array (height, width, 3).
        """
        # Here, because whoever only imports the package need not wait for it.
        from matplotlib.figure import Figure

        from kerasgan import pictures

        panels = self.sections
        size = (1.0 + 3.2 * len(panels), 1.4 + 0.28 * len(self.group_names))
        figure = Figure(figsize=size, layout="constrained")
        positions = np.arange(len(self.group_names))
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (rate, rates) in zip(all_axes, panels.items(), strict=True):
            axes.axvline(0.0, color="grey", linewidth=0.8)
            for clear, color in ((False, "tab:blue"), (True, "tab:red")):
                rows = np.flatnonzero((rates.clear == clear) & ~np.isnan(rates.difference))
                middle = 100 * rates.difference[rows]
                arms = [middle - 100 * rates.lower[rows], 100 * rates.upper[rows] - middle]
                axes.errorbar(middle, positions[rows], xerr=arms, fmt="o", color=color, capsize=2)
            axes.set(title=rate, xlabel="generated less reference, points")
            axes.grid(axis="x", alpha=0.3)
        figure.suptitle(title or "")
        all_axes[0].set_yticks(positions, self.group_names)
        all_axes[0].invert_yaxis()
        return pictures.figure_pixels(figure)

    def to_dict(self) -> dict:
        """The report as numbers, strings, lists and dicts that `json` can write.

        Rates are from 0 to 1 and differences from -1 to 1, or None where there was no image.
        """

        def described(rates):
            return {
                name: {
                    "generated": _number(rates.generated[index]),
                    "reference": _number(rates.reference[index]),
                    "difference": _number(rates.difference[index]),
                    "interval": [_number(rates.lower[index]), _number(rates.upper[index])],
                }
                for index, name in enumerate(self.group_names)
            }

        return {
            "num_generated": self.num_generated,
            "num_reference": self.num_reference,
            "confidence": self.confidence,
            "group_names": list(self.group_names),
            "demographic_parity_difference": self.demographic_parity_difference,
            "equalized_odds_difference": self.equalized_odds_difference,
            "why_no_odds": self.why_no_odds,
            **{
                title.replace(" ", "_") + "s": described(rates)
                for title, rates in self.sections.items()
            },
        }


def fairness_report(
    images_or_model,
    attribute_classifier: str | keras.Model | Callable,
    reference,
    *,
    labels: ArrayLike | None = None,
    group_names: Sequence[str] | None = None,
    num_images: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> FairnessReport:
    """Compares how a classifier sees the groups in generated and in reference images.

    It applies two definitions of fairness. The protected attribute is whether an image is
    generated, and the decision is which group the classifier assigns it to, one group against the
    others at a time:

    - **Demographic parity** (statistical parity, Dwork et al.): the decision does not depend on the
      attribute. The difference of a group is its share of the generated images minus its share of
      the reference images, both as the classifier sees them; the summary is the largest absolute
      difference. It reveals a generator that forgets a group.
    - **Equalized odds** (Hardt et al.): the decision does not depend on the attribute among images
      of the same true group. The differences are those of the classifier's true positive rate (the
      share of the group's images that it assigns to the group) and of its false positive rate (the
      share of other images that it assigns to the group); the summary is the largest absolute
      difference of either. It reveals a conditional generator that draws a group badly. The true
      group of a generated image is the one that was requested.

    Use a balanced set or the training data as the reference; the intervals take into account that
    it is a sample, too. They are Newcombe's hybrid score intervals, without correction for multiple
    comparisons: of twenty at 95 % about one misses the true value, and the largest of many
    differences is above 0 even for a perfect generator. The classifier's mistakes affect both sides
    of a difference, but a classifier that was not trained on generated images may make other
    mistakes on these.

    Args:
        images_or_model: float images (n, height, width, channels) in [-1, 1], or a model with
            `generate`. A conditional model generates its classes in the proportions of the
            reference's labels, or in equal shares when there are no labels.
        attribute_classifier: Keras model, or function, from float32 images in [-1, 1] to logits or
            probabilities (n, groups), of which the largest gives the group. A function may also
            return the groups themselves, whole numbers from 0 or booleans (n,). Also `"digits"`, or
            anything else that `kerasgan.metrics.features.extractor` takes.
        reference: images, a tuple (images, labels), or an iterable of batches of either, such as
            `kerasgan.data.load(..., labels=True, shuffle=False)`, which is read once to its end.
            The labels are the true groups, whole numbers from 0.
        labels: when images are given, the groups (n,) that were requested, or None.
        group_names: sequence of str; None for the class names of the reference data or, if it has
            none, for numbers.
        num_images: int, how many images to generate with a model.
        seed: int, for the latents of the model.
        confidence: float between 0 and 1, the confidence level of each interval.

    Returns:
        `FairnessReport`, with `table()`, `plot()` and `to_dict()`.

    Raises:
        ValueError: for images, labels or outputs of the classifier that cannot be compared.

    Example:

    >>> bright = np.ones((60, 8, 8, 1), "float32")
    >>> generated = np.concatenate([bright, -bright[:20]])
    >>> reference = np.concatenate([bright, -bright])
    >>> report = kerasgan.metrics.fairness_report(
    ...     generated,
    ...     lambda images: images.mean(axis=(1, 2, 3)) > 0.0,
    ...     reference,
    ...     group_names=["dark", "bright"],
    ... )
    >>> print(report.table())
    80 generated and 120 reference images; * marks a 95 % interval without 0
    demographic parity difference: 25.0 %
    equalized odds difference:     none, the images have no labels
    <BLANKLINE>
    share
     group  generated  reference  difference   95 % interval
      dark     25.0 %     50.0 %       -25.0  -37.0 to -11.3  *
    bright     75.0 %     50.0 %       +25.0  +11.3 to +37.0  *

    Reference: Fairness Through Awareness, Dwork et al., 2012, arXiv:1104.3913; Equality of
    Opportunity in Supervised Learning, Hardt, Price & Srebro, 2016, arXiv:1610.02413; Interval
    estimation for the difference between independent proportions, Newcombe, 1998, Statistics in
    Medicine 17, method 10. The papers compare two groups of people; here the attribute is real or
    generated, so that the definitions can judge a generator.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence={confidence!r}; use a number between 0 and 1, such as 0.95.")
    is_model = roles.has(images_or_model, roles.GeneratesImages)
    if not is_model and not hasattr(images_or_model, "shape"):
        raise ValueError(
            f"images_or_model is {type(images_or_model).__name__}; use an array of images or a "
            "model with generate."
        )
    if is_model and labels is not None:
        raise ValueError(
            "labels are only for arrays of images; leave them out for a model, which draws its own."
        )
    if labels is not None:
        labels = checked_labels(labels, len(images_or_model), "the generated images")
    if is_model:
        whole_number("num_images", num_images, 2)

    names_of_reference = classes.of_data(reference)
    if is_model:
        names_of_model = images_or_model.class_names
        classes.compare(names_of_model, names_of_reference, "the model", "the reference")
    real = _seen(reference, attribute_classifier, "the reference images")
    if is_model:
        conditional = images_or_model.num_classes is not None
        labels = _labels_to_ask(images_or_model, real, num_images) if conditional else None
        images_or_model = images_or_model.generate(num_images, seed=seed, labels=labels)
    fake = _seen(
        images_or_model if labels is None else (images_or_model, labels),
        attribute_classifier,
        "the generated images",
        real.image_shape,
        "the reference images have",
    )

    names = group_names
    if names is None and real.labels is not None:
        names = names_of_reference
    names = _names_of_groups(names, real, fake)
    why_no_odds = None
    if fake.labels is None:
        why_no_odds = "the model is unconditional" if is_model else "the images have no labels"
    elif real.labels is None:
        why_no_odds = "the reference has no labels"
    generated, expected = (side.counts(len(names), why_no_odds is None) for side in (fake, real))
    found = {
        name: compare_rates(*generated[name], *expected[name], confidence)  # type: ignore[call-arg]
        for name in generated
    }
    return FairnessReport(
        group_names=names,
        num_generated=len(fake.predicted),
        num_reference=len(real.predicted),
        confidence=confidence,
        why_no_odds=why_no_odds,
        **found,
    )


def compare_rates(
    generated_counts, generated_totals, reference_counts, reference_totals, confidence=0.95
):
    """Proportions of two independent samples and Newcombe's interval for their difference.

    Args:
        generated_counts, generated_totals, reference_counts, reference_totals: int (groups,): how
            many images out of how many, on either side.
        confidence: float, of each interval.

    Returns:
        `Rates`, NaN where a total is 0.

    Reference: Newcombe, 1998, method 10: each proportion has its Wilson score interval, and the
    squared distances to their ends are added. Without continuity correction.
    """
    # Here, because whoever only imports the package need not wait for it.
    from statsmodels.stats.proportion import confint_proportions_2indep

    n1, n2 = (np.where(np.asarray(n) > 0, n, np.nan) for n in (generated_totals, reference_totals))
    lower, upper = confint_proportions_2indep(
        generated_counts,
        n1,
        reference_counts,
        n2,
        method="newcomb",
        compare="diff",
        alpha=1.0 - confidence,
    )
    return Rates(generated_counts / n1, reference_counts / n2, lower, upper)


@dataclasses.dataclass
class _Side:
    """What the classifier saw in one set of images.

    Attributes:
        predicted: int64 (n,), the groups it saw.
        labels: int64 (n,), the true groups, or None.
        width: int, how many groups it tells apart, or None when it names them.
        image_shape: (height, width, channels).
    """

    predicted: np.ndarray
    labels: np.ndarray | None
    width: int | None
    image_shape: tuple

    def counts(self, groups, with_odds):
        """dict from rate to counts: in how many images of each group it holds, out of how many."""

        def per_group(values):
            return np.bincount(values, minlength=groups)

        n = np.full(groups, len(self.predicted))
        found = {"shares": (per_group(self.predicted), n)}
        if with_odds:
            right = self.predicted == self.labels
            members = per_group(self.labels)
            found["true_positive_rates"] = (per_group(self.predicted[right]), members)
            found["false_positive_rates"] = (per_group(self.predicted[~right]), n - members)
        return found


def _seen(images, classifier, what, shape=None, wants=None):
    """Reads a set of images block by block and keeps only the classifier's output."""
    predicted, labels, width = [], [], None
    for block, of_block in blocks(images, what, shape, wants):
        groups, width = _groups(outputs(classifier, block, "logits"), len(block))
        predicted.append(groups)
        labels.append(of_block)
        shape = block.shape[1:]
    labels = None if labels[0] is None else np.concatenate(labels)
    return _Side(np.concatenate(predicted), labels, width, tuple(shape))


def _groups(output, count):
    """The groups (count,) in an output of the classifier, and how many groups it distinguishes."""
    if output.shape == (count,) and output.dtype.kind in "biu" and output.min() >= 0:
        return output.astype("int64"), None
    if output.ndim == 2 and len(output) == count and output.shape[1] > 1:
        if np.any(np.isnan(output)):
            raise ValueError("the attribute_classifier returned NaN.")
        return np.argmax(output, axis=1), output.shape[1]
    raise ValueError(
        f"the attribute_classifier returned {output.dtype} of shape {output.shape} for {count} "
        f"images; it has to return logits or probabilities ({count}, groups) with two groups or "
        f"more, or the groups themselves, whole numbers from 0 or booleans ({count},)."
    )


def _labels_to_ask(model, real, num_images):
    """The labels that a conditional model generates, in the proportions of the reference."""
    if real.labels is None:
        return np.arange(num_images) % model.num_classes
    classes = 1 + real.labels.max()
    if model.num_classes < classes or model.num_classes != (real.width or model.num_classes):
        raise ValueError(
            f"the model has {model.num_classes} classes, but the groups are "
            f"{max(classes, real.width or 0)}; leave the labels of the reference out, or give "
            "images and their groups as labels=."
        )
    return np.sort(real.labels)[np.arange(num_images) * len(real.labels) // num_images]


def _names_of_groups(names, *sides):
    """One name for each group."""
    known = [values for side in sides for values in (side.predicted, side.labels)]
    needed = 1 + max(values.max() for values in known if values is not None)
    width = sides[0].width
    if width is not None and needed > width:
        raise ValueError(
            f"there is a label {needed - 1}, but the attribute_classifier has {width} groups, 0 to "
            f"{width - 1}."
        )
    names = tuple(map(str, range(width or needed) if names is None else names))
    if len(names) != (width or len(names)) or len(names) < needed:
        raise ValueError(
            f"group_names has {len(names)} names ({', '.join(names)}) for {width or needed} "
            "groups; give one name for each group."
        )
    return names


def _percent(rate):
    return "-" if rate is None or np.isnan(rate) else f"{100 * rate:.1f} %"


def _number(value):
    return None if np.isnan(value) else float(value)
