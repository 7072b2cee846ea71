"""Chapter 7, the ledger, and the Transformers counted."""

from collections.abc import Mapping, Sequence

from entk_book.ledger import Claim
from entk_book.studies.families_elsewhere import (
    SPANS,
    Coded,
    Voted,
    found_in,
    generalised,
    n_found,
)
from entk_book.studies.families_in_noise import Control
from entk_book.studies.spans import at_least, at_most, in_most, span
from entk_book.studies.without_the_group import SPACES, Verdict


def claims(
    verdicts: Mapping[str, Mapping[str, Sequence[Verdict]]],
    controls: Mapping[str, Control],
    coded: Sequence[Coded],
    transformers: Sequence[Voted],
    fresh: Sequence[Voted],
) -> list[Claim]:
    """What this chapter claims, by bars that were set before the runs.

    Args:
        verdicts: Of the adders and of both nulls, by state and eigenspace.
        controls: Families of networks that memorise, by the names of
            ``families_in_noise.CONTROLS``.
        coded: Of the toy models of superposition.
        transformers: Of the Transformers.
        fresh: Of Transformers that no choice was made on.

    Returns:
        The ledger's rows.
    """
    new, unpublished, rows = "new here", "not published", []
    for name in SPACES:
        group = verdicts["trained"][name]
        complete = sum(one.found and one.is_complete for one in group)
        means = [one.mean for one in group]
        rows += [
            Claim(
                f"all 14 frequencies recovered without the group, {name} eigenspace",
                unpublished,
                f"{complete} of {len(group)} seeds",
                in_most(complete, len(group)),
                new,
                "in most seeds, each 3 of 4 dimensions",
            ),
            Claim(
                f"shared with the waves, {name} eigenspace",
                unpublished,
                f"mean at least {at_least(means)} of 4 in every seed",
                min(means) >= 3.6,
                new,
                "every seed at least 3.6",
            ),
        ]
    nulls = [
        one
        for state, by_space in verdicts.items()
        for group in by_space.values()
        for one in group
        if state != "trained"
    ]
    passed, means = sum(one.found for one in nulls), [one.mean for one in nulls]
    memory = [c for kind, c in controls.items() if kind != "half of the pairs"]
    memorised = (
        sum(control.n_found(name) for control in memory for name in SPACES),
        sum(len(control.looked[name]) for control in memory for name in SPACES),
    )
    half = controls["half of the pairs"]
    halves = [one.mean for one in half.looked["second"] if one.found] or [0.0]
    of_coded = [family for one in coded for family in (one.outputs, one.hidden)]
    return [
        *rows,
        Claim(
            "untrained networks and shuffled units do not pass",
            unpublished,
            f"found in {passed} of {len(nulls)}, mean at most {at_most(means)} of 4",
            passed == 0 and max(means) < 1,
            new,
            "none found, none above 1",
        ),
        Claim(
            "networks that memorise do not pass",
            unpublished,
            f"found in {memorised[0]} of {memorised[1]}",
            memorised[0] == 0,
            new,
            "none found, shuffled labels and little data",
        ),
        Claim(
            "what is found is whole families, in half-learned networks, too",
            unpublished,
            f"second eigenspace: found in {half.n_found('second')} of {len(halves)}, mean "
            f"{span(halves, 1)} of 4",
            min(halves) >= 3,
            new,
            "every mean at least 3",
        ),
        Claim(
            "families in superposition, by the same procedure",
            unpublished,
            f"found in {sum(one.found for one in of_coded)} of {len(of_coded)}",
            any(one.found for one in of_coded),
            new,
            "found at all",
        ),
        Claim(
            "families in the Transformer, in the kernel's modes",
            unpublished,
            found_in(transformers, "modes"),
            _most_found(transformers, "modes"),
            new,
            "found in most seeds that generalise",
        ),
        *(
            Claim(
                f"the same in principal components of its units, {name}",
                unpublished,
                found_in(group, "components")
                + f"; untrained: {n_found(group, 'untrained')}",
                _most_found(group, "components") and not n_found(group, "untrained"),
                new,
                "found in most seeds that generalise, in none untrained",
            )
            for name, group in (("seeds looked at", transformers), ("fresh", fresh))
        ),
    ]


def _most_found(group: Sequence[Voted], which: str) -> bool:
    general = generalised(group)
    return bool(general) and in_most(n_found(general, which), len(general))


def rows_of_transformers(*groups: Sequence[Voted]) -> list[list[str]]:
    """In how many Transformers families are found, a row for each span.

    Args:
        groups: Networks, one a seed.

    Returns:
        The span with its dimensions, over all groups; then for each group a count of its
        networks and one of those that generalise.
    """
    every = [one for group in groups for one in group]
    names = ("kernel's modes", "components", "components, untrained", "as many, untrained")
    rows = []
    for which, name in zip(SPANS, names, strict=True):
        dimensions = span(getattr(one, which).dimensions for one in every)
        counts = [
            f"{n_found(some, which)} of {len(some)}"
            for group in groups
            for some in (group, generalised(group))
        ]
        rows.append([f"{name} ({dimensions})", *counts])
    return rows
