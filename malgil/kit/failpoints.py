"""Named places where a crash test may stop the process. Nothing is armed unless the composition root arms it.

A failpoint is armed as `name:action[:nth]`: at the nth passage (default 1) the process kills itself (`kill`,
SIGKILL: nothing is flushed, no handler runs) or freezes (`stop`, SIGSTOP). The disarmed cost is one dict look-up.
"""

import os
import signal

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed: dict[str, tuple[signal.Signals, int]] = {}


def arm(spec: str) -> None:
    """Arm every `name:action[:nth]` of a comma list. Raises ValueError for what it cannot read."""
    for one in filter(None, spec.split(",")):
        name, _, rest = one.partition(":")
        action, _, nth = rest.partition(":")
        if action not in _SIGNALS or not (nth or "1").isdigit():
            raise ValueError(f"failpoint {one!r}: want name:kill|stop[:nth]")
        _armed[name] = (_SIGNALS[action], int(nth or 1))


def reach(name: str) -> None:
    """Mark a place. Dies or freezes here when it is armed and this is the nth passage."""
    if not _armed or name not in _armed:
        return
    action, left = _armed[name]
    if left > 1:
        _armed[name] = (action, left - 1)
        return
    del _armed[name]
    os.kill(os.getpid(), action)
