"""What people say a request is about, where the rules thought otherwise or did not know: to learn from."""

import hashlib

from handlers.desk import Desk
from routing.text import normalize
from storage.ids import new_id
from storage.tables import Feedback, ServiceRequest


def remember(
    desk: Desk, request: ServiceRequest, before: str | None, after: str | None, who: str, text: str
) -> None:
    """Note a correction. The words stay where they can be erased, here is only their hash; under which
    rules they were decided stands with the request."""
    digest = hashlib.sha256(normalize(text).encode("utf-8", "backslashreplace")).hexdigest()
    desk.unit.add(
        Feedback(
            id=new_id(),
            request=request.id,
            before=before,
            after=after,
            who=who,
            text_hash=digest,
            at=desk.now,
        )
    )
