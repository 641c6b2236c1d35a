"""The platforms' numbers that no code of theirs tells us, each with where it is from.

“Unverified” numbers come from other people's reports: when a platform behaves otherwise, change them here.
"""

from datetime import timedelta

from routing.windows import Term

# --- both: callbacks ---------------------------------------------------------------------------
LARGEST_BODY = 64 * 1024  # our own cap; the platforms' bodies are below 10 KB, three times that in mixed mode
OLDEST_CALL = timedelta(minutes=5)  # our own cap on the age of a signed timestamp
ANSWER_WITHIN = 3.0  # seconds; the platforms hang up after 5 and call again, three times in all (official)

# --- WeChat service account --------------------------------------------------------------------
TALK = Term(timedelta(hours=48), 5)  # free messages after a message (official, since June 2023)
BRIEF = Term(timedelta(minutes=1), 3)  # … after a menu click, a scan, a subscription (official)
# Whether a new window adds to the old one is unverified for service accounts: we assume that it does not.
LONGEST_SERVICE_TEXT = 2000  # bytes of UTF-8; 45002 was seen above 2048 (unverified)
LONGEST_FIELD = 20  # characters of a template field, no newline, no emoji (official, May 2023)
MOST_SCENES = 100_000  # permanent parametric codes of one account (official)
WARN_SCENES = 0.9
LONGEST_SCENE = 64  # characters (official)
LONGEST_TEMPORARY_SCENE = timedelta(days=30)  # the platform's default would be one minute (official)
MEDIA_LIVES = timedelta(days=3)  # temporary media on the platform (official)
TOKEN_RENEWED_EARLY = 300  # seconds; both tokens work in that time (official, stable_token)
MINUTE_QUOTA_PAUSE = 60.0  # seconds after 45011
MENU_BUTTONS, MENU_SUB_BUTTONS = 3, 5  # (unverified on the present page)
MENU_NAME, MENU_SUB_NAME = 16, 60  # bytes of UTF-8; phones show about 4 and 8 characters (unverified)
MENU_KEY, MENU_URL = 128, 1024  # bytes (unverified)

# --- WeCom -------------------------------------------------------------------------------------
PER_MEMBER_MINUTE, PER_MEMBER_HOUR = 30, 1000  # more is dropped without an error (official)
LONGEST_APP_TEXT = 2048  # bytes; longer is cut by the platform (official)
CARD_CODE_LIVES = timedelta(hours=72)  # response_code, one use (official, July 2025; older copies: 24 hours)
MOST_CARD_BUTTONS = 6  # (unverified)
# What a card shows of its parts, in characters (official, as advice: beyond it, screens leave words out).
CARD_TITLE, CARD_TEXT, CARD_BUTTON = 36, 160, 10
CARD_QUOTE = 160  # no number is given for it (unverified)
ROBOT_MINUTE = 18  # our pace; 20 a minute is the limit, beyond it about ten minutes of silence (third party)
ROBOT_SILENCE = 600.0  # seconds after 130101 (third party)
LONGEST_ROBOT_TEXT, LONGEST_ROBOT_MARKDOWN = 2048, 4096  # bytes (official)
LONGEST_BOT_TEXT = 20480  # bytes of a smart robot's answer (official, October 2025)
FREQUENCY_PAUSE = 600.0  # seconds after 45009: a quota of a minute, an hour or a day (our own choice)
RESPONSE_URL_LIVES = timedelta(hours=1)  # one use (official)
MOST_IN_FLIGHT = 3  # interactions of one person with a smart robot (official)
