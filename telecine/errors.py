"""Errors are decisions: final ones are never retried, unavailable ones always are, the rest stay loud."""

__all__ = [
    "DiskFull",
    "EncodeFailed",
    "KeysRefused",
    "MissingRequirement",
    "NotFound",
    "PackageRejected",
    "PreconditionFailed",
    "SourceRejected",
    "Stopped",
    "TelecineError",
    "ToolFailed",
    "Unavailable",
]


class TelecineError(Exception):
    """Base of all errors that carry one clear sentence for a person."""


class SourceRejected(TelecineError):
    """The master cannot become a title. Final: content ops must act, a retry cannot help.

    ``reasons`` are whole sentences that name the file, what was expected and what was found.
    """

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__(" ".join(reasons))


class PackageRejected(TelecineError):
    """A package failed its proof. Final for that package; ``reasons`` as in SourceRejected."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__(" ".join(reasons))


class EncodeFailed(TelecineError):
    """A chunk could not be encoded after all its attempts. ``last_lines`` are the encoder's own."""

    def __init__(self, message: str, last_lines: str = "") -> None:
        self.last_lines = last_lines
        super().__init__(f"{message}\n{last_lines}".rstrip())


class ToolFailed(TelecineError):
    """A tool exited with an error. Carries its argv (never secrets), exit status and the end of its stderr."""

    def __init__(self, argv: tuple[str, ...], status: int, stderr_tail: str) -> None:
        self.argv = argv
        self.status = status
        self.stderr_tail = stderr_tail
        name = argv[0].rsplit("/", 1)[-1]
        super().__init__(f"{name} exited with {status}: {stderr_tail.strip() or 'no message'}")


class KeysRefused(TelecineError):
    """A key provider refused a request or answered what cannot be used; the same request would fare no better."""


class Unavailable(TelecineError):
    """A service did not answer. Retried near the call and by the orchestrator above it."""


class DiskFull(Unavailable):
    """A disk has no room left. Tried again later: somebody may free some meanwhile."""


class Stopped(TelecineError):
    """A person stopped the work. What was finished is kept."""


class NotFound(TelecineError):
    """A named thing (object, title, key) does not exist."""


class PreconditionFailed(TelecineError):
    """A conditional write lost: the object exists already or changed under us."""


class MissingRequirement(TelecineError):
    """Something this machine needs is absent (disk, tool, port). The text says what and what to do."""
