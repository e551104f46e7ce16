"""Golden cases of this section."""
