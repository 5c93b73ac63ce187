"""The audit of licences."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "licence_audit",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title_id", sa.String(63)),
        sa.Column("user", sa.String(128)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_index("ix_licence_audit_title", "licence_audit", ["title_id", "id"])
    op.create_index("ix_licence_audit_user", "licence_audit", ["user", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER licence_audit_no_{event.lower()} BEFORE {event} ON licence_audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit of licences is only appended to'); END"
            )


def downgrade() -> None:
    op.drop_table("licence_audit")
