"""How long to wait before something is tried again."""


def backoff_seconds(tries: int, jitter: float, *, first: float, longest: float) -> float:
    """`first` seconds after the first try, twice as long after each further one, `longest` at most.

    `jitter`, uniform in 0..1, takes away up to half of it: what failed together must not come back together.
    """
    # The exponent is bounded so that it cannot overflow a float, however many tries are allowed.
    return min(first * 2.0 ** min(tries - 1, 32), longest) * (0.5 + jitter / 2)
