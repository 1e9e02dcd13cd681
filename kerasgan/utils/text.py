"""Numbers as lines of text."""


def in_columns(rows, left):
    """Rows of str as lines whose columns stand below each other: list of str.

    Args:
        rows: list of sequences of str, all of one length.
        left: int, how many columns begin at the same place; those after them end there.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    justify = [str.ljust if column < left else str.rjust for column in range(len(widths))]
    return [
        "  ".join(
            each(cell, w) for each, cell, w in zip(justify, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
