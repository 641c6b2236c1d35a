"""`make bench`: the product beside the barest program that does the same, in one run on one machine."""
