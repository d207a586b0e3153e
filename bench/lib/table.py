"""How figures look in a terminal."""

DASH = "—"


def figure(value):
    """Three significant digits or so, at most six columns."""
    if value is None:
        return DASH
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2f}".removesuffix(".00")


def reached(weir, goal, better):
    """Whether weir's figure meets the goal; None when either is missing."""
    if weir is None or goal is None:
        return None
    return weir <= goal if better == "lower" else weir >= goal


def render(group, rows):
    """One group as an aligned table. rows: the Row and its medians {name: value or None}."""
    rivals = list(dict.fromkeys(name for row, _ in rows for name in row.rivals))
    lines = [["row", "unit", "weir", *rivals, "floor", "goal", "reached?"]]
    for row, medians in rows:
        bound = "" if row.goal is None else ("≤" if row.better == "lower" else "≥")
        met = reached(medians.get("weir"), row.goal, row.better)
        lines.append([
            row.id.removeprefix(group + "."), row.unit, figure(medians.get("weir")),
            *(figure(medians.get(name)) if name in row.rivals else "" for name in rivals),
            figure(medians.get("floor")) if row.floor is not None else "",
            bound + figure(row.goal) if bound else "",
            {True: "yes", False: "no", None: DASH if bound else ""}[met]])
    widths = [max(map(len, column)) for column in zip(*lines)]
    left = {0, 1}
    out = []
    for cells in lines:
        padded = [cell.ljust(width) if at in left else cell.rjust(width)
                  for at, (cell, width) in enumerate(zip(cells, widths))]
        out.append("  ".join(padded).rstrip())
    out.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(out)


def floors(rows):
    """What the floors of these rows are, one line each."""
    names = {}
    for row, _ in rows:
        if row.floor is not None:
            names.setdefault(row.floor_name, []).append(row.id.split(".", 1)[1])
    return [f"floor of {', '.join(ids)}: {name}" if len(names) > 1 else f"floor: {name}"
            for name, ids in names.items()]
