"""``telecine keys``: what keys a title has, new ones for its next package, rotation, CPIX files. No key is shown."""

from pathlib import Path
from typing import Annotated

import typer

from telecine.cli.output import Json, console, print_json, say, table
from telecine.cli.titles import Title
from telecine.errors import TelecineError
from telecine.settings import load_settings

__all__ = ["app"]

app = typer.Typer(help="Content keys and the master key: list, rekey, rotate, export, import.", no_args_is_help=True)


@app.command("list")
def list_keys(title: Title, *, as_json: Json = False) -> None:
    """Labels, KIDs and generations of a title. Keys of earlier generations stay for the versions that use them."""
    from telecine.keys.opening import open_sealed_keys  # noqa: PLC0415 - keeps the other commands quick

    records = open_sealed_keys(load_settings()).records(title)
    if as_json:
        print_json(records)
        return
    rows = [
        (
            record.label,
            record.kid,
            record.generation,
            "next package" if record.current else "kept",
            record.origin,
            f"{record.made_at:%Y-%m-%d %H:%M} UTC" if record.made_at else None,
        )
        for record in records
    ]
    table(f"Keys of {title}", ["Label", "KID", "Generation", "Used by", "From", "Since"], rows, right=["Generation"])


@app.command()
def rekey(title: Title, *, as_json: Json = False) -> None:
    """New KIDs and keys for every label of a title. Its next package is a new version; what is live stays playable."""
    from telecine.keys.opening import open_key_store  # noqa: PLC0415 - keeps the other commands quick

    assignment = open_key_store(load_settings()).rekey(title)
    if as_json:
        print_json(assignment)
        return
    for label, kid in assignment.kids.items():
        say(f"{label}: {kid}")
    console.print(f"Submit or make {title} again: the version with these keys replaces the live one.")


@app.command()
def rotate(*, as_json: Json = False) -> None:
    """A new master key: data keys are sealed under it anew, content keys and media stay. Killed, it goes on."""
    from telecine.keys.master import MasterKeyFile  # noqa: PLC0415 - keeps the other commands quick
    from telecine.keys.opening import open_sealed_keys  # noqa: PLC0415
    from telecine.keys.rotation import rotate as rotate_master  # noqa: PLC0415

    settings = load_settings()
    done = rotate_master(MasterKeyFile(settings.kek_file), open_sealed_keys(settings))
    if as_json:
        print_json(done)
        return
    say(f"The master key is {done.master} now; {done.rewrapped} of {done.titles} titles were sealed under it anew.")


@app.command()
def export(
    title: Title,
    to: Annotated[Path, typer.Option("--to", help="CPIX file to write, mode 0600.")],
    recipient: Annotated[
        Path | None, typer.Option("--recipient", help="Certificate (PEM): keys are encrypted for it. None: in clear.")
    ] = None,
) -> None:
    """A title's current keys as a CPIX 2.3 document."""
    from telecine.cpix.delivery import load_recipient  # noqa: PLC0415 - keeps the other commands quick
    from telecine.cpix.writing import write_cpix  # noqa: PLC0415
    from telecine.keys.exchange import exported  # noqa: PLC0415
    from telecine.keys.opening import open_sealed_keys  # noqa: PLC0415
    from telecine.private_files import write_private  # noqa: PLC0415

    keys = open_sealed_keys(load_settings())
    assignment = keys.known(title, keys.labels(title))
    document = exported(title, keys.keys(assignment), keys.signals(assignment))
    write_private(to, write_cpix(document, load_recipient(recipient) if recipient else None))
    how = "encrypted for the recipient" if recipient else "in clear: guard this file"
    say(f"{to}: {len(document.keys)} keys of {title}, {how}.")


@app.command("import")
def import_keys(
    file: Annotated[Path, typer.Argument(help="CPIX file.")],
    private_key: Annotated[
        Path | None, typer.Option("--private-key", help="RSA key (PEM, mode 0600) of the certificate it was made for.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Title id; the document's contentId by default.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Keys of a CPIX document become the current ones of their labels. Importing them again changes nothing."""
    from telecine.cpix.delivery import load_private_key  # noqa: PLC0415 - keeps the other commands quick
    from telecine.cpix.reading import read_cpix  # noqa: PLC0415
    from telecine.keys.exchange import delivered, title_of  # noqa: PLC0415
    from telecine.keys.opening import open_sealed_keys  # noqa: PLC0415

    document = read_cpix(file.read_bytes(), load_private_key(private_key) if private_key else None)
    if not document.keys:
        message = f"{file} holds no content key."
        raise TelecineError(message)
    assignment = open_sealed_keys(load_settings()).take(title_of(document, title), delivered(document, "imported"))
    if as_json:
        print_json(assignment)
        return
    say(f"{assignment.title_id}: {', '.join(f'{label} {kid}' for label, kid in assignment.kids.items())}")
