"""The naive translator: rules for letters and groups of letters, of which the longest that fits is taken."""

#: What letters stand for, as a reader of English might say without knowing the word.
RULES = {
    "a": "AE", "ai": "EY", "air": "EH R", "al": "AH L", "ar": "AA R", "are": "EH R", "au": "AO", "aw": "AO", "ay": "EY",
    "b": "B", "bb": "B", "c": "K", "cc": "K", "ce": "S", "ch": "CH", "ci": "S IH", "ck": "K", "cy": "S IY", "d": "D", "dd": "D",
    "dge": "JH", "e": "EH", "ea": "IY", "ear": "IH R", "ee": "IY", "eer": "IH R", "ei": "AY", "el": "AH L", "en": "AH N", "er": "ER",
    "eu": "UW", "ew": "UW", "ey": "IY", "f": "F", "ff": "F", "g": "G", "ge": "JH", "gg": "G", "gh": "G", "h": "HH", "i": "IH",
    "ie": "IY", "igh": "AY T", "ing": "IH NG", "ir": "ER", "j": "JH", "k": "K", "kn": "N", "l": "L", "ll": "L", "m": "M",
    "mc": "M AH K", "mm": "M", "n": "N", "ng": "NG", "nk": "NG K", "nn": "N", "o": "AA", "oa": "OW", "oi": "OY", "on": "AH N",
    "oo": "UW", "or": "AO R", "ou": "AW", "ough": "AO", "ow": "OW", "oy": "OY", "p": "P", "ph": "F", "pp": "P", "q": "K",
    "qu": "K W", "r": "R", "rr": "R", "s": "S", "sc": "S K", "sch": "SH", "sh": "SH", "ss": "S", "t": "T", "tch": "CH", "th": "TH",
    "tion": "SH AH N", "sion": "ZH AH N", "tt": "T", "u": "AH", "ur": "ER", "v": "V", "w": "W", "wh": "W", "wr": "R", "x": "K S",
    "y": "IY", "z": "Z", "zz": "Z", "'s": "Z", "'": "", "ous": "AH S", "ture": "CH ER", "ble": "B AH L", "tle": "T AH L",
}  # fmt: skip

#: The same at the end of a word alone.
ENDINGS = {
    "e": "",
    "es": "Z",
    "ed": "D",
    "le": "AH L",
    "a": "AH",
    "o": "OW",
    "i": "IY",
    "re": "ER",
    "s": "Z",
    "ies": "IY Z",
    "man": "M AH N",
}


def say(word: str) -> list[str]:
    """The phonemes of a word of letters."""
    found: list[str] = []
    at = 0
    while at < len(word):
        rest = word[at:]
        if at and rest in ENDINGS:
            return found + ENDINGS[rest].split()
        length = next(n for n in range(min(4, len(rest)), 0, -1) if rest[:n] in RULES)
        found += RULES[rest[:length]].split()
        at += length
    return found
