"""The kernel of Telecine: the words every stage shares, and one door per outside thing."""
