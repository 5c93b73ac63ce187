"""How true forecasts are on the whole stack: six titles submitted to Airflow, p50 at a third of the way.

    .venv/bin/python bench/forecast_on_stack.py [--seconds 60] [--every 4] [--trace FILE]

Everything runs as `telecine up` starts it, in a folder of its own: Airflow, Celery workers, S3 server, edges. Two other
titles go before, so that there is a history. A title's way begins when it is submitted and ends when it is ready to go
live; a forecast counts where the true finish lies within p50 +/- 20 % of the time that was left then.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.forecast_accuracy import CLASSES, CONTENTS, PROFILE, WARMING, clip, report
from pipeline.airflow_api import DAG_ID, AirflowApi
from pipeline.forecasting import forecast
from pipeline.installation import open_installation
from telecine.registry.records import Stage
from telecine.settings import load_settings
from telecine.title import Priority

TELECINE = Path(sys.executable).parent / "telecine"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--every", type=float, default=4)
    parser.add_argument("--trace", type=Path, help="write every forecast and every task's times there, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        catalogue = folder / "catalogue"
        catalogue.mkdir()
        (catalogue / "small.yaml").write_text(PROFILE)
        settings = {"DATA_DIR": folder / "data", "CATALOGUE_DIR": catalogue, "CHUNK_SECONDS": 4}
        environment = {**os.environ, **{f"TELECINE_{name}": str(value) for name, value in settings.items()}}
        environment.pop("PYTHONPATH", None)

        def telecine(*arguments):
            subprocess.run([TELECINE, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

        def submit(title, content):
            source = clip(folder, title, content, options.seconds)
            return lambda *more: telecine(
                "submit", str(source), "--title", title, "--profile", "small",
                "--priority", CLASSES.get(title, Priority.NORMAL), *more,
            )  # fmt: skip

        telecine("up")
        try:
            for title, content in WARMING.items():
                submit(title, content)("--wait")
            report(*through({title: submit(title, content) for title, content in CONTENTS.items()}, folder, options))
        finally:
            telecine("down")


class Watch:
    """Looks at the titles all the time: which stage each is at, when it was ready, and every forecast made."""

    def __init__(self, place, titles, every):
        self.place, self.titles, self.every = place, titles, every
        self.ready, self.stages, self.told = {}, [], []
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def wait(self):
        self._looking.join()

    def _look(self):
        while set(self.titles) - set(self.ready):
            for record in self.place.registry.titles():
                self._note(record)
            self.told.append(forecast(self.place))
            time.sleep(self.every)

    def _note(self, record):
        now = datetime.now(UTC)
        if record.title_id not in self.titles or record.title_id in self.ready:
            return
        self.stages.append((str(now), record.title_id, str(record.stage)))
        if record.problem:
            print(f"{record.title_id}: {record.problem}", flush=True)
            os._exit(1)
        if record.stage in {Stage.GO_LIVE, Stage.LIVE}:
            self.ready[record.title_id] = now


def through(submits, folder, options):
    """Submits all, looks until all are ready; when each was submitted, when it was ready, and the forecasts made."""
    place = open_installation(load_settings(folder / "data"))
    before, began = os.getloadavg()[0], {}
    watch = Watch(place, tuple(submits), options.every)
    for title, submit in submits.items():
        began[title] = datetime.now(UTC)
        submit()
    watch.wait()
    print(f"load of the machine before {before:.1f}, after {os.getloadavg()[0]:.1f}; {len(watch.told)} forecasts")
    if options.trace:
        traced = {"told": [one.model_dump(mode="json") for one in watch.told], "stages": watch.stages}
        traced["tasks"] = {title: tasks_of(place, title) for title in submits}
        traced["ready"] = {title: str(at) for title, at in watch.ready.items()}
        options.trace.write_text(json.dumps(traced))
    return began, watch.ready, watch.told


def tasks_of(place, title):
    """When Airflow began and ended each task of a title's run."""
    run = place.registry.title(title).run_id
    found = AirflowApi(place.settings).get(f"/api/v2/dags/{DAG_ID}/dagRuns/{run}/taskInstances", {})
    return [
        {key: one[key] for key in ("task_id", "queued_when", "start_date", "end_date")}
        for one in found["task_instances"]
    ]


if __name__ == "__main__":
    main()
