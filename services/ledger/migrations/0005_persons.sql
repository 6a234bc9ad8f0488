-- What is known of a member as a person: birth month and day, time zone, segments. No contact data.
CREATE TABLE ledger.person (
    program_id text NOT NULL,
    member_id text NOT NULL,
    -- month and day, and since when they are known: a birthday counts from then on
    birthday text CHECK (birthday ~ '^[0-9]{2}-[0-9]{2}$'),
    birthday_since timestamptz,
    time_zone text,
    -- kept where a version of the program rewards the anniversary of the first purchase
    first_paid_at timestamptz,
    -- [[since, segment, is_in], ...], oldest first
    segments jsonb NOT NULL DEFAULT '[]',
    -- [[occasion, day], ...], the latest day on which each was celebrated
    celebrated jsonb NOT NULL DEFAULT '[]',
    -- kept where points live by activity: the latest stretch of it in which no gap let anything expire
    active_from timestamptz,
    active_until timestamptz,
    PRIMARY KEY (program_id, member_id)
) WITH (fillfactor = 80);

-- How far the members of a program were brought up to date after a version that rewards another occasion.
CREATE TABLE ledger.occasion_sweep (
    program_id text PRIMARY KEY,
    -- all members are up to date with this version; 0 = with none
    swept_version integer NOT NULL,
    -- being swept: members up to `swept_to` are up to date with this version
    version integer NOT NULL,
    swept_to text
);

-- DELETE: who is erased is forgotten.
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.person TO habitue_ledger;
GRANT SELECT, INSERT, UPDATE ON ledger.occasion_sweep TO habitue_ledger;
