"""The spine: the log, access, turns, the demo shop, chat."""

from alembic import op

revision = "0001_spine"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    'CREATE SEQUENCE turn_fences',
    """
    CREATE TABLE idempotency_keys (
        tenant TEXT NOT NULL,
        user_id TEXT NOT NULL,
        key TEXT NOT NULL,
        route TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        status SMALLINT,
        body JSONB,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant, user_id, key)
    )
    """,
    'CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)',
    """
    CREATE TABLE shop_products (
        tenant TEXT NOT NULL,
        product_id BIGINT NOT NULL,
        category TEXT NOT NULL,
        name_ko TEXT NOT NULL,
        name_en TEXT NOT NULL,
        price_krw BIGINT NOT NULL,
        stock INTEGER NOT NULL,
        search TEXT NOT NULL,
        CONSTRAINT pk_shop_products PRIMARY KEY (tenant, product_id)
    )
    """,
    """
    CREATE TABLE shop_orders (
        tenant TEXT NOT NULL,
        order_number BIGINT NOT NULL,
        user_id TEXT NOT NULL,
        status TEXT NOT NULL,
        ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
        total_krw BIGINT NOT NULL,
        CONSTRAINT pk_shop_orders PRIMARY KEY (tenant, order_number)
    )
    """,
    'CREATE INDEX ix_shop_orders_user ON shop_orders (tenant, user_id, ordered_at)',
    """
    CREATE TABLE shop_order_items (
        tenant TEXT NOT NULL,
        order_number BIGINT NOT NULL,
        line INTEGER NOT NULL,
        product_id BIGINT NOT NULL,
        quantity INTEGER NOT NULL,
        unit_price_krw BIGINT NOT NULL,
        CONSTRAINT pk_shop_order_items PRIMARY KEY (tenant, order_number, line)
    )
    """,
    """
    CREATE TABLE shop_deliveries (
        tenant TEXT NOT NULL,
        order_number BIGINT NOT NULL,
        carrier TEXT NOT NULL,
        tracking_number TEXT NOT NULL,
        expected_at TIMESTAMP WITH TIME ZONE NOT NULL,
        delivered_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_shop_deliveries PRIMARY KEY (tenant, order_number)
    )
    """,
    """
    CREATE TABLE shop_delivery_events (
        tenant TEXT NOT NULL,
        order_number BIGINT NOT NULL,
        step INTEGER NOT NULL,
        status TEXT NOT NULL,
        place TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_shop_delivery_events PRIMARY KEY (tenant, order_number, step)
    )
    """,
    """
    CREATE TABLE shop_refund_rules (
        tenant TEXT NOT NULL,
        rule TEXT NOT NULL,
        topic TEXT NOT NULL,
        days INTEGER,
        fee_krw BIGINT,
        position INTEGER NOT NULL,
        CONSTRAINT pk_shop_refund_rules PRIMARY KEY (tenant, rule)
    )
    """,
    """
    CREATE TABLE shop_refunds (
        tenant TEXT NOT NULL,
        order_number BIGINT NOT NULL,
        call_id TEXT NOT NULL,
        reason TEXT NOT NULL,
        amount_krw BIGINT NOT NULL,
        status TEXT NOT NULL,
        requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_shop_refunds PRIMARY KEY (tenant, order_number)
    )
    """,
    """
    CREATE TABLE agents (
        agent_id INTEGER NOT NULL,
        tenant TEXT,
        name TEXT NOT NULL,
        avatar_url TEXT,
        instructions TEXT NOT NULL,
        model TEXT NOT NULL,
        tools JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_agents PRIMARY KEY (agent_id)
    )
    """,
    """
    CREATE TABLE turns (
        turn_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        user_id TEXT NOT NULL,
        agent_id INTEGER NOT NULL,
        prompt_id TEXT NOT NULL,
        answer_id TEXT NOT NULL,
        prompt_seq BIGINT NOT NULL,
        status TEXT DEFAULT 'queued' NOT NULL,
        owner TEXT,
        node TEXT,
        lease_until TIMESTAMP WITH TIME ZONE,
        fence BIGINT DEFAULT '0' NOT NULL,
        attempt INTEGER DEFAULT '0' NOT NULL,
        handovers INTEGER DEFAULT '0' NOT NULL,
        started_seq BIGINT,
        ended_seq BIGINT,
        error JSONB,
        queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        compacted BOOLEAN DEFAULT false NOT NULL,
        CONSTRAINT pk_turns PRIMARY KEY (turn_id)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE INDEX ix_turns_open ON turns (queued_at) WHERE status IN ('queued', 'running')
    """,
    'CREATE UNIQUE INDEX ix_turns_prompt ON turns (prompt_id)',
    """
    CREATE UNIQUE INDEX ix_turns_running ON turns (session_id) WHERE status = 'running'
    """,
    'CREATE UNIQUE INDEX ix_turns_session ON turns (session_id, prompt_seq)',
    'CREATE INDEX ix_turns_uncompacted ON turns (ended_at) WHERE NOT compacted AND ended_at IS NOT NULL',
    """
    CREATE TABLE chat_sessions (
        session_id TEXT NOT NULL,
        tenant TEXT NOT NULL,
        owner_id TEXT NOT NULL,
        agent_id INTEGER,
        title TEXT,
        metadata JSONB DEFAULT '{}' NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        queue_policy TEXT DEFAULT 'enqueue' NOT NULL,
        message_count BIGINT DEFAULT '0' NOT NULL,
        last_message TEXT,
        last_message_at TIMESTAMP WITH TIME ZONE,
        last_activity TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_chat_sessions PRIMARY KEY (session_id),
        CONSTRAINT ck_chat_sessions_status CHECK (status IN ('active', 'archived', 'deleted')),
        CONSTRAINT ck_chat_sessions_queue_policy CHECK (queue_policy IN ('enqueue', 'reject', 'interrupt'))
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE chat_participants (
        session_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        role TEXT NOT NULL,
        read_seq BIGINT DEFAULT '0' NOT NULL,
        joined_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_chat_participants PRIMARY KEY (session_id, user_id),
        CONSTRAINT ck_chat_participants_role CHECK (role IN ('owner', 'member', 'viewer'))
    )
    """,
    'CREATE INDEX ix_chat_participants_user_id ON chat_participants (user_id)',
    """
    CREATE TABLE chat_messages (
        message_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        seq BIGINT NOT NULL,
        sender_type TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        message_type TEXT NOT NULL,
        content TEXT NOT NULL,
        metadata JSONB DEFAULT '{}' NOT NULL,
        tokens_used INTEGER,
        latency_ms INTEGER,
        is_edited BOOLEAN DEFAULT false NOT NULL,
        client_message_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_chat_messages PRIMARY KEY (message_id)
    )
    """,
    'CREATE INDEX ix_chat_messages_session_id_created_at ON chat_messages (session_id, created_at)',
    """
    CREATE UNIQUE INDEX uq_chat_messages_client_message_id
        ON chat_messages (session_id, sender_id, client_message_id)
        WHERE client_message_id IS NOT NULL
    """,
    'CREATE UNIQUE INDEX uq_chat_messages_session_id_seq ON chat_messages (session_id, seq)',
    """
    CREATE TABLE log_streams (
        stream TEXT NOT NULL,
        aggregate TEXT NOT NULL,
        tenant TEXT NOT NULL,
        head BIGINT DEFAULT '0' NOT NULL,
        version BIGINT DEFAULT '0' NOT NULL,
        fence BIGINT DEFAULT '0' NOT NULL,
        CONSTRAINT pk_log_streams PRIMARY KEY (stream)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE log_events (
        stream TEXT NOT NULL,
        seq BIGINT NOT NULL,
        version BIGINT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
        kind TEXT NOT NULL,
        v SMALLINT NOT NULL,
        data JSONB NOT NULL,
        actor TEXT,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_log_events PRIMARY KEY (stream, seq)
    )
    """,
    'CREATE INDEX ix_log_events_position ON log_events (xid, number)',
    """
    CREATE TABLE log_deltas (
        stream TEXT NOT NULL,
        seq BIGINT NOT NULL,
        from_seq BIGINT NOT NULL,
        message_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        index INTEGER NOT NULL,
        "offset" INTEGER NOT NULL,
        content TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_log_deltas PRIMARY KEY (stream, seq)
    )
    """,
    """
    CREATE TABLE log_consumers (
        name TEXT NOT NULL,
        xid xid8 DEFAULT '0' NOT NULL,
        number BIGINT DEFAULT '0' NOT NULL,
        CONSTRAINT pk_log_consumers PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE log_epoch (
        singleton BOOLEAN DEFAULT true NOT NULL,
        epoch TEXT NOT NULL,
        system TEXT NOT NULL,
        timeline BIGINT NOT NULL,
        CONSTRAINT pk_log_epoch PRIMARY KEY (singleton),
        CONSTRAINT ck_log_epoch_one_row CHECK (singleton)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
