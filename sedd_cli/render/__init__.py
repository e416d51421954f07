"""What people see: rich renderables of canvases, in which text is inert."""
