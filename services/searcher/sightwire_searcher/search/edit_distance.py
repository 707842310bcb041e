"""Distance of two words: letters that must be added, removed, replaced or swapped with their neighbour."""


def within_distance(first: str, second: str, distance: int) -> bool:
    """Whether the words differ in no more than `distance` letters."""
    if abs(len(first) - len(second)) > distance:
        return False
    before_last: list[int] = []
    last = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != other))
            is_swap = row > 1 and column > 1 and letter == second[column - 2] and other == first[row - 2]
            current.append(min(cost, before_last[column - 2] + 1) if is_swap else cost)
        if min(current) > distance:
            return False
        before_last, last = last, current
    return last[-1] <= distance
