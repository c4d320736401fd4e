"""One control or cheat a file, named as in `tests.adversarial.table`.

Those with an `edit` are called by the editor `rogue` for the case whose target begins with their
name. Those with a `spoil` change a submission's folder.
"""
