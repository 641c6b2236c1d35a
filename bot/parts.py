"""What one process does of the whole: everything, or one part beside others on the same database."""

from enum import StrEnum


class Part(StrEnum):
    """INTAKE stores what arrives, WORKER handles it and speaks, CONSOLE shows the office its figures."""

    ALL = "all"
    INTAKE = "intake"
    WORKER = "worker"
    CONSOLE = "console"

    @property
    def takes_in(self) -> bool:
        return self in (Part.ALL, Part.INTAKE)

    @property
    def works(self) -> bool:
        return self in (Part.ALL, Part.WORKER)
