"""The notifier: what was said to whom, when, and in which language.

Owns: contact data (name, e-mail, phone, language, zone; no other service keeps any), consents and unsubscriptions, the
list of addresses that must not be written to, and every message with what became of it: e-mails and in-app entries.

Listens to: customers signed up, updated, deleted; points earned; levels reached; referrals approved; members merged.

Announces: messages sent, deferred, failed, suppressed; members unsubscribed.

What a newcomer would get wrong: handling an event never sends anything. It writes down what is to be said and from when
on; the sender (`sender`) claims what is due, sends it outside of any transaction, and records the outcome.
"""
