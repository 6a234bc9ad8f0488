"""Builders for tests of rewards and coupons: a catalogue, and a desk at which rewards are bought, used and voided."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, TypeVar

from services.ledger.domain import obtaining, rewards, using
from services.ledger.domain.book import Book
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.issued import POOLED, Coupon, CouponUse, Issued, canonical
from shared.errors import ServiceError
from shared.events import Event, Grant
from tests.support.events import MEMBER, PROGRAM
from tests.support.ledger import PER_EURO, Desk, a_document, differences

T = TypeVar("T")
FIVE_OFF: dict[str, Any] = {"money_off": "5.00 EUR", "order_at_least": "30.00 EUR", "valid": "60 days"}


def a_reward(name: str = "five off", costs: str | None = "400", **words: Any) -> dict[str, Any]:
    """One entry of the catalogue; `for_` and `from_` stand for the words `for` and `from`."""
    gives = words.pop("gives", FIVE_OFF)
    renamed = {word.rstrip("_"): said for word, said in words.items()}
    return {"reward": name, "gives": gives, **({"costs": costs} if costs else {}), **renamed}


def a_shop(*catalogue: dict[str, Any], **spend: Any) -> dict[str, Any]:
    """A program file of one point per euro, with these rewards."""
    return a_document(PER_EURO, spend={"rewards": list(catalogue), **spend})


class RewardDesk(Desk):
    """A desk with a shelf; after each step the rewards, coupons and stocks must agree with each other."""

    def buys(
        self,
        name: str = "five off",
        reward_id: str = "r1",
        *,
        member: str = MEMBER,
        charity: str | None = None,
    ) -> Issued:
        """The member buys a reward, as the HTTP door does."""
        key, now = self._settled(member)
        bought = obtaining.buy(self.book, key, name, reward_id=reward_id, at=now, charity=charity)
        return self._sound(bought)

    def gives(
        self,
        name: str | None = None,
        reward_id: str = "g1",
        *,
        grant: Grant | None = None,
        member: str = MEMBER,
    ) -> Issued:
        """A person gives a reward."""
        key, now = self._settled(member)
        return self._sound(
            obtaining.give(
                self.book, key, reward_id=reward_id, reason="thank you", at=now, name=name, gives=grant
            )
        )

    def voids(self, reward_id: str = "r1", *, member: str = MEMBER) -> Issued:
        """A person takes an unused reward back."""
        key, now = self._settled(member)
        return self._sound(
            rewards.void(self.book, key, self.reward(reward_id, member=member), cause="test", at=now)
        )

    def keeps(
        self, code: str, use_id: str = "u1", *, minutes: int = 30, member: str | None = MEMBER
    ) -> CouponUse:
        """A checkout reserves one use."""
        key, now = self._settled(member or MEMBER)
        coupon = using.coupon_named(self.book, key[0], code)
        attempt = Attempt(at=now, member_id=member, use_id=use_id)
        until = now + timedelta(minutes=minutes)
        return self._sound(using.reserve(self.book, coupon, attempt, use_id=use_id, until=until))

    def uses(
        self, code: str, order_id: str = "o1", *, use_id: str | None = None, member: str | None = MEMBER
    ) -> CouponUse:
        """An order uses a code."""
        key, now = self._settled(member or MEMBER)
        coupon = using.coupon_named(self.book, key[0], code)
        attempt = Attempt(at=now, member_id=member, order_id=order_id, use_id=use_id)
        return self._sound(using.use_code(self.book, coupon, attempt, cause="test"))

    def frees(self, code: str, use_id: str = "u1") -> CouponUse:
        """A checkout sets its reservation free."""
        coupon = using.coupon_named(self.book, PROGRAM, code)
        use = self.book.shelf.uses.get((PROGRAM, coupon.code), use_id)
        assert use is not None, f"{code} has no use {use_id}"
        return self._sound(
            using.give_back(self.book, coupon, use, cause="test", at=self.now, reason="set free")
        )

    def has_pool(self, pool: str, *codes: str) -> None:
        """The shop's own codes, as uploaded."""
        for code in codes:
            coupon = Coupon(
                program_id=PROGRAM,
                code=canonical(code),
                shown=code,
                state=POOLED,
                pool=pool,
                made_at=self.now,
            )
            self.book.shelf.coupons.load(PROGRAM, coupon.code, coupon)

    def has_coupon(self, code: str, gives: Grant | None = None, **facts: Any) -> Coupon:
        """A code that belongs to nobody's reward."""
        gives = gives or Grant(kind="coupon", percent="10")
        coupon = Coupon(
            program_id=PROGRAM, code=canonical(code), shown=code, gives=gives, made_at=self.now, **facts
        )
        self.book.shelf.coupons.load(PROGRAM, coupon.code, coupon)
        return coupon

    def reward(self, reward_id: str = "r1", *, member: str = MEMBER) -> Issued:
        """A reward as it is now."""
        found = self.book.shelf.rewards.get((PROGRAM, member), reward_id)
        assert found is not None, f"{member} has no reward {reward_id}"
        return found

    def coupon(self, code: str) -> Coupon:
        """A code as it is now."""
        return using.coupon_named(self.book, PROGRAM, code)

    def code_of(self, reward_id: str = "r1") -> str:
        """The code of a reward, as its holder reads it."""
        code = self.reward(reward_id).code
        assert code is not None, f"{reward_id} has no code"
        return self.coupon(code).shown

    def tries(self, *events: Event[Any]) -> dict[int, Any]:
        """Handle events; what was refused, by its place."""
        refused = super().tries(*events)
        assert shelf_differences(self.book) == []
        return refused

    @property
    def rewards_told(self) -> list[str]:
        """What was announced of rewards, in short: `issued r1`."""
        return [
            f"{event.type.split('.')[1]} {event.data.reward_id}"
            for event in self.book.outgoing
            if event.type.startswith("reward.")
        ]

    def _sound(self, made: T) -> T:
        assert differences(self.book) == []
        assert shelf_differences(self.book) == []
        return made


def reasons_of(refused: ServiceError) -> list[str]:
    """The stable words of a refusal's reasons."""
    reasons: Any = refused.extra["reasons"]
    return [reason["code"] for reason in reasons]


def shelf_differences(book: Book) -> list[str]:
    """Where rewards, coupons and their uses do not agree, or prices do not follow from the transfers."""
    found = []
    paid: Counter[tuple[str, str]] = Counter()
    for each in book.transfers:
        if each.kind == "redemption":
            paid[(each.member_id, each.asset)] += each.amount
        elif each.kind == "reward_void":
            paid[(each.member_id, each.asset)] -= each.amount
    worth: Counter[tuple[str, str]] = Counter()
    for key in book.detailed:
        for reward in book.shelf.rewards.of(key).values():
            if reward.state != "voided":
                worth[(reward.member_id, reward.asset)] += reward.price
            found += _code_off(book, reward)
    if +paid != +worth:
        found.append(f"members paid {dict(+paid)} for rewards worth {dict(+worth)}")
    for program_id in book.programs:
        for coupon in book.shelf.coupons.of(program_id).values():
            uses = book.shelf.uses.of((program_id, coupon.code)).values()
            used = sum(1 for use in uses if use.state == "used")
            if coupon.uses is not None and (used != coupon.used or used > coupon.uses):
                found.append(f"{coupon.shown} says {coupon.used} of {coupon.uses}, and was used {used} times")
    return found


def _code_off(book: Book, reward: Issued) -> list[str]:
    if reward.code is None:
        return []
    coupon = book.shelf.coupons.get(reward.program_id, reward.code)
    if coupon is None or (coupon.member_id, coupon.reward_id) != (reward.member_id, reward.reward_id):
        return [f"{reward.reward_id} and its code do not know each other"]
    used_up = coupon.uses is not None and coupon.used >= coupon.uses
    if (reward.state == "used") != used_up or (reward.state == "voided") != (coupon.state == "voided"):
        return [f"{reward.reward_id} is {reward.state}, its code {coupon.state} and used {coupon.used} times"]
    return []
