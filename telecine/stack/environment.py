"""The environments of the stack's programs. Pure: secrets go in here and nowhere else."""

import json
from collections.abc import Mapping
from pathlib import Path

from telecine.settings import usable_cores
from telecine.stack.credentials import AIRFLOW_USERS
from telecine.stack.state import EDGES, Layout, StackState

__all__ = ["airflow_environment", "common_environment", "settings_environment"]


def settings_environment(layout: Layout, state: StackState, secret: Mapping[str, str]) -> dict[str, str]:
    """``stack.env``: what every process of ours, and the command line, is configured by."""
    ports = state.ports
    edges = [
        {
            "name": edge,
            "base_url": f"http://{edge}.localhost:{ports[edge]}",
            "agent_url": f"http://127.0.0.1:{ports[f'{edge}-agent']}",
        }
        for edge in EDGES
    ]
    return {
        "TELECINE_STACK_ID": state.stack_id,
        "TELECINE_S3_ENDPOINT": f"http://127.0.0.1:{ports['s3']}",
        "TELECINE_S3_ACCESS_KEY": secret["s3_access_key"],
        "TELECINE_S3_SECRET_KEY": secret["s3_secret_key"],
        "TELECINE_REDIS_URL": f"redis://:{secret['redis_password']}@127.0.0.1:{ports['redis']}/0",
        "TELECINE_EDGES": json.dumps(edges),
        "TELECINE_AGENT_TOKEN": secret["agent_token"],
        "TELECINE_PLAYBACK_URL": f"http://localhost:{ports['playback']}",
        "TELECINE_TOKEN_KEY": secret["token_key"],
        "TELECINE_AIRFLOW_URL": f"http://localhost:{ports['airflow']}",
        "TELECINE_AIRFLOW_PASSWORD": secret["airflow_password"],
        "TELECINE_MASTER_KEY_FILE": str(layout.secrets / "master.key"),
        "TELECINE_WORKER_SLOTS": str(usable_cores()),
    }


def common_environment(layout: Layout, state: StackState, clone: Path) -> dict[str, str]:
    """For every program: nothing is written outside the data folder, and each carries the stack's mark."""
    return {
        "TELECINE_DATA_DIR": str(layout.data),
        "TELECINE_STACK_ID": state.stack_id,
        "HOME": str(layout.home),
        "TMPDIR": str(layout.tmp),
        "XDG_CONFIG_HOME": str(layout.home / "config"),
        "XDG_DATA_HOME": str(layout.home / "share"),
        "XDG_CACHE_HOME": str(layout.home / "cache"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(clone / "dags" / "airflow_settings"),
        "DO_NOT_TRACK": "1",
        "SCARF_NO_ANALYTICS": "1",
        "NO_COLOR": "1",
        # process titles are written over the environment otherwise, and the stack's mark with it
        "SPT_NOENV": "1",
    }


def airflow_environment(layout: Layout, state: StackState, secret: Mapping[str, str], clone: Path) -> dict[str, str]:
    """Airflow, lean and quick to notice deaths: a killed scheduler's or triggerer's work goes on within seconds."""
    url = f"http://127.0.0.1:{state.ports['airflow']}"
    home = layout.data / "airflow"
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": clone / "dags",
            "executor": "bounded_executor.BoundedLocalExecutor",
            "parallelism": 4,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": secret["airflow_fernet_key"],
            "plugins_folder": clone / "dags" / "airflow_plugins",
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in AIRFLOW_USERS.items()),
            "simple_auth_manager_passwords_file": layout.etc / "airflow-passwords.json",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "max_active_tasks_per_dag": 64,
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "api": {
            "host": "127.0.0.1",
            "port": state.ports["airflow"],
            "base_url": f"http://localhost:{state.ports['airflow']}",
            "workers": 1,
            "secret_key": secret["airflow_api_secret"],
        },
        "api_auth": {"jwt_secret": secret["airflow_jwt_secret"]},
        "scheduler": {
            "scheduler_idle_sleep_time": 0.25,
            "scheduler_heartbeat_sec": 2,
            "job_heartbeat_sec": 2,
            "scheduler_health_check_threshold": 10,
            "orphaned_tasks_check_interval": 10,
            "task_instance_heartbeat_sec": 3,
            "task_instance_heartbeat_timeout": 20,
            "task_instance_heartbeat_timeout_detection_interval": 5,
        },
        "triggerer": {"job_heartbeat_sec": 2, "triggerer_health_check_threshold": 10},
        "dag_processor": {
            "refresh_interval": 5,
            "min_file_process_interval": 30,
            "parsing_processes": 1,
        },
        "workers": {"min_heartbeat_interval": 1},
        "logging": {"base_log_folder": layout.logs / "airflow", "logging_level": "INFO", "colored_console_log": False},
        "usage_data_collection": {"enabled": False},
    }
    flat = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in sections.items()
        for name, value in values.items()
    }
    return {"AIRFLOW_HOME": str(home), **flat}
