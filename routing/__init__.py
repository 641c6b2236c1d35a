"""Pure decisions: which category, which person, which next status, when due. No input or output here."""
