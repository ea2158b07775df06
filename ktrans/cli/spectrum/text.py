"""What `ktrans spectrum` says beside the tables of its results."""


def target_rows(target: dict[str, float] | None) -> list[list[str]]:
    """The alignment of kernel and labels, where there is one."""
    return [] if target is None else [["kernel–target alignment", f"{target['alignment']:.6g}"]]


def dimension_rows(dimensions: list[dict[str, float]]) -> list[list[str]]:
    """Of K̂, as all strings let expect it, and its bound, for each λ."""
    rows = [["λ", "of K̂", "expected from all strings", "bound"]]
    for each in dimensions:
        found = f"{each['mean']:.6g} ± {each['stderr']:.1g}"
        others = (f"{each[name]:.6g}" for name in ("expected", "bound"))
        rows.append([f"{each['ridge']:g}", found, *others])
    return rows
