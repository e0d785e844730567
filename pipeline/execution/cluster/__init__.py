"""Fits as tasks of a Ray cluster. Ray schedules them, tries them again and shows them.

`connection` and `tasks` are the door to Ray; `node` is what runs on a node, and `versions` what is
compared between nodes.
"""
