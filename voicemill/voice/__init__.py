"""A voice as a folder: its manifest, model card and pronunciation; assembling, importing, exporting, inspecting it."""
