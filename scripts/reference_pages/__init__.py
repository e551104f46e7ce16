"""The pages of docs/reference that follow from declarations, a module a page."""
