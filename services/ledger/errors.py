"""What a caller of the ledger may meet. The first line of a docstring is the title of the problem."""

from __future__ import annotations

from shared.errors import Kind, ServiceError, Unavailable


class UnknownMember(ServiceError):
    """The ledger has never heard of this member."""

    kind = Kind.NOT_FOUND
    code = "unknown_member"


class UnknownHold(ServiceError):
    """There is no hold with this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_hold"


class UnknownDecision(ServiceError):
    """No rule was asked about this event, or the event has not arrived."""

    kind = Kind.NOT_FOUND
    code = "unknown_decision"


class MemberErased(ServiceError):
    """This member asked to be forgotten."""

    kind = Kind.CONFLICT
    code = "member_erased"


class InsufficientPoints(ServiceError):
    """The member asked to spend more than is available now."""

    kind = Kind.CONFLICT
    code = "insufficient_points"


class HoldClosed(ServiceError):
    """The hold was captured, released or timed out before."""

    kind = Kind.CONFLICT
    code = "hold_closed"


class HoldExceeded(ServiceError):
    """More was to be captured than is held."""

    kind = Kind.CONFLICT
    code = "hold_exceeded"


class HoldConflict(ServiceError):
    """A hold with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "hold_conflict"


class SpendConflict(ServiceError):
    """A spend or a hold with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "spend_conflict"


class NoCheckout(ServiceError):
    """The program does not say what this is worth at a checkout."""

    kind = Kind.CONFLICT
    code = "no_checkout"


class NotWholeBlocks(ServiceError):
    """Points pay in whole blocks only."""

    kind = Kind.INVALID
    code = "not_whole_blocks"


class NotUsable(ServiceError):
    """The program does not let this order use so many points."""

    kind = Kind.CONFLICT
    code = "not_usable"


class UnknownReward(ServiceError):
    """There is no reward with this name or id."""

    kind = Kind.NOT_FOUND
    code = "unknown_reward"


class RewardUnavailable(ServiceError):
    """This member cannot have this reward now; `reasons` says why."""

    kind = Kind.CONFLICT
    code = "reward_unavailable"


class RewardSoldOut(ServiceError):
    """All of this reward are gone."""

    kind = Kind.CONFLICT
    code = "reward_sold_out"


class RewardClosed(ServiceError):
    """The reward was used, voided or has expired, or a checkout has it in hand."""

    kind = Kind.CONFLICT
    code = "reward_closed"


class RewardConflict(ServiceError):
    """A reward with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "reward_conflict"


class PoolEmpty(ServiceError):
    """The pool of codes for this reward is empty, and nothing was taken; upload further codes."""

    kind = Kind.CONFLICT
    code = "coupon_pool_empty"


class UnknownCoupon(ServiceError):
    """There is no coupon with this code, or none that is reserved or used so."""

    kind = Kind.NOT_FOUND
    code = "unknown_coupon"


class CouponRefused(ServiceError):
    """The coupon cannot be used so; `reasons` lists everything that is against it."""

    kind = Kind.CONFLICT
    code = "coupon_refused"


class CodeTaken(ServiceError):
    """Another coupon of the program has this code."""

    kind = Kind.CONFLICT
    code = "code_taken"


class CharityUnknown(ServiceError):
    """The donation names no charity that the program knows."""

    kind = Kind.INVALID
    code = "charity_unknown"


class CodeDrawnTwice(Unavailable):
    """A code that was drawn is another coupon's already; the next try draws another."""

    code = "code_drawn_twice"


class CouponMoved(Unavailable):
    """The coupon went to another member just now; try again."""

    code = "coupon_moved"


class NotReversible(ServiceError):
    """The program lets nobody take back what is available."""

    kind = Kind.CONFLICT
    code = "not_reversible"


class ImportFault(ServiceError):
    """A row of an import does not fit what the ledger knows."""

    code = "import_fault"


class ImportRefused(ServiceError):
    """Rows of the import are at fault, so none of them was taken; `faults` lists each by its line."""

    code = "import_refused"


class ProgramNotEmpty(ServiceError):
    """A book comes only into a program of which there is nothing yet."""

    kind = Kind.CONFLICT
    code = "program_not_empty"


class UnknownAdjustment(ServiceError):
    """There is no adjustment with this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_adjustment"


class AdjustmentConflict(ServiceError):
    """An adjustment with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "adjustment_conflict"


class AdjustmentDecided(ServiceError):
    """The adjustment was applied or rejected before."""

    kind = Kind.CONFLICT
    code = "adjustment_decided"


class OwnAdjustment(ServiceError):
    """Nobody decides what they proposed themselves."""

    kind = Kind.FORBIDDEN
    code = "own_adjustment"


class UnknownAsset(ServiceError):
    """The program knows of no asset with this name."""

    code = "unknown_asset"


class UnknownPartner(ServiceError):
    """The program has no agreement with a partner of this name."""

    kind = Kind.NOT_FOUND
    code = "unknown_partner"


class AgreementNotValid(ServiceError):
    """The agreement with the partner does not hold at that moment."""

    kind = Kind.CONFLICT
    code = "agreement_not_valid"


class CreditInvalid(ServiceError):
    """The partner tells something else than the agreement asks for."""

    kind = Kind.INVALID
    code = "credit_invalid"


class CreditConflict(ServiceError):
    """The partner's transaction was credited before, with other content."""

    kind = Kind.CONFLICT
    code = "credit_conflict"


class UnknownCredit(ServiceError):
    """The partner has credited no transaction with this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_credit"


class PartnerBudgetSpent(ServiceError):
    """The partner's budget has too few points left for this credit."""

    kind = Kind.CONFLICT
    code = "partner_budget_spent"


class CreditedElsewhere(Unavailable):
    """Another request credited one of these transactions just now; try again."""

    code = "credited_elsewhere"


class GiftsOff(ServiceError):
    """The program does not let members give points to each other."""

    kind = Kind.CONFLICT
    code = "transfers_off"


class UnknownReceiver(ServiceError):
    """Nobody can be given points under this id."""

    kind = Kind.CONFLICT
    code = "unknown_receiver"


class NotGivable(ServiceError):
    """The program does not let members give so many points at once, or points that young."""

    kind = Kind.CONFLICT
    code = "not_givable"


class GiftLimitReached(ServiceError):
    """The member gave as many points as the program allows."""

    kind = Kind.CONFLICT
    code = "transfer_limit"


class GiftConflict(ServiceError):
    """A transfer with this id exists, with other content."""

    kind = Kind.CONFLICT
    code = "transfer_conflict"


class MemberMerged(ServiceError):
    """This member was merged into another just now; ask for that one."""

    kind = Kind.CONFLICT
    code = "member_merged"


class AlreadyMerged(ServiceError):
    """This member was merged into somebody else before."""

    kind = Kind.CONFLICT
    code = "already_merged"


class SameMember(ServiceError):
    """Nobody is merged into themselves."""

    kind = Kind.INVALID
    code = "same_member"


def merged_into(key: tuple[str, str], home: tuple[str, str]) -> MemberMerged:
    """What to say of a member who was merged into another."""
    return MemberMerged(f"member {key[1]!r} was merged into {home[1]!r}; ask for that one", member_id=home[1])


class MergedMeanwhile(Unavailable):
    """Another merge was faster; try again."""

    code = "merged_meanwhile"


class PoolsOff(ServiceError):
    """The program has no pools."""

    kind = Kind.CONFLICT
    code = "pools_off"


class NotInPool(ServiceError):
    """The member is in no pool."""

    kind = Kind.NOT_FOUND
    code = "not_in_pool"


class NotInvited(ServiceError):
    """Nobody invited this member to a pool with this id."""

    kind = Kind.NOT_FOUND
    code = "not_invited"


class InAnotherPool(ServiceError):
    """The member is in another pool; they leave that one first."""

    kind = Kind.CONFLICT
    code = "in_another_pool"


class PoolTaken(ServiceError):
    """There is a pool with this id."""

    kind = Kind.CONFLICT
    code = "pool_taken"


class PoolFull(ServiceError):
    """The pool has as many members as the program allows."""

    kind = Kind.CONFLICT
    code = "pool_full"


class PoolChangedMeanwhile(Unavailable):
    """Somebody joined a pool just now; try again."""

    code = "pool_changed_meanwhile"


class NotPoolOwner(ServiceError):
    """Only the member who has been in the pool longest may do that."""

    kind = Kind.CONFLICT
    code = "not_pool_owner"


class ReportRunning(ServiceError):
    """Another report of this program, or many of other programs, are under way."""

    kind = Kind.CONFLICT
    code = "report_running"


class ReportTookTooLong(Unavailable):
    """The report took longer than a report may."""

    code = "report_took_too_long"
