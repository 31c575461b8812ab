"""How sizes are written for people."""


def count(number: int) -> str:
    """A number with thin groups, or a dash where it is not known.

    >>> count(377900), count(-1)
    ('377 900', '-')
    """
    return f"{number:,}".replace(",", " ") if number >= 0 else "-"


def short(number: int) -> str:
    """Three digits with k or M, or a dash where it is not known.

    >>> short(850), short(118282), short(1104640), short(-1)
    ('850', '118k', '1.10M', '-')
    """
    if number < 0:
        return "-"
    rounded = float(f"{number:.3g}")
    size, unit = next(
        (rounded / scale, unit)
        for scale, unit in ((1e6, "M"), (1e3, "k"), (1, ""))
        if rounded >= scale or scale == 1
    )
    digits = 0 if not unit else max(0, 3 - len(str(int(size))))
    return f"{size:.{digits}f}{unit}"
