"""The office's rule files: how they are written, read, measured, mined and improved."""

from bot.rules.reading import RulesFile, load_rules, load_taxonomy, parse_taxonomy

__all__ = ["RulesFile", "load_rules", "load_taxonomy", "parse_taxonomy"]
