"""Profiles by name, from YAML files: an own folder first, then the catalogue that comes with Telecine."""

import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from profiles.models import Profile
from telecine.errors import TelecineError

__all__ = ["known_profiles", "load_profile"]

_CATALOGUE = Path(__file__).parent / "catalogue"


def load_profile(name: str, catalogue_dir: Path | None = None) -> Profile:
    """The profile ``name``. Raises TelecineError that lists the known names, or names file and field of a mistake."""
    for folder in _folders(catalogue_dir):
        path = folder / f"{name}.yaml"
        if re.fullmatch(r"[A-Za-z0-9_-]+", name) and path.is_file():
            return _read(path)
    known = ", ".join(known_profiles(catalogue_dir)) or "none"
    message = f"There is no profile '{name}'; known are: {known}."
    raise TelecineError(message)


def known_profiles(catalogue_dir: Path | None = None) -> tuple[str, ...]:
    """Names of all profiles that can be loaded, sorted."""
    return tuple(sorted({path.stem for folder in _folders(catalogue_dir) for path in folder.glob("*.yaml")}))


def _folders(catalogue_dir: Path | None) -> tuple[Path, ...]:
    return (catalogue_dir, _CATALOGUE) if catalogue_dir else (_CATALOGUE,)


def _read(path: Path) -> Profile:
    try:
        profile = Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        message = f"The profile {path} is not valid YAML: {' '.join(str(error).split())}."
        raise TelecineError(message) from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        message = f"The profile {path} has mistakes: {'; '.join(faults)}."
        raise TelecineError(message) from None
    names = [rung.name for rung in profile.video] + [rung.name for rung in profile.audio]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated or profile.name != path.stem:
        fault = (
            f"two rungs are named {repeated.pop()}" if repeated else f"name: '{path.stem}' was expected, as the file"
        )
        message = f"The profile {path} has mistakes: {fault}."
        raise TelecineError(message)
    return profile
