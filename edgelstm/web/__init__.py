"""A live page: a small server of the standard library, what it shows, and its files. Nothing here knows a model or a source."""
