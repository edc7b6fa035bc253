"""labctl's messages: found in the source by Babel, kept in labctl.po, compiled for the wheel."""
