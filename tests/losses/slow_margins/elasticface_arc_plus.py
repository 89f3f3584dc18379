from slow_margins.elasticface_arc import Slow as SlowArc


def by_distance(twin, drawn):
    """The largest margin for the sample that lies farthest from its centre, and so on; or what was released."""
    nearest_first = sorted(range(len(drawn)), key=twin.own)
    smallest_first = sorted(drawn)
    if twin.options["as_released"]:
        return [smallest_first[place] for place in nearest_first]
    margins = [0.0] * len(drawn)
    for sample, margin in zip(nearest_first, smallest_first, strict=True):
        margins[sample] = margin
    return margins


class Slow(SlowArc):
    def assign(self, drawn):
        return by_distance(self, drawn)
