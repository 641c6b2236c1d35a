"""The office in force: the clerk's files, and people and places from the store, as one value."""

from pathlib import Path

from bot.cards import load_cards
from bot.digests import load_digests
from bot.files import Watched
from bot.limits import load_limits
from bot.manners import load_manners
from bot.notices import load_notices
from bot.roles import load_roles
from bot.rules import RulesFile
from bot.settings import Settings
from bot.texts import load_texts
from bot.together import load_together
from handlers.notices import Notices
from handlers.office import Office, Together
from handlers.texts import Texts
from routing.cards import PolicyCards
from routing.limits import Limits
from routing.manners import Manners
from routing.organisation import Organisation
from routing.rhythm import Schedule
from routing.roles import Roles
from storage import directory
from storage.store import Store


class OfficeFiles:
    """The clerk's files. At the start a wrong one raises FileError; later the last good one stays."""

    def __init__(
        self,
        rules: Path,
        texts: Path,
        limits: Path,
        roles: Path,
        manners: Path,
        together: Path,
        digests: Path,
        cards: Path,
        notices: Path,
    ) -> None:
        self.rules = RulesFile(rules)
        self.texts: Watched[Texts] = Watched(texts, load_texts)
        self.limits: Watched[Limits] = Watched(limits, load_limits)
        self.roles: Watched[Roles] = Watched(roles, load_roles)
        self.manners: Watched[Manners] = Watched(manners, load_manners)
        self.together: Watched[Together] = Watched(together, load_together)
        self.digests: Watched[Schedule] = Watched(digests, load_digests)
        self.cards: Watched[PolicyCards] = Watched(cards, load_cards)
        self.notices: Watched[Notices] = Watched(notices, load_notices)

    @classmethod
    def of(cls, settings: Settings) -> "OfficeFiles":
        return cls(
            settings.rules_file,
            settings.texts_file,
            settings.limits_file,
            settings.roles_file,
            settings.manners_file,
            settings.together_file,
            settings.digests_file,
            settings.cards_file,
            settings.notices_file,
        )

    async def refresh(self) -> bool:
        """Look whether a file has changed; whether anything new came into force."""
        files = (
            *(self.rules, self.texts, self.limits, self.roles),
            *(self.manners, self.together, self.digests, self.cards, self.notices),
        )
        return any([await file.refresh() for file in files])


class Offices:
    """Hands out the office as one value; a new one replaces it whole when anything changed."""

    def __init__(self, store: Store, files: OfficeFiles, hand_page: str = "") -> None:
        self._store = store
        self._hand_page = hand_page
        self._files = files
        self._revision = -1
        self._office = self._assemble(Organisation())

    @property
    def current(self) -> Office:
        """The office as of the last `refresh`."""
        return self._office

    async def refresh(self) -> bool:
        """Take changed files and a changed organisation into force; whether there was anything."""
        changed = await self._files.refresh()
        revision = await self._store.read(directory.revision)
        if revision != self._revision:
            self._office = self._assemble(await self._store.read(directory.load))
            self._revision, changed = revision, True
        elif changed:
            self._office = self._assemble(self._office.organisation)
        return changed

    def _assemble(self, organisation: Organisation) -> Office:
        files = self._files
        return Office(
            organisation,
            files.rules.value,
            files.texts.value,
            files.limits.value,
            files.roles.value,
            files.manners.value,
            files.together.value,
            files.digests.value,
            files.cards.value,
            files.notices.value,
            self._hand_page,
        )
