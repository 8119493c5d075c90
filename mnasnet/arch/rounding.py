"""Rounding of filters to widths that devices like."""

DIVISOR = 8


def round_filters(filters: float) -> int:
    """The nearest multiple of 8, at least 8, and never less than nine tenths of `filters`.

    The official rule (tensorflow/tpu, `mnasnet_model.round_filters`): halves go up, and a result below
    0.9 × `filters` is raised by 8. The paper does not say how the relative filters 0.75, 1 and 1.25 are
    rounded; this project uses the same rule for them.

    Raises:
        ValueError: `filters` is not positive.
    """
    if not filters > 0:
        raise ValueError(f"filters must be positive, not {filters}")
    rounded = max(DIVISOR, int(filters + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * filters else rounded
