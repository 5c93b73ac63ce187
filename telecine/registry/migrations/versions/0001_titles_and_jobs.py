"""Titles, their encode jobs and the dispatcher's turn."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "titles",
        sa.Column("title_id", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("launch_at", _TIME),
        sa.Column("master_uri", sa.Text(), nullable=False),
        sa.Column("master_sha256", sa.String(64)),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("run_id", sa.String(250)),
        sa.Column("live", sa.JSON()),
        sa.Column("live_sha256", sa.String(64)),
        sa.Column("live_profile", sa.String(64)),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.Column("encode_seen_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
    )
    op.create_table(
        "encode_jobs",
        sa.Column("title_id", sa.String(63), sa.ForeignKey("titles.title_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(16), nullable=False),
        sa.Column("sent_at", _TIME),
        sa.Column("problem", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("ix_encode_jobs_state", "encode_jobs", ["state"])
    op.create_table(
        "dispatcher",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", _TIME, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("dispatcher")
    op.drop_table("encode_jobs")
    op.drop_table("titles")
