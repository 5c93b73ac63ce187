"""The embedded stack: every server Telecine needs, on this machine, under one supervisor."""

from telecine.stack.lifecycle import down, up
from telecine.stack.state import ProgramStatus, StackInfo, StackStatus
from telecine.stack.status import status

__all__ = ["ProgramStatus", "StackInfo", "StackStatus", "down", "status", "up"]
