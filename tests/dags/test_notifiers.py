"""Notifiers of Airflow: ours as the release DAG has it, and those that an installation names."""

import json
import socket
import threading
import time
from email import message_from_bytes

import pytest

from pipeline.installation import open_installation
from pipeline.notices import tell_of_run
from telecine.errors import TelecineError
from telecine.registry.notices import Outbox
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import NotifierSetting, load_settings
from telecine.title import SubmitRequest

NOTICE = {"type": "title.live", "timestamp": "2030-01-01T00:00:00+00:00", "data": {"title": "film", "version": "v1"}}
SLOW = """
import time
from airflow.sdk import BaseNotifier

class Slow(BaseNotifier):
    def notify(self, context):
        time.sleep(60)

class Kept(BaseNotifier):
    template_fields = ("path", "text")

    def __init__(self, path, text):
        super().__init__()
        self.path, self.text = path, text

    def notify(self, context):
        with open(self.path, "a") as file:
            file.write(self.text)

class Broken(BaseNotifier):
    def notify(self, context):
        raise ConnectionError("cannot reach https://me:pw@hooks.test/services/T0KEN?x=1 (url: /services/T0KEN)")
"""


@pytest.fixture
def registry(dag_bag, tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TELECINE_S3_ENDPOINT", "http://127.0.0.1:9")
    made = Registry(load_settings().registry_url)
    made.migrate()
    made.submit(SubmitRequest(master_uri="file:///m.mov", title_id="film", name="Film"), "run-1")
    return made


@pytest.fixture
def notifiers(tmp_path, monkeypatch):
    (tmp_path / "somebodys_notifiers.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))


def configured(notifier, limit_s=5.0, **arguments):
    from telecine_notifier import Configured  # noqa: PLC0415 - Airflow's environment comes first

    setting = NotifierSetting(name="theirs", notifier=notifier, arguments=arguments)
    return Configured(setting, {"run_id": "watch-1"}, limit_s)(NOTICE)


def told(registry):
    return [(notice.event, notice.facts["run"]) for notice in Outbox(registry).notices()]


def test_a_failed_run_is_told_of_once_by_its_task_and_by_itself(dag_bag, registry):
    dag = dag_bag.dags["release_title"]
    registry.enter("film", Stage.ENCODE)
    of_run = {"dag": dag, "run_id": "run-1", "reason": "task_failure"}  # all that Airflow gives where no task is known
    dag.on_failure_callback(of_run)
    assert told(registry) == [], "the title has not failed"
    task = dag.get_task("encode")
    of_task = {**of_run, "ti": task, "task": task, "params": {"master_uri": "file:///m.mov", "title_id": "film"}}
    for callback in task.on_failure_callback:
        callback({**of_task, "exception": "no disk"})
    dag.on_failure_callback(of_run)
    assert told(registry) == [("title.failed", "run-1")]
    assert registry.title("film").problem == "encode: no disk"


def test_every_task_of_a_release_tells_of_its_failure(dag_bag):
    from telecine_notifier import TelecineNotifier  # noqa: PLC0415

    for task in dag_bag.dags["release_title"].tasks:
        last = task.on_failure_callback[-1]
        assert isinstance(last, TelecineNotifier), task.task_id
        assert last.event == "title.failed"


def test_ours_raises_nothing_where_nothing_can_be_told(dag_bag, monkeypatch, tmp_path):
    from telecine_notifier import TelecineNotifier  # noqa: PLC0415

    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))  # where no stack is
    monkeypatch.delenv("TELECINE_S3_ENDPOINT", raising=False)
    TelecineNotifier("title.live")({"run_id": "run-1"})


def test_a_notifier_that_hangs_costs_its_time_and_no_more(dag_bag, notifiers):
    began = time.monotonic()
    assert configured("somebodys_notifiers.Slow", 0.3) == "theirs did not end within 0.3 s"
    assert time.monotonic() - began < 5


def test_a_notifier_that_raises_is_told_by_its_error_without_what_addresses_hold(dag_bag, notifiers):
    problem = configured("somebodys_notifiers.Broken")
    assert problem == "theirs: ConnectionError: cannot reach https://hooks.test (url: …)"


@pytest.mark.parametrize("path", ["nowhere.Notifier", "somebodys_notifiers.Missing", "nodots"])
def test_a_notifier_that_is_not_there_is_a_problem_like_any_other(dag_bag, notifiers, path):
    assert configured(path).startswith("theirs: ")


def test_the_watch_gives_notices_though_nothing_else_of_it_works(dag_bag, registry, notifiers, monkeypatch, tmp_path):
    from airflow.sdk.execution_time.context import set_current_context  # noqa: PLC0415

    kept = tmp_path / "kept"
    named = [
        {"name": "broken", "notifier": "somebodys_notifiers.Broken"},
        {"name": "kept", "notifier": "somebodys_notifiers.Kept", "events": ["title.failed"]},
    ]
    named[1]["arguments"] = {"path": str(kept), "text": "{{ notice.data.title }} {{ notice.type }}, {{ run_id }}."}
    monkeypatch.setenv("TELECINE_NOTIFIERS", json.dumps(named))
    monkeypatch.setenv("TELECINE_WEBHOOK_URL", "http://127.0.0.1:9/")
    registry.fail("film", Stage.FAILED, "no disk")
    tell_of_run(open_installation(load_settings()), "title.failed", "run-1")
    watch = dag_bag.dags["release_watch"].get_task("watch")
    with set_current_context({"run_id": "watch-1"}), pytest.raises(TelecineError):
        watch.python_callable()  # no forecast without Redis, and no secret to sign with
    assert kept.read_text() == "film title.failed, watch-1."
    states = {notice.receiver: (notice.state, notice.problem) for notice in Outbox(registry).notices()}
    assert states["webhook"] == ("waiting", None)
    assert states["kept"] == ("sent", None)
    assert states["broken"][1].startswith("broken: ConnectionError")


class Mailbox:
    """A server that takes mail (RFC 5321) and keeps it."""

    def __init__(self) -> None:
        self.mails = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.server.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 test\r\n")
            while line := stream.readline():
                word = line[:4].upper().strip()
                if word == b"DATA":
                    stream.write(b"354 go\r\n")
                    self.mails.append(b"".join(iter(stream.readline, b".\r\n")))
                stream.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


def test_airflows_own_mail_notifier_sends_what_its_templates_make_of_the_notice(dag_bag, monkeypatch):
    mailbox = Mailbox()
    options = "disable_ssl=true&disable_tls=true"
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", f"smtp://127.0.0.1:{mailbox.port}?{options}")
    problem = configured(
        "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        20,
        from_email="telecine@example.test",
        to="release@example.test",
        subject="{{ notice.data.title }}: {{ notice.type }}",
        html_content="{{ notice.data.version }}",
    )
    assert problem is None
    (mail,) = mailbox.mails
    assert message_from_bytes(mail)["Subject"] == "film: title.live"
    assert "v1" in message_from_bytes(mail).get_payload(0).get_payload(decode=True).decode()
