-- Members, what they agreed to, and what was said to them.

-- The only place on the platform where contact data is kept. An erased member keeps nothing but `erased_at`.
CREATE TABLE notifier.member (
    program_id text NOT NULL,
    member_id text NOT NULL,
    email text,
    phone text,
    name text,
    language text,
    time_zone text,
    country text,
    changed_at timestamptz,
    erased_at timestamptz,
    -- another name of this member; nothing else is kept under it
    merged_into text,
    PRIMARY KEY (program_id, member_id),
    CHECK (erased_at IS NULL OR coalesce(email, phone, name, language, time_zone, country) IS NULL)
);

CREATE INDEX member_merged ON notifier.member (program_id, merged_into) WHERE merged_into IS NOT NULL;

-- The last word of a member about one purpose on one channel; `*` is every channel.
CREATE TABLE notifier.preference (
    program_id text NOT NULL,
    member_id text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    granted boolean NOT NULL,
    since timestamptz NOT NULL,
    proof text,
    PRIMARY KEY (program_id, member_id, purpose, channel)
);

-- Addresses that must not be written to, as keyed hashes: they outlive the erasure of whoever had them.
CREATE TABLE notifier.suppressed_address (
    program_id text NOT NULL,
    address_hash uuid NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (program_id, address_hash)
);

-- One row is one message to one member on one channel. Its id follows from its cause: never twice.
CREATE TABLE notifier.message (
    program_id text NOT NULL,
    member_id text NOT NULL,
    message_id uuid NOT NULL,
    cause text NOT NULL,
    name text NOT NULL,
    template text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    language text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'claimed', 'sending', 'sent', 'suppressed', 'failed')),
    why text,
    happened_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz,
    settled_at timestamptz,
    read_at timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    claim_token uuid,
    server_said text,
    facts jsonb,
    PRIMARY KEY (program_id, member_id, message_id),
    CHECK ((due_at IS NULL) = (state IN ('sent', 'suppressed', 'failed'))),
    CHECK ((settled_at IS NULL) = (due_at IS NOT NULL))
) WITH (fillfactor = 90);

-- A member's list, newest first.
CREATE INDEX message_of_member ON notifier.message (program_id, member_id, happened_at DESC, message_id DESC);
-- What somebody has to look at, soonest first. A claim that ran out is due again: its deadline stands in due_at.
CREATE INDEX message_due ON notifier.message (due_at) WHERE state IN ('waiting', 'claimed', 'sending');

GRANT SELECT, INSERT, UPDATE ON notifier.member, notifier.preference, notifier.message TO habitue_notifier;
GRANT DELETE ON notifier.preference TO habitue_notifier;
GRANT SELECT, INSERT ON notifier.suppressed_address TO habitue_notifier;
