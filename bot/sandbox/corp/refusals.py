"""What WeCom refuses, by its error codes. “Unverified”: named by no page of theirs that we have read."""

from enum import IntEnum


class Code(IntEnum):
    WRONG_SECRET = 40001
    WRONG_MEDIA_TYPE = 40004
    WRONG_MEDIA = 40007
    WRONG_MSGTYPE = 40008
    WRONG_SIZE = 40009
    WRONG_CORP = 40013
    WRONG_TOKEN = 40014
    TOO_MANY_USERS = 40032
    WRONG_AGENT = 40056
    NO_CALLBACK = 40057
    WRONG_PARAMETER = 40058
    NO_TOKEN = 41001
    EXPIRED_TOKEN = 42001
    SPENT_CODE = 42014  # unverified: a response_code that was used, has expired or never was
    EMPTY = 44004
    TOO_LONG = 45002
    WRONG_JSON = 47001
    NO_SUCH_USER = 60111
    NOBODY = 81013
    WRONG_CHAT = 86001
    WRONG_MEMBERS = 86003
    CHAT_TAKEN = 86215
    WRONG_ROBOT = 93000
    ROBOT_TOO_FAST = 130101  # third party; for this, too, 45009 has been reported


class RefusedError(Exception):
    """An answer with an `errcode` that is not 0."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = int(code), reason


def wrong(reason: str) -> RefusedError:
    return RefusedError(Code.WRONG_PARAMETER, f"invalid Request Parameter, {reason}")
