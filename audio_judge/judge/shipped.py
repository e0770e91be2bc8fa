"""The judges that ship with the package: names, folders, licences, and what each is for.

``AudioJudge.from_pretrained("open")``, ``--judge open`` and ``python -m eval run --judge open`` all look here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class ShippedJudge:
    """A judge that ships with the package.

    Args:
        folder: Where it lies.
        about: What it is for, in a line.
        license: Id of the licence of its weights, as on the Hub.
    """

    folder: Path
    about: str
    license: str

    @property
    def is_there(self) -> bool:
        """Whether this copy of the package holds it."""
        return (self.folder / "config.json").is_file()


# The first is taken if none is named
SHIPPED_JUDGES = {
    "mini": ShippedJudge(_PACKAGE / "mini", "the most accurate of ours; not for commercial use", "cc-by-nc-sa-4.0"),
    "open": ShippedJudge(_PACKAGE / "open", "nothing from NISQA in it; a company may use it", "apache-2.0"),
}
DEFAULT_JUDGE = next(iter(SHIPPED_JUDGES))


def place_of(judge: str | Path | None = None) -> str:
    """Say where a judge is that is named by a shipped judge's name, a folder, or an id on the Hub.

    A shipped judge's name means that judge, also where a folder of this name lies; the folder is ``./open``, or a ``Path``.

    Args:
        judge: None for the first of ``SHIPPED_JUDGES``.

    Returns:
        Folder or Hub id, for transformers.

    Raises:
        OSError: If a single word is neither a shipped judge nor a folder, or this copy of the package lacks that judge.

    Example:
        >>> place_of("me/my-judge"), place_of("./open"), Path(place_of("mini")).name
        ('me/my-judge', './open', 'mini')
    """
    shipped = shipped_judge(judge)
    if shipped is not None:
        if not shipped.is_there:
            here = ", ".join(name for name, one in SHIPPED_JUDGES.items() if one.is_there) or "none"
            raise OSError(f"{judge or DEFAULT_JUDGE}: this copy of the package lacks that judge; it has {here}")
        return str(shipped.folder)
    place = str(judge)
    is_word = not place.startswith((".", "~")) and not any(mark in place for mark in {"/", os.sep})
    if is_word and not Path(place).is_dir():
        names = ", ".join(SHIPPED_JUDGES)
        raise OSError(f"{place}: no such folder, and no judge that ships ({names}); an id on the Hub is owner/name")
    return place


def shipped_judge(judge: str | Path | None) -> ShippedJudge | None:
    """Find the shipped judge that is meant; None for a folder or an id on the Hub."""
    if judge is None or judge == "":
        return SHIPPED_JUDGES[DEFAULT_JUDGE]
    return SHIPPED_JUDGES.get(judge) if isinstance(judge, str) else None
