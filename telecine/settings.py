"""Where to run: one Settings object, built in each entry point and passed on. Every field is ``TELECINE_<NAME>``."""

import contextlib
import os
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, NonNegativeInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from telecine.document import Document
from telecine.publication import Edge

__all__ = ["NoticeEvent", "NotifierSetting", "Settings", "clone_root", "load_settings"]

NoticeEvent = Literal["title.late", "title.needs_approval", "title.live", "title.failed"]
NOTICE_EVENTS: tuple[NoticeEvent, ...] = get_args(NoticeEvent)


def clone_root() -> Path:
    """The folder that holds the ``telecine`` package."""
    return Path(__file__).resolve().parent.parent


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def usable_memory() -> int:
    """Four fifths of this machine's memory, or of the limit of its control group (cgroup v2 or v1), in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # another version of cgroups, or "max"
            total = min(total, int((Path("/sys/fs/cgroup") / name).read_text()))
    return total * 4 // 5


class NotifierSetting(Document):
    """A notifier of Airflow that notices of titles are given to; secrets belong into a connection of Airflow."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="names it in 'telecine notices'")
    notifier: str = Field(description="import path of the class, such as airflow.providers.….SlackNotifier")
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False, description="of its constructor; templates")
    events: tuple[NoticeEvent, ...] = Field(default=NOTICE_EVENTS, description="which it is given; all by default")

    @field_validator("name")
    @classmethod
    def _is_not_the_webhook(cls, name: str) -> str:
        if name == "webhook":
            message = "'webhook' is the name of the webhook itself"
            raise ValueError(message)
        return name


class Settings(BaseSettings):
    """Addresses, credentials and limits of one installation. The defaults are for the embedded stack."""

    model_config = SettingsConfigDict(env_prefix="TELECINE_", extra="ignore", frozen=True)

    data_dir: Path = Field(default_factory=lambda: clone_root() / "data", description="everything Telecine writes")
    debug: bool = Field(default=False, description="show tracebacks of unexpected errors")
    stack_id: str = Field(default="", description="marks every process of one embedded stack")

    s3_endpoint: str = Field(default="", description="S3 endpoint URL of both buckets; empty: not configured")
    s3_public_endpoint: str = Field(default="", description="where browsers reach the same service; empty: there too")
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")
    origin_bucket: str = "telecine-origin"
    work_bucket: str = "telecine-work"

    redis_url: SecretStr = Field(default=SecretStr(""), description="broker, leases, sessions, invalidation stream")
    database_url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy URL of the registry; empty: SQLite in data_dir"
    )

    edges: tuple[Edge, ...] = Field(default=(), description="JSON list of {name, base_url, agent_url}")
    agent_token: SecretStr = Field(default=SecretStr(""), description="bearer token of the fill agents")

    playback_url: str = Field(default="", description="public base URL of the playback service")
    widevine_url: str = Field(default="", description="Widevine licence URL of manifests; empty: playback's proxy")
    playready_url: str = Field(default="", description="PlayReady licence URL of manifests; empty: playback's proxy")
    playready_lui_url: str = Field(default="", description="page where PlayReady users get a licence; empty: none")
    token_key: SecretStr = Field(default=SecretStr(""), description="HS256 key of user and playback tokens")
    unstated_robustness: Literal["software", "hardware"] = Field(
        default="hardware", description="what a device that does not state its robustness is taken for"
    )
    sessions_per_user: int = Field(default=10, ge=1, description="playback sessions of one user at once")
    sessions_per_device: int = Field(default=5, ge=1, description="playback sessions of one user's device at once")
    licenses_per_user: int = Field(default=120, ge=1, description="licences of one user in a minute")
    licenses_per_device: int = Field(default=60, ge=1, description="licences of one user's device in a minute")
    widevine_upstream: str = Field(default="", description="URL of a Widevine licence server; empty: none")
    widevine_secret: SecretStr = Field(default=SecretStr(""), description="HS256 key of what that server is told")
    playready_upstream: str = Field(default="", description="URL of a PlayReady licence server; empty: none")
    playready_secret: SecretStr = Field(default=SecretStr(""), description="HS256 key of what that server is told")
    fairplay_upstream: str = Field(default="", description="URL of a FairPlay key server; empty: none")
    fairplay_secret: SecretStr = Field(default=SecretStr(""), description="HS256 key of what that server is told")
    fairplay_certificate: Path | None = Field(default=None, description="file of the FairPlay certificate (DER)")
    vendor_timeout_s: float = Field(default=5, gt=0, description="time a vendor's licence server has to answer")
    master_key_file: Path | None = Field(default=None, description="0600 file: 32-byte key-encryption key, hex")

    key_provider: Literal["local", "speke"] = Field(default="local", description="who makes content keys")
    speke_url: str = Field(default="", description="where the key provider takes SPEKE 2.0 requests; https")
    speke_authorization: SecretStr = Field(
        default=SecretStr(""), description="value of the Authorization header, such as 'Bearer …' or 'Basic …'"
    )
    speke_systems: tuple[Literal["widevine", "playready", "fairplay"], ...] = Field(
        default=("widevine", "playready", "fairplay"), description="JSON list of the DRM systems to ask signalling for"
    )
    speke_scheme: Literal["cbcs", "cenc"] = Field(default="cbcs", description="commonEncryptionScheme asked for")
    speke_certificate_file: Path | None = Field(
        default=None, description="our certificate, PEM: keys are delivered encrypted for it; none: in clear over TLS"
    )
    speke_private_key_file: Path | None = Field(default=None, description="0600 file: its RSA private key, PEM")
    speke_timeout_s: float = Field(default=10, gt=0, description="for each attempt")

    notifiers: tuple[NotifierSetting, ...] = Field(
        default=(), description="JSON list of Airflow notifiers that notices go to as well", repr=False
    )
    webhook_url: str = Field(default="", description="where notices of titles are POSTed; empty: nowhere")
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="signs notices as Standard Webhooks does; 'whsec_' and base64, or any text"
    )
    approvers: tuple[str, ...] = Field(
        default=(), description="JSON list of Airflow's users who may approve; empty: all whom Airflow lets answer"
    )

    airflow_url: str = Field(default="", description="base URL of the Airflow API server")
    airflow_user: str = "admin"
    airflow_password: SecretStr = SecretStr("")

    worker_slots: int = Field(default_factory=usable_cores, ge=1, description="chunk encodes at once on one worker")
    worker_memory_bytes: int = Field(
        default_factory=usable_memory,
        ge=1,
        description="memory that chunk encodes of this machine may take together; four fifths of what there is",
    )
    control_slots: int = Field(
        default=4, ge=1, description="control tasks of releases that run at once: as Airflow's parallelism says"
    )
    control_handover_s: float = Field(
        default=1.5, ge=0, description="from the end of one control task to the start of the next, for forecasts"
    )
    encode_threads: int = Field(
        default=1,
        ge=1,
        description="threads of one encoder; above 1, x264 under a VBV does not give the same bytes on every run",
    )
    lease_s: float = Field(default=15, gt=0, description="a chunk silent for this long is dispatched again")
    low_share: float = Field(
        default=0.05, ge=0, le=0.5, description="of all dispatches, what classes behind the most urgent one get"
    )
    chunk_seconds: int = Field(default=30, ge=2, description="length of a chunk, rounded up to whole segments")
    vmaf_subsample: int = Field(default=0, ge=0, description="measure every n-th frame; 0: chosen by length")
    mpd_schema: Path | None = Field(
        default=None, description="DASH-MPD.xsd of ISO/IEC 23009-1; without it manifests are not validated by schema"
    )
    keep_versions: int = Field(default=3, ge=1, description="newest versions of a title that are never retired")
    keep_days: int = Field(default=30, ge=0, description="younger versions than so many days are not retired either")
    keep_work_days: NonNegativeInt | Literal["never"] = Field(
        default=14, description="chunks, renditions and package copies go so long after their title went live; or never"
    )
    keep_master_days: NonNegativeInt | Literal["never"] = Field(
        default=90, description="an uploaded master goes so long after its titles went live; or never"
    )
    catalogue_dir: Path | None = Field(default=None, description="folder of own profiles, searched first")

    upload_part_bytes: int = Field(default=16 << 20, ge=5 << 20, description="of uploads from a browser, at least")
    upload_days: float = Field(default=7, gt=0, description="an unfinished upload that rests for so long is given up")
    watch_dir: Path | None = Field(default=None, description="folder whose masters become titles; none: not watched")
    watch_prefix: str = Field(default="", description="the same on S3, s3://bucket/prefix; empty: not watched")
    price_cpu_hour: float | None = Field(default=None, ge=0, description="of one core, for the cost of a plan")
    price_gb_month: float | None = Field(default=None, ge=0, description="of storage, for the cost of a plan")
    price_currency: str = Field(default="USD", description="what prices are in, as shown")

    @field_validator("notifiers")
    @classmethod
    def _names_differ(cls, notifiers: tuple[NotifierSetting, ...]) -> tuple[NotifierSetting, ...]:
        if len({one.name for one in notifiers}) < len(notifiers):
            message = "two notifiers have one name"
            raise ValueError(message)
        return notifiers

    @property
    def work_dir(self) -> Path:
        """Scratch space for stages: ``.part`` files and fetched inputs live here."""
        return self.data_dir / "work"

    @property
    def registry_url(self) -> str:
        """SQLAlchemy URL of the title registry."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir / 'registry.db'}"

    @property
    def kek_file(self) -> Path:
        """File with the key-encryption key of the KeyStore."""
        return self.master_key_file or self.data_dir / "secrets" / "master.key"


def load_settings(data_dir: Path | None = None) -> Settings:
    """Settings from the environment, over ``stack.env`` of the data folder when present."""
    chosen = data_dir or Path(os.environ.get("TELECINE_DATA_DIR", "") or clone_root() / "data").resolve()
    return Settings(_env_file=chosen / "stack.env", data_dir=chosen)
