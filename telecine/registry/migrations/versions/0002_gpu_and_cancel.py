"""Jobs that may go from the GPU to the CPU, whose attempt an encode is, and indexes for thousands of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("titles", sa.Column("encode_attempt", sa.String(64)))
    op.add_column("encode_jobs", sa.Column("may_fall_back", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("encode_jobs", sa.Column("fell_back", sa.Text()))
    op.drop_index("ix_encode_jobs_state", "encode_jobs")
    columns = ["title_id", "state", "queue", "sends", "position", "may_fall_back", "units"]
    op.create_index("ix_encode_jobs_order", "encode_jobs", columns)
    op.create_index("ix_encode_jobs_fell_back", "encode_jobs", ["title_id", "fell_back"])


def downgrade() -> None:
    op.drop_index("ix_encode_jobs_order", "encode_jobs")
    op.drop_index("ix_encode_jobs_fell_back", "encode_jobs")
    op.create_index("ix_encode_jobs_state", "encode_jobs", ["state"])
    op.drop_column("encode_jobs", "fell_back")
    op.drop_column("encode_jobs", "may_fall_back")
    op.drop_column("titles", "encode_attempt")
