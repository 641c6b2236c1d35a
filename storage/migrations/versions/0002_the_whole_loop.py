"""The whole loop: clocks, ladder, many reporters, leave and posts, privacy."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("access_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_access_log_request"), ["request"], unique=False)

    op.create_table(
        "patrol",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("finding", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("patrol", schema=None) as batch_op:
        batch_op.create_index("patrol_once", ["area", "day"], unique=True)

    op.create_table(
        "join_code",
        sa.Column("lookup", sa.String(length=40), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["member"], ["member.code"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("lookup"),
    )
    with op.batch_alter_table("join_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_join_code_member"), ["member"], unique=False)

    op.create_table(
        "leave",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("starts", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("deputy", sa.String(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("agreed_at", sa.BigInteger(), nullable=True),
        sa.Column("declined_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["member"], ["member.code"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("leave", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_leave_member"), ["member"], unique=False)

    op.create_table(
        "assignment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("area", sa.String(), nullable=True),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["service_request.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.create_index("assignment_member", ["member", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_assignment_request"), ["request"], unique=False)

    op.create_table(
        "endorsement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("resident", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["service_request.id"], initially="DEFERRED", deferrable=True),
        sa.ForeignKeyConstraint(["resident"], ["resident.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("endorsement", schema=None) as batch_op:
        batch_op.create_index("endorsement_once", ["request", "resident"], unique=True)
        batch_op.create_index(batch_op.f("ix_endorsement_resident"), ["resident"], unique=False)

    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=True),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["service_request.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feedback_request"), ["request"], unique=False)

    op.create_table(
        "letter",
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("to", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["service_request.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("letter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_letter_request"), ["request"], unique=False)

    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("author", sa.String(), nullable=True))

    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duty", sa.JSON(), nullable=False, server_default="[]"))

    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("repeated", sa.JSON(), nullable=True))

    with op.batch_alter_table("note", schema=None) as batch_op:
        batch_op.add_column(sa.Column("original", sa.LargeBinary(), nullable=True))

    with op.batch_alter_table("resident", schema=None) as batch_op:
        batch_op.add_column(sa.Column("strikes", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("muted_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("consented_to", sa.String(), nullable=True))

    with op.batch_alter_table("service_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(), nullable=False, server_default="chat"))
        batch_op.add_column(sa.Column("anonymous", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("sealed", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("latitude", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("longitude", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("endorsements", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("master", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("rung", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("light", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("reds", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("due_plan", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("clocks", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("paused_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("paused_seconds", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("extension", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("referral", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("planned_for", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("assigned_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("acknowledged_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("contacted_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("done_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("told_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("result_code", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("verdict_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("urges", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.create_index(batch_op.f("ix_service_request_master"), ["master"], unique=False)
        batch_op.create_index(
            "service_request_alike", ["community", "category", "area", "created_at"], unique=False
        )
        batch_op.create_index(
            "service_request_unclosed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(
            "service_request_of_somebody",
            ["closed_at"],
            unique=False,
            sqlite_where=sa.text("closed_at > 0 AND resident > 0"),
            postgresql_where=sa.text("closed_at > 0 AND resident > 0"),
        )

    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.create_index(
            "attachment_erased",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'erased'"),
            postgresql_where=sa.text("state = 'erased'"),
        )

    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.create_index(
            "notification_request",
            ["request"],
            unique=False,
            sqlite_where=sa.text("request IS NOT NULL"),
            postgresql_where=sa.text("request IS NOT NULL"),
        )
