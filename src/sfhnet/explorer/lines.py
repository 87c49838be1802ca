"""Lines that the page names in a spectrum: the stronger ones of gas, and features of stars."""

__all__ = ["LINES_AA"]

# Air wavelengths [Angstrom], rounded to what a mark needs.
LINES_AA: tuple[tuple[str, float], ...] = (
    ("Hβ", 4861.3),
    ("[OIII]", 4958.9),
    ("[OIII]", 5006.8),
    ("Mg b", 5175.4),
    ("[NI]", 5200.3),
    ("Fe", 5270.0),
    ("HeI", 5875.6),
    ("Na D", 5892.9),
    ("[OI]", 6300.3),
    ("[NII]", 6548.1),
    ("Hα", 6562.8),
    ("[NII]", 6583.5),
    ("[SII]", 6716.4),
    ("[SII]", 6730.8),
    ("TiO", 7054.0),
    ("[ArIII]", 7135.8),
    ("Ca T", 8498.0),
    ("Ca T", 8542.1),
    ("Ca T", 8662.1),
    ("[SIII]", 9068.6),
)
