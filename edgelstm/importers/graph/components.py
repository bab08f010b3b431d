"""What reads itself: the strongly connected components of a graph."""

from collections.abc import Mapping, Sequence


def loops(reads: Mapping[int, Sequence[int]]) -> list[set[int]]:
    """What reads itself, by way of others: sets of all that read each other (Tarjan's strongly connected components)."""
    order, lowest = dict[int, int](), dict[int, int]()
    path, found = dict[int, None](), list[set[int]]()
    for root in reads:
        walk = [] if root in order else [(root, iter(reads[root]))]
        while walk:
            node, rest = walk[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                path[node] = None
            after = next((one for one in rest if one not in order or one in path), None)
            if after is not None and after in order:
                lowest[node] = min(lowest[node], order[after])
            elif after is not None:
                walk.append((after, iter(reads[after])))
            else:
                walk.pop()
                if walk:
                    lowest[walk[-1][0]] = min(lowest[walk[-1][0]], lowest[node])
                found += _closed(node, path, reads) if lowest[node] == order[node] else []
    return found


def _closed(node: int, path: dict[int, None], reads: Mapping[int, Sequence[int]]) -> list[set[int]]:
    """The loop that begins with a node, whose members are taken off the path; none where it is alone."""
    loop = set[int]()
    while node not in loop:
        loop.add(path.popitem()[0])
    return [loop] if len(loop) > 1 or node in reads[node] else []
