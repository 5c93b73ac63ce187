"""Evidence of any package, ours or not: what its manifests promise, what its media hold, what a licence opens."""
