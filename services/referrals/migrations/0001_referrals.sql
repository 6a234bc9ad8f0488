-- Who brought whom. Every table about members begins with (program_id, member_id); no key points to another member's rows.

-- A member, from first sight on. An erased one keeps this row, so that nothing makes them a member again.
CREATE TABLE referrals.member (
    program_id text NOT NULL,
    member_id text NOT NULL,
    code text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    signed_up_at timestamptz,
    erased_at timestamptz,
    -- another name of this member; nothing else is kept under it
    merged_into text,
    PRIMARY KEY (program_id, member_id)
) WITH (fillfactor = 80);

CREATE INDEX member_merged ON referrals.member (program_id, merged_into) WHERE merged_into IS NOT NULL;

-- Whose each code is. A code that was named but that nobody has yet is here too, without a member: its row is what a friend's
-- and the advocate's transaction meet on.
CREATE TABLE referrals.code (
    program_id text NOT NULL,
    code text NOT NULL,
    member_id text,
    PRIMARY KEY (program_id, code)
);
CREATE INDEX code_anywhere ON referrals.code (code);
CREATE INDEX code_of_member ON referrals.code (program_id, member_id);

-- Keyed hashes of what can be compared between members.
CREATE TABLE referrals.signal (
    program_id text NOT NULL,
    member_id text NOT NULL,
    kind text NOT NULL,
    digest uuid NOT NULL,
    first_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id, kind, digest)
);

-- Each time a member named a code, with what speaks against it.
CREATE TABLE referrals.touch (
    program_id text NOT NULL,
    member_id text NOT NULL,
    touch_id uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    via text NOT NULL CHECK (via IN ('sign_up', 'order')),
    code text,
    order_id text,
    reasons text[] NOT NULL,
    open boolean NOT NULL,
    PRIMARY KEY (program_id, member_id, touch_id)
);
CREATE INDEX touch_open ON referrals.touch (program_id, code) WHERE open;

-- What the shop told about each order, as it was told, without contact data.
CREATE TABLE referrals.paper (
    program_id text NOT NULL,
    member_id text NOT NULL,
    order_id text NOT NULL,
    paper_id uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id, order_id, paper_id)
);

-- One member brought another; kept with the friend, who is the member of this table.
CREATE TABLE referrals.referral (
    program_id text NOT NULL,
    member_id text NOT NULL,
    referral_id uuid NOT NULL,
    advocate_id text,
    touch_id uuid,
    code text,
    state text NOT NULL CHECK (state IN ('started', 'pending', 'flagged', 'approved', 'voided')),
    started_at timestamptz NOT NULL,
    version integer NOT NULL,
    order_id text,
    due_at timestamptz,
    approved_at timestamptz,
    voided_at timestamptz,
    reasons text[] NOT NULL,
    friend_rewards jsonb NOT NULL,
    advocate_rewards jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id, referral_id)
);
CREATE INDEX referral_due ON referrals.referral (due_at) WHERE state = 'pending';
CREATE INDEX referral_by_id ON referrals.referral (program_id, referral_id);

-- The same referral as the advocate's own row, so that what somebody brought is found with them. Kept in step with
-- referrals.referral in one transaction; `verify` compares the two.
CREATE TABLE referrals.advocacy (
    program_id text NOT NULL,
    member_id text NOT NULL,
    referral_id uuid NOT NULL,
    friend_id text,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz,
    approved_at timestamptz,
    voided_at timestamptz,
    reasons text[] NOT NULL,
    rewards jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id, referral_id)
);
CREATE INDEX advocacy_by_time ON referrals.advocacy (program_id, member_id, started_at DESC, referral_id DESC);
CREATE INDEX advocacy_by_id ON referrals.advocacy (program_id, referral_id);

-- Each visit to a link.
CREATE TABLE referrals.click (
    program_id text NOT NULL,
    click_id text NOT NULL,
    code text NOT NULL,
    clicked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, click_id)
);

GRANT SELECT, INSERT, UPDATE ON referrals.member, referrals.code, referrals.touch, referrals.referral, referrals.advocacy
    TO habitue_referrals;
GRANT SELECT, INSERT ON referrals.signal, referrals.paper, referrals.click TO habitue_referrals;
-- Erasure.
GRANT DELETE ON referrals.signal, referrals.touch, referrals.paper TO habitue_referrals;
