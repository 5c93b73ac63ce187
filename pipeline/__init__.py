"""The stages composed: the steps of a release, and the same line without servers."""
