"""Where one machine ends: streams by key over engines that exist already, each a thin face of `keyed.KeyedStep`.

Packages of engines and of columns are imported where they are used; importing this room loads none of them.
"""
