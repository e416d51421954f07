"""The interactive session, in Textual."""
