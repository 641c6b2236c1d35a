"""The page behind the code of a posted text, for chiefs inside WeChat."""
