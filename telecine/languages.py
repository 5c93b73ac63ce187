"""Language tags: checked by BCP 47 (RFC 5646), and what each is called in its own language."""

import difflib

__all__ = ["autonym", "canonical_language"]


def canonical_language(tag: str) -> str:
    """The tag as BCP 47 writes it: ``en`` for ``eng``, ``pt-BR`` for ``pt-br``. Raises ValueError with a suggestion."""
    import langcodes  # noqa: PLC0415 - a tenth of a second that titles without text need not wait

    if tag and len(tag.partition("-")[0]) <= _LONGEST and langcodes.tag_is_valid(tag):
        return langcodes.standardize_tag(tag)
    meant = _meant(tag)
    hint = f"; did you mean '{meant}'?" if meant else ": give one such as en, pt-BR or zh-Hant."
    message = f"'{tag}' is no language tag of BCP 47{hint}"
    raise ValueError(message)


_LONGEST = 3
"""Letters of a language's subtag: BCP 47 has room for up to eight, and none of more than three is registered."""


def autonym(tag: str) -> str:
    """What speakers call the language: ``Deutsch``, ``português (Brasil)``; the tag itself where that is unknown."""
    import langcodes  # noqa: PLC0415
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415

    if langcodes.Language.get(tag).language is None:  # und, which Babel would take for English
        return tag
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return tag
    return locale.get_display_name() or tag


def _meant(name: str) -> str | None:
    """The tag of a language called by its English name, spelt nearly right."""
    from babel import Locale  # noqa: PLC0415

    names = {english.lower(): code for code, english in Locale("en").languages.items()}
    near = difflib.get_close_matches(name.lower().strip(), names, n=1, cutoff=0.8)
    return names[near[0]].replace("_", "-") if near else None
