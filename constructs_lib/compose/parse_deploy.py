"""What a swarm is told of a service: its `deploy`, and what `restart` means there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from constructs_lib.compose.convert import UnusableError, decimal, labels, seconds
from constructs_lib.compose.model import Deploy, RestartPolicy, UpdatePolicy
from constructs_lib.compose.parse_values import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs_lib.compose.errors import Problems

_BILLION: Final = 1_000_000_000
_CONSTRAINT: Final = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*(==|!=)\s*([^\s=!].*?)\s*", re.ASCII)
"""Source: swarmkit's `manager/constraint`."""
_SUBJECTS: Final = (
    *("node.id", "node.hostname", "node.ip", "node.role"),
    *("node.platform.os", "node.platform.arch"),
)
_LABELS: Final = ("node.labels.", "engine.labels.")
_RESTARTS: Final[Mapping[str, Literal["none", "on-failure", "any"]]] = {
    "no": "none",
    "on-failure": "on-failure",
    "always": "any",
    "unless-stopped": "any",
}
_ACTIONS: Final = {
    "update_config": ("pause", "continue", "rollback"),
    "rollback_config": ("pause", "continue"),
}


def read_deploy(
    raw: Mapping[str, Any], where: str, problems: Problems, *, completes: bool
) -> Deploy:
    """Read what a swarm is told of a service.

    Args:
        raw: The service.
        where: Its place in the file, for messages.
        problems: Gets what is wrong.
        completes: Whether another service waits for this one to complete.
    """
    deploy, here = raw.get("deploy") or {}, f"{where}.deploy"
    placement = deploy.get("placement") or {}
    reserved = (deploy.get("resources") or {}).get("reservations") or {}
    mode = deploy.get("endpoint_mode") or None
    if mode not in ("dnsrr", "vip", None):
        problems.add(f"{here}.endpoint_mode", f"must be dnsrr or vip, got {mode!r}")
    if deploy.get("mode") == "global" and deploy.get("replicas") is not None:
        problems.add(
            f"{here}.replicas",
            f"must not stand beside mode: global, got {deploy['replicas']}; leave one of them out",
        )
    return Deploy(
        is_global=deploy.get("mode") == "global",
        constraints=_constraints(placement.get("constraints") or (), here, problems),
        spread=_spread(placement.get("preferences") or (), here, problems),
        max_replicas_per_node=read_whole(
            placement.get("max_replicas_per_node") or 0,
            f"{here}.placement.max_replicas_per_node",
            problems,
        ),
        reserved_cpus=_cpus(reserved.get("cpus"), f"{here}.resources.reservations.cpus", problems),
        generic_resources=_generic(reserved.get("generic_resources") or (), here, problems),
        endpoint_mode=mode,
        labels=labels(deploy.get("labels") or {}),
        restart=_restart(raw, where, problems, completes=completes),
        update=_changes(deploy, "update_config", here, problems),
        rollback=_changes(deploy, "rollback_config", here, problems),
    )


def go_duration(duration: float) -> str:
    """Return a duration as the provider reads it back: in Go's words, without zeros at its end.

    Args:
        duration: Seconds.
    """
    nanoseconds = round(duration * _BILLION)
    hours, rest = divmod(nanoseconds, 3600 * _BILLION)
    minutes, rest = divmod(rest, 60 * _BILLION)
    if not hours and not minutes and 0 < rest < _BILLION:
        for unit, size in (("ms", 1_000_000), ("µs", 1000), ("ns", 1)):
            if rest >= size:
                return f"{_decimal(rest, size)}{unit}"
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or (hours and rest) else ""
    return text + (f"{_decimal(rest, _BILLION)}s" if rest or not text else "")


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _constraints(given: Iterable[object], where: str, problems: Problems) -> tuple[str, ...]:
    found = []
    for index, text in enumerate(given):
        here = f"{where}.placement.constraints[{index}]"
        match = _CONSTRAINT.fullmatch(str(text))
        if match is None:
            problems.add(here, f"must be such as node.labels.tier==web, got {text!r}")
            continue
        subject = match[1]
        known = subject.lower() in _SUBJECTS or any(
            subject.startswith(label) and subject != label for label in _LABELS
        )
        if not known:
            problems.add(
                here,
                f"must begin with one of {', '.join(_SUBJECTS)}, or with node.labels. or "
                f"engine.labels. and a label, got {text!r}",
            )
        elif subject.lower() == "node.role" and match[3] not in ("manager", "worker"):
            problems.add(here, f"must name the role manager or worker, got {text!r}")
        found.append(f"{subject}{match[2]}{match[3]}")
    return tuple(dict.fromkeys(found))


def _spread(
    given: list[Mapping[str, Any]] | tuple[()], where: str, problems: Problems
) -> str | None:
    here = f"{where}.placement.preferences"
    if len(given) > 1:
        problems.add(
            here, f"must be one, since the provider keeps no order, got {len(given)}; choose one"
        )
    spread = str((given[0] or {}).get("spread") or "") if given else ""
    if given and not any(spread.startswith(label) and spread != label for label in _LABELS):
        problems.add(f"{here}[0].spread", f"must be such as node.labels.zone, got {spread!r}")
    return spread or None


def _cpus(value: object, where: str, problems: Problems) -> int:
    try:
        return round(float(decimal(value or 0) or 0) * _BILLION)
    except UnusableError as error:
        problems.add(where, error.problems[0])
        return 0


def _generic(given: Iterable[Mapping[str, Any]], where: str, problems: Problems) -> dict[str, int]:
    found = {}
    for index, item in enumerate(given):
        here = f"{where}.resources.reservations.generic_resources[{index}]"
        spec = item.get("discrete_resource_spec") or {}
        kind = str(spec.get("kind") or "")
        if not kind or "=" in kind:
            problems.add(
                here, f"must be a discrete_resource_spec with a kind without '=', got {kind!r}"
            )
        else:
            found[kind] = read_whole(spec.get("value") or 0, f"{here}.value", problems)
    return found


def _restart(
    raw: Mapping[str, Any], where: str, problems: Problems, *, completes: bool
) -> RestartPolicy:
    policy = (raw.get("deploy") or {}).get("restart_policy")
    if policy:
        here = f"{where}.deploy.restart_policy"
        condition = str(policy.get("condition") or "any")
        if condition not in ("none", "on-failure", "any"):
            problems.add(f"{here}.condition", f"must be none, on-failure or any, got {condition!r}")
        return RestartPolicy(
            condition=cast('Literal["none", "on-failure", "any"]', condition),
            delay=_time(policy, "delay", here, problems, "5s"),
            max_attempts=read_whole(
                policy.get("max_attempts") or 0, f"{here}.max_attempts", problems
            ),
            window=_time(policy, "window", here, problems, "0s"),
        )
    name, _, tries = str(raw.get("restart") or "").partition(":")
    if not name:
        return RestartPolicy(condition="none" if completes else "any")
    if name not in _RESTARTS:
        problems.add(
            f"{where}.restart", f"must be no, always, on-failure or unless-stopped, got {name!r}"
        )
    elif tries and name != "on-failure":
        problems.add(
            f"{where}.restart", f"must be on-failure where tries are limited, got {name}:{tries}"
        )
    return RestartPolicy(
        condition=_RESTARTS.get(name, "any"),
        max_attempts=read_whole(tries or 0, f"{where}.restart", problems),
    )


def _changes(
    deploy: Mapping[str, Any], key: str, where: str, problems: Problems
) -> UpdatePolicy | None:
    raw, here = deploy.get(key), f"{where}.{key}"
    if not raw:
        return None
    action = str(raw.get("failure_action") or "pause")
    if action not in _ACTIONS[key]:
        problems.add(
            f"{here}.failure_action", f"must be {' or '.join(_ACTIONS[key])}, got {action!r}"
        )
    order = str(raw.get("order") or "stop-first")
    if order not in ("stop-first", "start-first"):
        problems.add(f"{here}.order", f"must be stop-first or start-first, got {order!r}")
    ratio = raw.get("max_failure_ratio") or 0
    if not isinstance(ratio, int | float) or not 0 <= ratio <= 1 or round(ratio, 1) != ratio:
        problems.add(
            f"{here}.max_failure_ratio",
            f"must be in tenths from 0.0 to 1.0, which is what the provider keeps, got {ratio!r}",
        )
        ratio = 0
    parallelism = raw.get("parallelism")
    return UpdatePolicy(
        parallelism=read_whole(
            1 if parallelism is None else parallelism, f"{here}.parallelism", problems
        ),
        delay=_time(raw, "delay", here, problems, "0s"),
        failure_action=action,
        monitor=_time(raw, "monitor", here, problems, "5s"),
        max_failure_ratio=f"{ratio:.1f}",
        order=order,
    )


def _time(raw: Mapping[str, Any], key: str, where: str, problems: Problems, otherwise: str) -> str:
    value = raw.get(key)
    if value is None or value == "":
        return otherwise
    found = seconds(str(value))
    if found is None:
        problems.add(f"{where}.{key}", f"must be a time such as 10s, got {value!r}")
        return otherwise
    return go_duration(found)
