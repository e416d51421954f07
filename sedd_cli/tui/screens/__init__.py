"""What the session asks and shows on top of its main screen: one dialog a module."""
