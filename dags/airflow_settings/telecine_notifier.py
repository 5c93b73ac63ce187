"""Airflow's notifiers: ours, that puts events of releases into the outbox, and those that an installation names."""

import re
import threading
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.module_loading import import_string

from pipeline.forecasting import forecast
from pipeline.installation import open_installation
from pipeline.notices import tell_late, tell_of_run
from telecine.errors import TelecineError
from telecine.settings import NoticeEvent, NotifierSetting, load_settings

__all__ = ["Configured", "TelecineNotifier"]

NOTIFY_S = 30
"""Time that one call of a notifier may take."""

_SHOWN = 300
_ADDRESS = re.compile(r"(\w+://)(?:[^/\s]*@)?([^/?\s'\")]+)[^\s'\")]*")
_PATH = re.compile(r"(?<=url: )[^\s)]+")


class TelecineNotifier(BaseNotifier):
    """Puts an event of the run at hand into the outbox, from where the webhook and other notifiers are told of it.

    For callbacks of tasks and runs of ``release_title`` and for the notifiers of its questions. However many of them
    say the same, it is told once; where the title did not come to that, nothing is told.
    """

    def __init__(self, event: NoticeEvent) -> None:
        super().__init__()
        self.event = event

    def notify(self, context: Any) -> None:
        """Never raises an error of ours: a release does not fail for want of a notice."""
        try:
            place = open_installation(load_settings())
            if self.event == "title.late":
                tell_late(place, forecast(place))
            else:
                tell_of_run(place, self.event, context["run_id"], getattr(context.get("task"), "reasons", ()))
        except TelecineError as error:
            self.log.warning("%s is not told: %s", self.event, error)


class Configured:
    """A notifier that ``TELECINE_NOTIFIERS`` names, called with the context of a task and the notice in it."""

    def __init__(self, setting: NotifierSetting, context: Any, limit_s: float = NOTIFY_S) -> None:
        self._setting = setting
        self._context = context
        self._limit_s = limit_s

    def __call__(self, notice: dict[str, Any]) -> str | None:
        """Give it ``notice``: its templates see type, timestamp and data. Returns the problem, or None.

        It has ``limit_s``: one that takes longer is left to itself, and may still tell it.
        """
        problems: list[str] = []
        work = threading.Thread(target=self._notify, args=(notice, problems), daemon=True)
        work.start()
        work.join(self._limit_s)
        if work.is_alive():
            return f"{self._setting.name} did not end within {self._limit_s:g} s"
        return problems[0] if problems else None

    def _notify(self, notice: dict[str, Any], problems: list[str]) -> None:
        try:
            kind = import_string(self._setting.notifier)
            kind(**self._setting.arguments)({**self._context, "notice": notice})
        except BaseException as error:  # noqa: BLE001 - whatever it does, the others are told
            problems.append(f"{self._setting.name}: {_told(error)}")


def _told(error: BaseException) -> str:
    """An error of somebody else's code as people may read it: addresses may hold a token, so only hosts are kept."""
    text = _PATH.sub("…", _ADDRESS.sub(r"\1\2", str(error)))
    return f"{type(error).__name__}: {text}"[:_SHOWN]
