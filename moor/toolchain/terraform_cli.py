"""Terraform's commands on a stack, by its machine-readable interface.

A plan is kept in memory that this process shares with Terraform: it holds all that the state
holds, and so it is in no file, and is gone with us.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moor.failure import CommandError
from moor.toolchain import init_turn, provider_choice, provider_lock, terraform_init
from moor.toolchain.events import Diagnostic, Event, parse
from moor.toolchain.process import Process, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from moor.toolchain.process import Interrupts
    from moor.toolchain.stack import Stack

_QUIET: Final = frozenset({"Resource targeting is in effect", "Applied changes may be incomplete"})
"""Warnings about what we do on purpose."""

_INIT_TURN: Final = (sys.executable, "-I", "-S", str(init_turn.__file__))
"""What waits until no other `init` is at work on the shared plugin cache."""

_STEP: Final = re.compile(
    r"Error running command '.*': exit status \d+\. Output: (?P<said>\s*\S.*)", re.DOTALL
)
"""What Terraform makes of a step of ours that has failed."""

_NAMED: Final = ": must "

_LOCK_LINE: Final = re.compile(
    r"^\s*(ID|Path|Operation|Who|Version|Created|Info):[ \t]*(.*)$", re.MULTILINE
)


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of Terraform on a stack, and what it has said so far.

    Attributes:
        stack: The stack.
        verb: What it does: `plan`, `apply`.
        process: The process.
        diagnostics: Its errors and warnings.
        planned: The actions that it has planned, by address.
        outputs_change: Whether an output becomes another.
        done: The actions that it has taken, by address.
        plan: The descriptor of the plan, for as long as this is open; None for other runs.
        targets: The addresses of the resources that the plan is about; none for all.
    """

    stack: Stack
    verb: str
    process: Process
    diagnostics: list[Diagnostic] = field(default_factory=list)
    planned: dict[str, str] = field(default_factory=dict)
    outputs_change: bool = False
    done: dict[str, str] = field(default_factory=dict)
    plan: int | None = None
    targets: tuple[str, ...] = ()

    def take(self, event: Event) -> None:
        """Learn from something that Terraform says."""
        if event.kind == "planned_change":
            self.planned[event.address] = event.action
        elif event.kind == "apply_complete":
            self.done[event.address] = event.action
        elif event.kind == "outputs":
            outputs = event.data.get("outputs")
            if isinstance(outputs, dict):
                self.outputs_change = any(
                    output.get("action", "noop") not in ("noop", "") for output in outputs.values()
                )
        elif (found := event.diagnostic) is not None and found.summary not in _QUIET:
            self.diagnostics.append(found)

    @property
    def failed(self) -> bool:
        """Whether it has ended otherwise than well."""
        return self.process.status not in (None, 0)

    @property
    def changes(self) -> bool:
        """Whether it has planned anything that has to be applied."""
        return bool(self.planned) or self.outputs_change

    def must_have_succeeded(self) -> None:
        """Refuse a run that failed.

        Raises:
            CommandError: It failed; with Terraform's errors, or the signal that ended it.
        """
        self.process.must_have_ended_well()
        if self.failed:
            raise CommandError(self._failure())

    def _failure(self) -> str:
        errors = [d for d in self.diagnostics if d.severity == "error"]
        if not errors:
            return (
                f"{self.process.name}: exit status: must be 0, got {self.process.status}; "
                f"the log is {self.process.log}"
            )
        return "\n".join(explained(self.stack.name, error) for error in errors)

    def close(self) -> None:
        """Forget the plan."""
        if self.plan is not None:
            os.close(self.plan)
            self.plan = None


def explained(stack: str, error: Diagnostic) -> str:
    """Return an error of Terraform's as text for a person, with the remedy where it is known.

    Args:
        stack: The stack's name.
        error: The error.
    """
    if "state lock" in error.summary.lower():
        return _locked(stack, error)
    if "saved plan is stale" in error.summary.lower():
        return (
            f"{stack}: the plan: must be of the state as it is, got one that another deployment "
            "has overtaken; nothing of it was applied: look at a new plan"
        )
    found = _STEP.fullmatch(error.detail.strip())
    first, *more = found["said"].strip().splitlines() if found else [""]
    if _NAMED in first:
        # A step of ours, which says itself what is wrong, and of what.
        return "\n".join([f"{stack}: {first}", *(f"  {line}" for line in more if line.strip())])
    where = f"{stack}: {error.address}" if error.address else stack
    lines = [f"{where}: {error.summary}"]
    lines += [f"  {line}" for line in error.detail.strip().splitlines() if line.strip()]
    return "\n".join(lines)


def _locked(stack: str, error: Diagnostic) -> str:
    facts = {name: value.strip() for name, value in _LOCK_LINE.findall(error.detail)}
    if not facts.get("ID"):
        return f"{stack}: the state cannot be locked: {' '.join(error.detail.split())}"
    who, since = facts.get("Who") or "somebody", facts.get("Created") or "an unknown time"
    return (
        f"{stack}: the state: must be free, got locked by {who} since {since} "
        f"({facts.get('Operation') or 'an operation'}); wait until that has ended, or, when it is "
        f"certain that nobody works on it, run: moor state unlock {stack} {facts['ID']}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terraform:
    """Terraform, or OpenTofu, for one environment.

    Attributes:
        program: The binary.
        variables: Its whole environment.
        log: The folder of the logs.
        on_event: Takes the stack's name and each thing that Terraform says.
        tick: Called every few hundredths of a second while it works.
        say: Takes a line for a person.
        inherited: Descriptors that each process keeps open: the environment's lock.
        parallelism: How many resources of a stack Terraform works on at a time, by the stack's
            name; Terraform's own ten for all others.
    """

    program: Path
    variables: Mapping[str, str]
    log: Path
    on_event: Callable[[str, Event], None] = lambda _stack, _event: None
    tick: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _line: None
    inherited: tuple[int, ...] = ()
    parallelism: Mapping[str, int] = field(default_factory=dict)

    def log_of(self, stack: Stack) -> Path:
        """Return the file with all that Terraform has said of a stack."""
        return self.log / f"terraform-{stack.name}.log"

    def init(self, stack: Stack, *, interrupts: Interrupts | None = None) -> bool:
        """Initialize a stack, unless that would change nothing.

        Returns:
            Whether there was something to do.

        Raises:
            CommandError: It failed.
            LockError: A provider is another one than the one that was kept.
            StoppedError: Somebody asked to end.
        """
        words = ["init", "-input=false", "-no-color"]
        variables = {**self.variables, "MOOR_TERRAFORM": str(self.program)}
        provider_lock.place(stack.folder, variables)
        if terraform_init.is_current(stack.folder, words, variables):
            provider_lock.keep(stack.folder, variables)
            return False
        lines: list[str] = []
        process = self._start(stack, words, lines.append, before=_INIT_TURN)
        wait_for([process], interrupts=interrupts, tick=self.tick, say=self.say)
        process.must_have_ended_well()
        if process.status != 0:
            told = [line for line in lines if line.strip()][-12:]
            told += _remedies(self.program, stack, told, self.variables)
            raise CommandError("\n".join([f"{stack.name}: terraform init failed:", *told]))
        provider_lock.keep(stack.folder, variables)
        terraform_init.remember(stack.folder, words, variables)
        return True

    def plan(
        self,
        stack: Stack,
        *,
        destroy: bool = False,
        targets: Sequence[str] = (),
        replace: Sequence[str] = (),
        refresh: bool = True,
    ) -> Run:
        """Start to plan; `finish` waits for it.

        Args:
            stack: The stack.
            destroy: Whether to plan its end.
            targets: Addresses of resources: plan these and what they depend on; empty plans all.
            replace: Addresses of resources to be made anew though nothing of them has changed.
            refresh: Whether Terraform asks what has become of the resources since the last time.

        Raises:
            CommandError: Terraform cannot be started.
        """
        plan = os.memfd_create(f"plan-{stack.name}")
        words = ["plan", "-json", "-input=false", f"-out={_path(plan)}"]
        words += self._at_a_time(stack)
        words += ["-destroy"] if destroy else []
        words += [] if refresh else ["-refresh=false"]
        words += [f"-target={target}" for target in targets]
        words += [f"-replace={address}" for address in replace]
        try:
            run = self._run(stack, "plan", words, plan)
        except BaseException:
            os.close(plan)
            raise
        run.targets = tuple(targets)
        return run

    def apply(self, run: Run) -> Run:
        """Start to apply exactly what was planned; `finish` waits for it.

        Args:
            run: The plan's run.

        Raises:
            CommandError: Terraform cannot be started.
        """
        plan = _opened(run)
        words = ["apply", "-json", "-input=false", *self._at_a_time(run.stack), _path(plan)]
        return self._run(run.stack, "apply", words, None, plan)

    def finish(self, runs: Sequence[Run], *, interrupts: Interrupts | None = None) -> None:
        """Wait for runs, side by side.

        Raises:
            StoppedError: Somebody asked to end; all of them have ended.
        """
        wait_for([run.process for run in runs], interrupts=interrupts, tick=self.tick, say=self.say)

    def show(self, run: Run) -> dict[str, Any]:
        """Return the details of a plan.

        Raises:
            CommandError: It cannot be shown.
        """
        plan = _opened(run)
        done = self._ask(run.stack, ["show", "-json", _path(plan)], plan)
        return dict(json.loads(done))

    def outputs(self, stack: Stack) -> dict[str, Any]:
        """Return the values of a stack's outputs, sensitive ones left out.

        Raises:
            CommandError: They cannot be read.
        """
        found = json.loads(self._ask(stack, ["output", "-json"]))
        return {n: o["value"] for n, o in found.items() if not o.get("sensitive")}

    def state(self, stack: Stack) -> dict[str, Any]:
        """Return a stack's state; empty where there is none yet.

        Raises:
            CommandError: It cannot be read.
        """
        text = self._ask(stack, ["state", "pull"])
        return dict(json.loads(text)) if text.strip() else {}

    def take_over(self, stack: Stack, address: str, identity: str) -> None:
        """Take a thing that exists into a stack's state.

        Args:
            stack: The stack.
            address: The resource that it becomes.
            identity: What its provider knows it by.

        Raises:
            CommandError: It cannot be taken.
        """
        self._ask(stack, ["import", "-input=false", "-no-color", address, identity])

    def forget(self, stack: Stack, address: str) -> None:
        """Have a stack's state know a thing no more, which stays as it is.

        Raises:
            CommandError: The state cannot be written.
        """
        self._ask(stack, ["state", "rm", address])

    def taint(self, stack: Stack, address: str) -> None:
        """Have a resource replaced by the next apply; one that is not there is left alone.

        Raises:
            CommandError: The state cannot be written.
        """
        self._ask(stack, ["taint", "-allow-missing", address])

    def unlock(self, stack: Stack, lock: str) -> None:
        """Take away a state's lock.

        Raises:
            CommandError: There is no such lock.
        """
        self._ask(stack, ["force-unlock", "-force", lock])

    def _at_a_time(self, stack: Stack) -> list[str]:
        number = self.parallelism.get(stack.name)
        return [f"-parallelism={number}"] if number else []

    def _ask(self, stack: Stack, words: Sequence[str], *inherited: int) -> str:
        done = subprocess.run(
            [str(self.program), *words],
            cwd=stack.folder,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(*self.inherited, *inherited),
            text=True,
            check=False,
        )
        if done.returncode != 0:
            told = "\n".join(line for line in done.stderr.splitlines() if line.strip(" │╷╵"))
            raise CommandError(f"{stack.name}: terraform {words[0]} failed:\n{told}".rstrip())
        return done.stdout

    def _run(
        self, stack: Stack, verb: str, words: Sequence[str], plan: int | None, *inherited: int
    ) -> Run:
        runs: list[Run] = []

        def on_line(line: str) -> None:
            event = parse(line)
            runs[0].take(event)
            self.on_event(stack.name, event)

        more = inherited if plan is None else (plan,)
        process = self._start(stack, words, on_line, *more)
        runs.append(Run(stack=stack, verb=verb, process=process, plan=plan))
        return runs[0]

    def _start(
        self,
        stack: Stack,
        words: Sequence[str],
        on_line: Callable[[str], None],
        *inherited: int,
        before: Sequence[str] = (),
    ) -> Process:
        return Process.start(
            [*before, str(self.program), *words],
            name=f"terraform {words[0]} ({stack.name})",
            folder=stack.folder,
            variables=self.variables,
            log=self.log_of(stack),
            on_line=on_line,
            inherited=(*self.inherited, *inherited),
        )


def _remedies(
    program: Path, stack: Stack, told: Sequence[str], variables: Mapping[str, str]
) -> list[str]:
    """Return what to do about an `init` that failed, where that is known."""
    if any("Backend configuration changed" in line for line in told):
        folder = stack.folder / ".terraform"
        return [f"if the state is where the settings now say, remove {folder} and go on"]
    return provider_choice.changes(program, stack.document(), stack.folder, variables)


def _path(plan: int) -> str:
    """Return the path of a descriptor in the process that inherits it."""
    return f"/proc/self/fd/{plan}"


def _opened(run: Run) -> int:
    if run.plan is None:
        raise CommandError(f"{run.stack.name}: the plan: must be open, got one that is gone")
    return run.plan
