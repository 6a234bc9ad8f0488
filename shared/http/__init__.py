"""The HTTP door's machinery: how every service answers, refuses, knows its callers and keeps its promises.

`app.create_app` puts it together; an endpoint uses `door_router` (from `idempotency`), `requires` (from `auth`)
and `Reading`, `Transaction` or `Write` (from `transaction` and `idempotency`), and says no by raising a
`ServiceError`.

What a newcomer would get wrong: an endpoint never commits and never builds an error answer. The transaction
commits after the endpoint returned and *before* its answer leaves; a commit that fails is an error to the
caller.
"""
