"""Platforms with windows and codes: how a message went, and what lets us change or answer one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ledger", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("kept", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.add_column(sa.Column("answers", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("means", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("reason", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("code", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("code_until", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "notification_answers",
            ["answers"],
            unique=False,
            sqlite_where=sa.text("answers IS NOT NULL"),
            postgresql_where=sa.text("answers IS NOT NULL"),
        )
    with op.batch_alter_table("chat_queue", schema=None) as batch_op:
        batch_op.add_column(sa.Column("channel", sa.String(), nullable=True))
    op.create_index(
        "message_of_visit",
        "message",
        ["account", "id"],
        unique=False,
        sqlite_where=sa.text("channel = 'web'"),
        postgresql_where=sa.text("channel = 'web'"),
    )
    op.create_table(
        "scene",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("account", sa.String(40), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["qr_token.token"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("token", "account"),
    )
    op.create_table(
        "hand_code",
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("request", _ROWID, nullable=False),
        sa.Column("chat", _ROWID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("posted_by", sa.String(), nullable=True),
        sa.Column("posted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["service_request.id"], initially="DEFERRED", deferrable=True),
        sa.ForeignKeyConstraint(["chat"], ["chat.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_index("ix_hand_code_request", "hand_code", ["request"], unique=False)
    op.create_table(
        "send_outcome",
        sa.Column("ref", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
