"""A mail server for one's own machine: it keeps every mail in a folder, delivers none, and shows them on a page.

    python -m deploy.local.mail --smtp-port 2525 --http-port 8025 --folder .local/mail

What a newcomer would get wrong: a mail that came twice is shown twice. A sink that knew repetitions by their Message-ID
would hide the very fault that somebody looks for here.
"""

from __future__ import annotations

import argparse
import contextlib
import email
import email.policy
import html
import itertools
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.ports import HOST, free_port

MOST_SHOWN = 500
MOST_BYTES = 10 * 2**20
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9]+-[0-9]{6}\.eml")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running sink is reached."""

    smtp_port: int
    http_port: int

    @property
    def smtp_url(self) -> str:
        """As `NOTIFIER_SMTP_URL` wants it."""
        return f"smtp://{HOST}:{self.smtp_port}?starttls=never"

    @property
    def http_url(self) -> str:
        """Where people read the mails."""
        return f"http://{HOST}:{self.http_port}"


class Folder:
    """Mails as files, `.eml`, named so that the newest is the last."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._numbers = itertools.count(1)

    def keep(self, content: bytes) -> None:
        """Write a mail; it appears whole or not at all."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        name = f"{stamp}-{os.getpid()}-{next(self._numbers):06}.eml"
        half = self._path / f".{name}"
        half.write_bytes(content)
        half.rename(self._path / name)

    def names(self) -> list[str]:
        """The names of all mails, newest first."""
        return sorted((path.name for path in self._path.glob("*.eml")), reverse=True)

    def raw(self, name: str) -> bytes | None:
        """A mail as it came; None where there is none of this name."""
        path = self._path / name
        return path.read_bytes() if _NAME.fullmatch(name) and path.is_file() else None

    def mail(self, name: str) -> EmailMessage | None:
        """A mail, read."""
        content = self.raw(name)
        if content is None:
            return None
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage), "the default policy makes these"
        return message

    def clear(self) -> None:
        """Throw all mails away."""
        for path in self._path.glob("*.eml"):
            path.unlink(missing_ok=True)


class Keep:
    """What aiosmtpd asks for each mail."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keep the mail, with the envelope as headers on top."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        self._folder.keep(head.encode("ascii", "replace") + content)
        return "250 2.0.0 kept"


@contextlib.contextmanager
def mail_sink(
    folder: Path, *, smtp_port: int = 0, http_port: int = 0, host: str = HOST
) -> Iterator[Addresses]:
    """A sink in threads of this process; port 0 takes any free one, `host` says who may reach it."""
    kept = Folder(folder)
    addresses = Addresses(smtp_port or free_port(), http_port or free_port())
    smtp = Controller(Keep(kept), hostname=host, port=addresses.smtp_port, data_size_limit=MOST_BYTES)
    http = ThreadingHTTPServer((host, addresses.http_port), _handler_of(kept))
    serving = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    smtp.start()
    serving.start()
    try:
        yield addresses
    finally:
        http.shutdown()
        http.server_close()
        serving.join()
        smtp.stop()


def _handler_of(folder: Folder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page, kind = _page(folder, self.path.partition("?")[0])
            status = HTTPStatus.OK if page is not None else HTTPStatus.NOT_FOUND
            self._answer(status, page or b"no such mail", kind)

        def do_DELETE(self) -> None:
            folder.clear()
            self._answer(HTTPStatus.NO_CONTENT, b"", "text/plain")

        def log_message(self, *_: Any) -> None:
            """Say nothing: a page that is looked at is no news."""

        def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _page(folder: Folder, path: str) -> tuple[bytes | None, str]:
    """What stands at a path: the list, a mail, its HTML alone (for the frame), or the mail as it came."""
    steps = [step for step in path.split("/") if step]
    if not steps:
        return _list(folder).encode(), _HTML
    mail = folder.mail(steps[0])
    if mail is None or len(steps) > 2:
        return None, _PLAIN
    if len(steps) == 1:
        return _view(steps[0], mail).encode(), _HTML
    if steps[1] == "html":
        return _body(mail, "html").encode(), _HTML
    return (folder.raw(steps[0]), _PLAIN) if steps[1] == "raw" else (None, _PLAIN)


def _list(folder: Folder) -> str:
    names = folder.names()
    rows = []
    for name in names[:MOST_SHOWN]:
        mail = folder.mail(name)
        if mail is not None:
            cells = "".join(f"<td>{_safe(mail[header])}</td>" for header in ("Date", "To"))
            rows.append(f'<tr>{cells}<td><a href="/{name}">{_safe(mail["Subject"])}</a></td></tr>')
    text = "".join(rows) or '<tr><td colspan="3">No mail yet.</td></tr>'
    return _frame(
        f"{len(names)} mails",
        f"<table><tr><th>When</th><th>To</th><th>Subject</th></tr>{text}</table>",
    )


def _view(name: str, mail: EmailMessage) -> str:
    shown = ("From", "To", "Reply-To", "Date", "Message-ID", "Content-Language", "List-Unsubscribe")
    heads = "".join(f"<tr><th>{each}</th><td>{_safe(mail[each])}</td></tr>" for each in shown if mail[each])
    return _frame(
        _safe(mail["Subject"]),
        f'<p><a href="/">all mails</a> · <a href="/{name}/raw">as it came</a></p><table>{heads}</table>'
        # Without allow-same-origin and scripts, a mail can do nothing here.
        f'<iframe sandbox="allow-popups" src="/{name}/html" title="HTML"></iframe>'
        f"<pre>{_safe(_body(mail, 'plain'))}</pre>",
    )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _safe(text: object) -> str:
    return html.escape(str(text or ""))


def _frame(title: str, body: str) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title><style>"
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#2b2a27}"
        "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .8rem .35rem 0;"
        "border-bottom:1px solid #e6dfd3;vertical-align:top;overflow-wrap:anywhere}th{white-space:nowrap}"
        "iframe{width:100%;height:38rem;border:1px solid #e6dfd3;margin:1rem 0}"
        "pre{white-space:pre-wrap;background:#f4f1ea;padding:1rem}</style>"
        f"<h1>{title}</h1>{body}"
    )


_HTML = "text/html; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Keep every mail in a folder, and show them on a page.")
    parser.add_argument("--host", default=HOST, help="0.0.0.0 in a container, where the network is its own")
    parser.add_argument("--smtp-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--http-port", type=int, default=0, help="0: any free one")
    parser.add_argument("--folder", type=Path, required=True)
    told = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with mail_sink(
        told.folder, smtp_port=told.smtp_port, http_port=told.http_port, host=told.host
    ) as addresses:
        print(f"NOTIFIER_SMTP_URL={addresses.smtp_url}\nMAIL_URL={addresses.http_url}", flush=True)  # noqa: T201
        stop.wait()


if __name__ == "__main__":
    main()
