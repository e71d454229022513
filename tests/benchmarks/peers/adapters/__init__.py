"""One file for each code: how it gets the internal force and takes a step."""
