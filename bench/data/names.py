"""People matched across data sets by the letters of their names."""

from __future__ import annotations

import unicodedata


def normalise(name: str) -> str:
    """Letters only, without accents, case folded: ``José_Ángel 2`` and ``jose angel`` are both ``joseangel``.

    A name without a letter gives ``""``, which matches nobody; so does one with more digits than letters, which is a
    number and no name (``n000001``, ``id_0042``).
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    letters = "".join(c for c in folded if c.isalpha())
    return letters if len(letters) >= sum(c.isdigit() for c in folded) else ""
