"""Master to renditions: probe, qualify, plan, encode chunks, assemble, measure."""
