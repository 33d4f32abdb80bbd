"""The two pages: their sources, where their build lands, and how it is served."""
