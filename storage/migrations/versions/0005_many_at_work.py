"""Many processes at work: lanes in the inbox, whose claim a chat is, and a pace that all share."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lane", sa.SmallInteger(), server_default="1", nullable=False))
    with op.batch_alter_table("chat_queue", schema=None) as batch_op:
        batch_op.add_column(sa.Column("claimed_by", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.add_column(sa.Column("message", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("heard_at", sa.BigInteger(), nullable=True))
    op.create_index("work_next", "work", ["lane", "message"], **_only("lane < 2"))
    op.create_index("work_behind", "work", ["account", "message"], **_only("lane = 2"))
    op.create_index("chat_queue_claimed", "chat_queue", ["claimed_by"], **_only("claimed_by IS NOT NULL"))
    op.create_table(
        "pace",
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _tune()


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _tune() -> None:
    """Rows of the queues change all the time: room in their pages, and a vacuum that comes soon."""
    often = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000"
    for table in ("work", "chat_queue"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50, {often})")
    op.execute("ALTER TABLE notification SET (fillfactor = 80)")
