"""Dialogs on top of the main screen, one a module."""
