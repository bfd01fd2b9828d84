"""Percentiles of what was measured, and numbers as people read them."""


def percentile(values, share):
    """The value below which `share` of the sorted values lie; None of nothing."""
    if not values:
        return None
    return values[min(len(values) - 1, int(share * len(values)))]


def milliseconds(nanoseconds):
    """Three figures at most, as 0.21, 4.7 or 130."""
    if nanoseconds is None:
        return "-"
    value = nanoseconds / 1e6
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def seconds(value):
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
