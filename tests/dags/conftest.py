import os
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="session")
def dag_bag(tmp_path_factory):
    """All DAGs as Airflow loads them, with a home of its own."""
    home = tmp_path_factory.mktemp("airflow home")
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        }
    )
    sys.path.insert(0, str(DAGS / "airflow_settings"))
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - reads the environment when imported

    return DagBag(dag_folder=str(DAGS), collect_dags=True)
