"""The HTTP door: a member's messages and inbox, and the link at which members unsubscribe.

What a newcomer would get wrong: opening the link (GET) must change nothing, since mail filters open every link that
they see. It shows a button; the button, and the mail client's own one-click button (RFC 8058), POST.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from services.notifier.actions import Actions
from services.notifier.domain.languages import nearest
from services.notifier.domain.members import Key, Member
from services.notifier.domain.messages import Kept
from services.notifier.domain.rules import Channel, Rules
from services.notifier.domain.sending import zone_of
from services.notifier.errors import LinkInvalid, MessageNotFound
from services.notifier.links import Links, Unsubscription
from services.notifier.render import Setting, Templates
from services.notifier.schemas import Inbox, InboxEntry, MessageOut
from shared.database import AnyConnection
from shared.events import Id
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import DEFAULT_LIMIT, Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading, Transaction
from shared.programs import UnknownProgram
from shared.tokens import Caller

router = door_router(prefix="/members/{member_id}", tags=["messages"])
public_router = APIRouter(tags=["links"])

MESSAGES = Cursors("messages", tuple[datetime, UUID])
INBOX = Cursors("inbox", tuple[datetime, UUID])

MessageId = Annotated[UUID, Path(examples=["0b9e6a52-6f0e-5f0e-9a43-3f0c8b1c7d21"])]
MemberId = Annotated[
    Id, Path(description="The member, by the shop's id of the customer.", examples=["customer-7"])
]
Reader = Annotated[Caller, requires("notifier:read")]
Writer = Annotated[Caller, requires("notifier:write")]


@router.get("/messages", summary="What was said to a member", responses=refuses(UnknownProgram))
async def list_messages(
    request: Request,
    caller: Reader,
    connection: Reading,
    member_id: MemberId,
    channel: Annotated[Channel | None, Query(description="Only this channel.")] = None,
    cursor: CursorText = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MessageOut]:
    """Every message to a member on every channel, newest first, with what became of it."""
    key = await _actions(request).home(connection, (caller.program_id, member_id))
    speaker = await _speaker(request, connection, key)
    found = await _actions(request).store.page(
        connection, key, after=MESSAGES.read(cursor), limit=limit + 1, channel=channel
    )
    page, after = MESSAGES.cut(found, limit, _place)
    return Page(items=[_message_out(kept, speaker) for kept in page], next=after)


@router.get("/inbox", summary="A member's inbox", responses=refuses(UnknownProgram))
async def list_inbox(
    request: Request,
    caller: Reader,
    connection: Reading,
    member_id: MemberId,
    unread: Annotated[bool, Query(description="Only what the member has not read.")] = False,
    cursor: CursorText = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Inbox:
    """The entries of a member's inbox, newest first, in the member's language."""
    store = _actions(request).store
    key = await _actions(request).home(connection, (caller.program_id, member_id))
    speaker = await _speaker(request, connection, key)
    found = await store.inbox_page(
        connection, key, after=INBOX.read(cursor), limit=limit + 1, unread_only=unread
    )
    page, after = INBOX.cut(found, limit, _place)
    entries = [speaker.entry(kept) for kept in page]
    return Inbox(items=entries, next=after, unread=await store.unread(connection, key))


@router.post(
    "/inbox/{message_id}/read",
    summary="Mark an entry of the inbox as read",
    responses=refuses(MessageNotFound, UnknownProgram),
)
async def mark_read(
    request: Request, caller: Writer, connection: Write, member_id: MemberId, message_id: MessageId
) -> InboxEntry:
    """The first time counts; again changes nothing."""
    key = await _actions(request).home(connection, (caller.program_id, member_id))
    speaker = await _speaker(request, connection, key)
    kept = await _actions(request).mark_read(connection, key, message_id, request.app.state.clock())
    return speaker.entry(kept)


@public_router.get("/u/{token}", summary="Ask whether to unsubscribe", response_class=HTMLResponse)
async def ask_to_unsubscribe(request: Request, connection: Reading, token: str) -> HTMLResponse:
    """A page with a button; nothing has changed yet."""
    try:
        link = _links(request).read(token)
        return await _page(request, connection, link, is_done=False)
    except (LinkInvalid, UnknownProgram):
        return _broken(request)


@public_router.post("/u/{token}", summary="Unsubscribe", response_class=HTMLResponse)
async def unsubscribe(request: Request, connection: Transaction, token: str) -> HTMLResponse:
    """At once, without logging in; again changes nothing. Mail clients send this for their own button."""
    try:
        link = _links(request).read(token)
        page = await _page(request, connection, link, is_done=True)
    except (LinkInvalid, UnknownProgram):
        return _broken(request)
    await _actions(request).unsubscribe(connection, link, request.app.state.clock())
    return page


class _Speaker:
    """Words messages for one member: the language, the locale and the zone are found once a request."""

    def __init__(self, actions: Actions, templates: Templates, member: Member | None, rules: Rules) -> None:
        self._templates = templates
        self.language = actions.language_of(member, rules)
        self.setting = Setting(
            language=self.language,
            locale=(member.language if member else None) or self.language,
            zone=zone_of(member, rules) if member else rules.zone,
            program=rules.program_name,
        )

    def words(self, kept: Kept) -> tuple[str, str]:
        """Title and text."""
        return self._templates.entry(kept.message.template, kept.message.facts, self.setting)

    def entry(self, kept: Kept) -> InboxEntry:
        """A message as an entry of the inbox."""
        title, text = self.words(kept)
        message = kept.message
        return InboxEntry(
            message_id=message.message_id,
            name=message.name,
            title=title,
            text=text,
            language=self.language,
            facts={name: value for name, value in message.facts.items() if name != "causes"},
            happened_at=message.happened_at,
            read_at=kept.read_at,
        )


async def _speaker(request: Request, connection: AnyConnection, key: Key) -> _Speaker:
    actions = _actions(request)
    rules = (await actions.programs.one(connection, key[0])).newest.rules
    members = await actions.store.members(connection, [key])
    return _Speaker(actions, request.app.state.templates, members.get(key), rules)


def _message_out(kept: Kept, speaker: _Speaker) -> MessageOut:
    message = kept.message
    return MessageOut(
        message_id=message.message_id,
        name=message.name,
        channel=message.channel.value,
        language=message.language,
        title=None if kept.is_forgotten else speaker.words(kept)[0],
        cause=message.cause,
        state=message.state.value,
        reason=message.why.value if message.why else None,
        happened_at=message.happened_at,
        created_at=message.created_at,
        due_at=message.due_at,
        settled_at=message.settled_at,
        read_at=kept.read_at,
        attempts=message.attempts,
    )


async def _page(
    request: Request, connection: AnyConnection, link: Unsubscription, *, is_done: bool
) -> HTMLResponse:
    speaker = await _speaker(request, connection, (link.program_id, link.member_id))
    html = request.app.state.templates.page("unsubscribe", speaker.setting, is_done=is_done)
    return HTMLResponse(html, headers=_PAGE_HEADERS)


def _broken(request: Request) -> HTMLResponse:
    templates: Templates = request.app.state.templates
    wanted = [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    html = templates.broken_page(nearest(wanted, templates.languages))
    return HTMLResponse(html, status_code=404, headers=_PAGE_HEADERS)


_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
"""The address is a secret of the member: it must not travel on, nor be kept."""


def _place(kept: Kept) -> tuple[datetime, UUID]:
    return kept.message.happened_at, kept.message.message_id


def _actions(request: Request) -> Actions:
    actions: Actions = request.app.state.actions
    return actions


def _links(request: Request) -> Links:
    links: Links = request.app.state.links
    return links
