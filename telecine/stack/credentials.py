"""Secrets of a stack: made at the first start, each in a file of mode 0600 that only its programs read."""

import base64
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from telecine.private_files import write_private

__all__ = ["AIRFLOW_USERS", "NAMES", "airflow_passwords", "load_or_create", "write_private"]

AIRFLOW_USERS = {"admin": "admin", "manager": "op", "ops": "user", "viewer": "viewer"}
"""Users of Airflow, and their roles in its simple auth manager; the release board goes by the role."""

NAMES: dict[str, Callable[[], str]] = {
    "s3_access_key": lambda: secrets.token_hex(10),
    "s3_secret_key": lambda: secrets.token_hex(20),
    "s3_jwt_signing": lambda: secrets.token_hex(32),
    "s3_jwt_signing_read": lambda: secrets.token_hex(32),
    "s3_jwt_filer": lambda: secrets.token_hex(32),
    "s3_jwt_filer_read": lambda: secrets.token_hex(32),
    "redis_password": lambda: secrets.token_hex(24),
    "supervisor_password": lambda: secrets.token_hex(24),
    "agent_token": lambda: secrets.token_hex(32),
    "token_key": lambda: secrets.token_hex(32),
    "airflow_password": lambda: secrets.token_urlsafe(12),
    "airflow_manager_password": lambda: secrets.token_urlsafe(12),
    "airflow_ops_password": lambda: secrets.token_urlsafe(12),
    "airflow_viewer_password": lambda: secrets.token_urlsafe(12),
    "airflow_fernet_key": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "airflow_api_secret": lambda: secrets.token_hex(64),
    "airflow_jwt_secret": lambda: secrets.token_hex(64),
}


def load_or_create(folder: Path) -> dict[str, str]:
    """Every secret by name. Idempotent; an existing secret is never changed."""
    return {name: _secret(folder / name, make) for name, make in NAMES.items()}


def airflow_passwords(secret: Mapping[str, str]) -> dict[str, str]:
    """By user, as Airflow's simple auth manager reads them."""
    own = {user: secret[f"airflow_{user}_password"] for user in AIRFLOW_USERS if user != "admin"}
    return {"admin": secret["airflow_password"], **own}


def _secret(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()
