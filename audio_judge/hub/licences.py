"""Licences of what a judge is made of: which one binds the whole, and whether commercial use is allowed.

Weights that were started from others say so in their configuration (``license``, ``attributions``); of data and language
model a card's facts may say it. Left out: legal advice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# What binds a user to no more than to name the authors; ids of the Hub without their version
FREE = ("apache", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "cc0", "unlicense", "cc-by")
SHARE_ALIKE = ("cc-by-sa", "mpl", "gpl", "lgpl", "agpl")


def strictest(licenses: Iterable[str]) -> str:
    """Find the licence that binds a whole made of parts; of several equally strict ones the first.

    Those that forbid commercial use are the strictest. One that is not known here counts as stricter than those that allow
    every use.

    Args:
        licenses: Ids of the Hub, at least one.

    Example:
        >>> strictest(["apache-2.0", "mit", "cc-by-nc-sa-4.0"]), strictest(["apache-2.0", "cc-by-4.0"])
        ('cc-by-nc-sa-4.0', 'apache-2.0')
    """
    return max(licenses, key=strictness)


def strictness(license_id: str) -> int:
    """Rank a licence: 0 free, 1 the same licence for what is made of it, 2 unknown, 3 and more without commercial use."""
    name = license_id.lower().strip()
    family = re.sub(r"-\d[\d.]*$", "", name)
    if not allows_commerce(name):
        return 3 + ("-sa" in name) + 2 * ("-nd" in name)
    return 0 if family in FREE else 1 if family in SHARE_ALIKE else 2


def allows_commerce(license_id: str) -> bool:
    """Whether a licence allows commercial use, as far as its id says.

    Example:
        >>> allows_commerce("cc-by-nc-sa-4.0"), allows_commerce("mit")
        (False, True)
    """
    return "-nc" not in license_id.lower()


def parts_of(config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Read the licences of a judge's weights and whom to name for them from its configuration, encoders in encoders included.

    Returns:
        Ids of licences, and attributions, each once and in order.

    Example:
        >>> parts_of({"audio_config": {"encoders": [{"license": "mit", "attributions": ["A"]}, {"license": None}]}})
        (['mit'], ['A'])
    """
    found = list(_configurations(config))
    licenses = [one["license"] for one in found if one.get("license")]
    attributions = [words for one in found for words in one.get("attributions") or ()]
    return list(dict.fromkeys(licenses)), list(dict.fromkeys(attributions))


def _configurations(config: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(config, Mapping):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for one in config:
            yield from _configurations(one)
