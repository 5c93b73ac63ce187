"""Release control: holds, the audit of changes, history of chunks, kept versions, uploads, drops, notices."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("titles", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("titles", sa.Column("remaining_s", sa.Float()))
    op.add_column("encode_jobs", sa.Column("done_at", TIME))
    op.add_column("dispatcher", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "title_audit",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("title_id", sa.String(63), nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_index("ix_title_audit_title", "title_audit", ["title_id", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER title_audit_no_{event.lower()} BEFORE {event} ON title_audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit of titles is only appended to'); END"
            )
    op.create_table(
        "chunk_history",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("features", sa.String(250), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_index("ix_chunk_history_features", "chunk_history", ["features", "id"])
    op.create_table(
        "title_versions",
        sa.Column("title_id", sa.String(63), primary_key=True),
        sa.Column("version", sa.String(32), primary_key=True),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("live_at", TIME),
        sa.Column("retired_at", TIME),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(64), primary_key=True),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_index("ix_uploads_who", "uploads", ["who", "updated_at"])
    op.create_table(
        "drops",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("title_id", sa.String(63)),
        sa.Column("problem", sa.Text()),
        sa.Column("seen_at", TIME, nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("once", sa.String(200), nullable=False, unique=True),
        sa.Column("title_id", sa.String(63), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_at", TIME),
        sa.Column("sent_at", TIME),
        sa.Column("problem", sa.Text()),
    )
    op.create_index("ix_notices_due", "notices", ["sent_at", "due_at"])


def downgrade() -> None:
    for table in ("notices", "drops", "uploads", "title_versions", "chunk_history", "title_audit"):
        op.drop_table(table)
    op.drop_column("dispatcher", "turn")
    op.drop_column("encode_jobs", "done_at")
    op.drop_column("titles", "remaining_s")
    op.drop_column("titles", "held")
