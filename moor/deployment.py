"""Deploying and destroying: plans side by side, approved, and applied exactly as approved."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from constructs_lib.files.private_file import write_private
from constructs_lib.terraform.stacks import DOCKER
from moor import (
    data_settling,
    data_volumes,
    drift,
    first_boot,
    half_known,
    images_first,
    last_words,
    missing_images,
    plan_view,
    recovery,
    reopening,
    sandbox_control,
    typed,
)
from moor.approval import confirm
from moor.cost import difference
from moor.failure import CommandError, StoppedError, WrongUseError
from moor.narrator import Narrator
from moor.outputs import Outputs, outputs_file
from moor.plan import StackPlan, assumed_plan, destruction, read_plan
from moor.swarm import failed_node, impact, shape
from moor.swarm.upkeep import AT_A_TIME
from moor.synthesis import Synthesis
from moor.toolchain import binary, terraform_state
from moor.toolchain.process import Interrupts
from moor.toolchain.terraform_cli import Run, Terraform
from moor.toolchain.toolchain import with_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from moor.recovery import Leftover
    from moor.screen import Screen
    from moor.session import Session
    from moor.swarm.impact import Impact
    from moor.swarm.upkeep import Upkeep
    from moor.toolchain.stack import Stack

_HARMLESS: Final = frozenset(
    {
        "aws_security_group",
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
    }
)
"""What may change without any effect on what runs on the machine."""

_ASSUMED: Final = "there is no machine yet that could be asked"


@dataclass(kw_only=True)
class Deployment:
    """The two stacks of an environment, from synthesis to what runs.

    Attributes:
        session: The command.
        screen: Where progress is told.
        lock: The descriptor of the environment's lock.
        state_is_lost: Whether the last stack's state is known to be gone, and so not checked.
        stacks: The stacks, in the order in which they are applied.
        warnings: What the configuration warns of; it stands in the last stack's plan.
        leftovers: Finds what an interrupted deployment of a stack has left.
        upkeep: What is done for the nodes of a swarm; None where there is one machine alone.
    """

    session: Session
    screen: Screen
    lock: int
    state_is_lost: bool = False
    stacks: list[Stack] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    leftovers: Callable[[Session, Stack, Terraform], Sequence[Leftover]] = recovery.leftovers
    upkeep: Upkeep | None = None
    _again: list[str] = field(default_factory=list)
    _made_again: list[str] = field(default_factory=list)
    _terraform: Terraform = field(init=False)
    _narrator: Narrator = field(init=False)

    def prepare(self, services: Sequence[str] = ()) -> None:
        """Check all that can be checked, synthesize, and see that the sandbox runs.

        Nothing is started before settings and services are known to be right.

        Args:
            services: Names of services that alone are meant; they need a machine.

        Raises:
            CommandError: Something is wrong.
            ValueError: The settings cannot be used.
            OSError: A file cannot be read.
            StoppedError: Somebody asked to end.
        """
        session, environment = self.session, self.session.environment
        if services:
            Outputs.load(environment)
        synthesis = Synthesis.start(session, inherited=(self.lock,))
        with contextlib.closing(synthesis), self.screen.phase("synthesis"):
            settings = session.settings
            binary.check(environment, session.toolchain, s3=settings.state.s3 is not None)
            if settings.state.s3 is None and not self.state_is_lost:
                terraform_state.check(environment)
            self.stacks = synthesis.finish(tick=self.screen.tick)
            self.warnings = synthesis.warnings
            self._targets(services)
        if settings.is_swarm:
            from moor.swarm import access  # noqa: PLC0415  # heavy, and for a swarm only

            self.upkeep = access.upkeep_of(session, self.screen)
        variables = session.variables()
        if settings.sandbox is not None:
            with self.screen.phase("sandbox", done=""):
                sandbox = sandbox_control.ready(environment, settings.sandbox, self.screen.say)
            variables = with_changes(variables, sandbox.environment_variables())
        self.use(variables)

    def use(self, variables: dict[str, str]) -> None:
        """Take these environment variables for Terraform, and initialize the stacks."""
        self._narrator = Narrator(self.screen)
        self._terraform = Terraform(
            program=self.session.toolchain.terraform,
            variables=variables,
            log=self.session.environment.log,
            on_event=self._narrator.take,
            tick=self.screen.tick,
            say=self.screen.say,
            inherited=(self.lock,),
            parallelism={} if self.upkeep is None else {DOCKER: AT_A_TIME},
        )
        for stack in self.stacks:
            # The log is of one command: without end it would grow for years. After a kill it
            # tells what was under way.
            if not recovery.is_marked(self.session.environment, stack.name):
                self._terraform.log_of(stack).unlink(missing_ok=True)
            self._terraform.init(stack)

    @property
    def terraform(self) -> Terraform:
        """Terraform, for this environment."""
        return self._terraform

    # Deploying

    def up(self, *, approve: bool, services: Sequence[str] = ()) -> list[StackPlan]:
        """Deploy both stacks, or some services without touching the first one.

        Args:
            approve: Whether nobody is asked.
            services: Names of services; with what they depend on they alone are deployed.

        Returns:
            What was applied.

        Raises:
            CommandError: Something failed, or was not approved.
            StoppedError: Somebody asked to end.
        """
        self._recover(approve=approve)
        if not services:
            data_settling.settle(self, change=True)
        with contextlib.ExitStack() as stack:
            runs = self._plans_of_an_open_api(services)
            for run in runs:
                stack.callback(run.close)
            shown = self._shown(runs)
            binary.remember(self.session.environment, self.session.toolchain)
            return self._apply_in_turn(runs, shown, approve=approve, targets=services, stack=stack)

    def renew(self, addresses: Sequence[str]) -> None:
        """Have the next plan make resources of the first stack anew, though none has changed.

        Args:
            addresses: Their addresses.
        """
        self._again = list(addresses)

    def services_only(self, *, approve: bool) -> list[StackPlan]:
        """Deploy all services, without touching what they run on.

        Args:
            approve: Whether nobody is asked.

        Returns:
            What was applied.

        Raises:
            CommandError: Something failed, or was not approved.
            StoppedError: Somebody asked to end.
        """
        self._recover(approve=approve)
        last = self.stacks[-1]
        self._look(repair=False)
        with contextlib.ExitStack() as stack:
            with self.screen.phase("plan of the services"):
                run = self._terraform.plan(last, replace=self._made_again)
                stack.callback(run.close)
                self._terraform.finish([run])
                run = self._with_missing_images(run, (), refresh=True, stack=stack)
            run.must_have_succeeded()
            shown = self._shown([run])
            return self._apply_in_turn([run], shown, approve=approve, targets=(), stack=stack)

    def reboot(self) -> None:
        """Reboot the machine, so that it fetches its user data again.

        Raises:
            WrongUseError: There is a swarm, of which only some node can be meant.
            CommandError: There is none, or AWS refuses.
        """
        if self.upkeep is not None:
            again = typed.program(self.session.environment, "host reboot NODE")
            raise WrongUseError(
                f"up --reboot: must be for one machine alone, got a swarm; `{again}` reboots a node"
            )
        machine = first_boot.reboot(self.session, self.stacks[0], self._terraform)
        self.screen.say(f"machine {machine}: rebooting")

    def plan(self, *, services: Sequence[str] = ()) -> list[StackPlan]:
        """Plan, and change nothing.

        Raises:
            CommandError: It cannot be planned.
            StoppedError: Somebody asked to end.
        """
        if not services:
            data_settling.settle(self, change=False)
        runs = self._plans(services)
        with contextlib.ExitStack() as stack:
            for run in runs:
                stack.callback(run.close)
            return self._shown(runs)

    def down(self, *, approve: bool) -> list[StackPlan]:
        """Destroy both stacks, the last one first; data volumes are kept.

        Raises:
            CommandError: Something failed, or was not approved.
            StoppedError: Somebody asked to end.
        """
        data_settling.heal(self)
        self._look(repair=False)
        gone = self._gone()
        backwards = [stack for stack in reversed(self.stacks) if stack.name in gone]
        # What is asked of each service takes seconds, and the state of a sandbox is nobody else's:
        # if something of it is gone, the sandbox is removed as a whole.
        refresh = self.upkeep is None or self.session.settings.sandbox is None
        with contextlib.ExitStack() as stack:
            with self.screen.phase("plan of the destruction"):
                runs = [
                    self._terraform.plan(s, destroy=True, refresh=refresh, targets=gone[s.name])
                    for s in backwards
                ]
                for run in runs:
                    stack.callback(run.close)
                self._terraform.finish(runs)
            for run in runs:
                run.must_have_succeeded()
            plans = [
                destruction(run.stack.name, run.planned, self._terraform.state(run.stack))
                for run in runs
            ]
            self._narrator.learn(plans)
            self._ask(plans, approve=approve, question="Destroy all of this?")
            for run, plan in zip(runs, plans, strict=True):
                if run.changes:
                    self._apply(run, plan)
            return plans

    def _gone(self) -> dict[str, list[str]]:
        """Return what a destruction destroys of each stack, by its name: no addresses for all.

        A stack is missing that has nothing but data which is kept.
        """
        states = {stack.name: self._terraform.state(stack) for stack in self.stacks}
        if not data_volumes.known(states[self.stacks[0].name]):
            return {name: [] for name in states}
        found = {name: data_volumes.all_but(state) for name, state in states.items()}
        return {name: addresses for name, addresses in found.items() if addresses}

    def apply_only(self, stack: Stack, addresses: Sequence[str]) -> None:
        """Plan and apply some resources of a stack and what they depend on.

        Raises:
            CommandError: It failed.
            StoppedError: Somebody asked to end.
        """
        with contextlib.closing(self._terraform.plan(stack, targets=addresses)) as run:
            self._terraform.finish([run])
            run.must_have_succeeded()
            if run.changes:
                self._apply(run, self._details(run))

    def _targets(self, services: Sequence[str]) -> list[str]:
        """Return the addresses of some services' resources; none for no services.

        Raises:
            WrongUseError: There is no such service; with the nearest names.
        """
        if not services:
            return []
        last = self.stacks[-1]
        known = self.session.services.services
        unknown = [name for name in services if name not in known]
        if unknown:
            raise WrongUseError(
                "\n".join(typed.unknown("service", n, list(known)) for n in unknown)
            )
        wanted = tuple(f"Compose/Services/{name}/" for name in services)
        return last.addresses(lambda path: path.startswith(wanted))

    def _plans(self, services: Sequence[str]) -> list[Run]:
        """Plan the stacks side by side."""
        if services:
            targets, stacks = self._targets(services), self.stacks[-1:]
            label = f"plan of {', '.join(services)}"
        else:
            targets, stacks, label = [], self.stacks, "plan of both stacks"
        self._look(repair=not services)
        refresh = not services or not drift.nothing_is_missing(
            self.session, self._terraform.state(stacks[0])
        )
        with contextlib.ExitStack() as stack, self.screen.phase(label):
            runs = []
            for one in stacks:
                again = self._again if one is self.stacks[0] else self._made_again
                runs.append(
                    self._terraform.plan(one, targets=targets, replace=again, refresh=refresh)
                )
                stack.callback(runs[-1].close)
            self._terraform.finish(runs)
            runs[-1] = self._with_missing_images(runs[-1], targets, refresh=refresh, stack=stack)
            first = runs[0]
            first.must_have_succeeded()
            for run in runs[1:]:
                run.process.must_have_ended_well()
                if run.failed and not first.changes:
                    if self.upkeep is not None and self.upkeep.problem:
                        raise CommandError(self.upkeep.problem)
                    run.must_have_succeeded()
            stack.pop_all()
        return runs

    def _look(self, *, repair: bool) -> None:
        """Point the last stack to a manager that answers, and find what has to run again."""
        if self.upkeep is None:
            return
        with self.screen.phase("the swarm's managers are asked", done=""):
            self.upkeep.look()
        self._terraform = replace(
            self._terraform, variables={**self._terraform.variables, **self.upkeep.variables}
        )
        self._again = []
        if repair:
            self.upkeep.check_kernels(self.session.services)
            self._again = self.upkeep.repairs(self.stacks[0])
        last = self.stacks[-1]
        self._made_again = self.upkeep.restore(last, lambda: self._made(last))

    def _with_missing_images(
        self, run: Run, targets: Sequence[str], *, refresh: bool, stack: contextlib.ExitStack
    ) -> Run:
        """Plan again where an image that was built is not on the machine any more."""
        again = {} if run.failed else missing_images.steps(run.stack, run.planned)
        if not again:
            return run
        for image in again.values():
            self.screen.say(f"{run.stack.name}: image {image}: gone from the machine; built again")
        found = self._terraform.plan(
            run.stack, targets=targets, replace=list(again), refresh=refresh
        )
        stack.callback(found.close)
        self._terraform.finish([found])
        return found

    def _plans_of_an_open_api(self, services: Sequence[str]) -> list[Run]:
        """Plan; where the machine has closed its API by itself, plan to open it, too."""
        try:
            return self._plans(services)
        except StoppedError:
            raise
        except CommandError:
            # The nodes of a swarm are all asked before each plan.
            if services or self.upkeep is not None or not reopening.is_closed(self.session):
                raise
        first = self.stacks[0]
        for address in reopening.steps(first):
            self._terraform.taint(first, address)
        self.screen.say(
            f"{first.name}: the machine has closed its Docker API by itself; why is in its journal "
            "(journalctl -u docker). The steps that open it run again"
        )
        return self._plans(services)

    def _shown(self, runs: Sequence[Run]) -> list[StackPlan]:
        """Return what plans say; of one that could not be made what the configuration says."""
        plans = []
        for run in runs:
            if run.failed:
                document = run.stack.document()
                plan = assumed_plan(run.stack.name, document, why=_ASSUMED)
                if self._has_resources(run.stack):
                    plan = StackPlan(
                        stack=run.stack.name,
                        assumed="it is planned, and shown, when the stack before it is applied",
                    )
                plans.append(plan)
            else:
                plans.append(self._details(run))
        self._narrator.learn(plans)
        warnings = self.warnings
        if runs[0].stack.name == self.stacks[0].name:
            is_swarm = self.upkeep is not None
            shape.check(self.session, plans[0], is_swarm=is_swarm)
            if self.upkeep is not None:
                warnings += self.upkeep.told(self.upkeep.impact(plans[0], runs[0].stack))
        plans[-1] = replace(plans[-1], warnings=warnings)
        return plans

    def _has_resources(self, stack: Stack) -> bool:
        return bool(self._made(stack))

    def _made(self, stack: Stack) -> list[str]:
        """Return the addresses of the resources that a stack's state knows."""
        return [
            f"{resource.get('type')}.{resource.get('name')}"
            for resource in self._terraform.state(stack).get("resources", [])
            if resource.get("mode") == "managed"
        ]

    def _details(self, run: Run) -> StackPlan:
        """Return what a plan says; asking Terraform takes seconds, so not where it says nothing."""
        if not run.changes:
            return StackPlan(stack=run.stack.name)
        document = self._terraform.show(run)
        plan = replace(
            read_plan(run.stack.name, document), cost=difference.of(self.session.settings, document)
        )
        self._narrator.learn([plan])
        return plan

    def _apply_in_turn(
        self,
        runs: Sequence[Run],
        shown: Sequence[StackPlan],
        *,
        approve: bool,
        targets: Sequence[str],
        stack: contextlib.ExitStack,
    ) -> list[StackPlan]:
        self._ask(shown, approve=approve)
        applied: list[StackPlan] = []
        stale = False
        for run, plan in zip(runs, shown, strict=True):
            current, what = run, plan
            if self.upkeep is not None and run.stack.name == self.stacks[0].name:
                current, what, stale = self._nodes_first(run, plan, approve=approve, stack=stack)
            elif run.failed or stale:
                self._remove_leftovers(run.stack, approve=approve)
                self._look(repair=False)
                with self.screen.phase(f"plan of {run.stack.name}, as the stack before it is now"):
                    addresses = self._targets(targets)
                    current = self._terraform.plan(
                        run.stack, targets=addresses, replace=self._made_again
                    )
                    stack.callback(current.close)
                    self._terraform.finish([current])
                    current = self._with_missing_images(
                        current, addresses, refresh=True, stack=stack
                    )
                current.must_have_succeeded()
                what = self._details(current)
                if what.key != plan.key:
                    # What was approved is what is applied: this is something else.
                    self._ask([what], approve=approve)
            if self.upkeep is None and run.stack is self.stacks[-1]:
                current, what = self._images_first(
                    current, what, approve=approve, targets=targets, stack=stack
                )
            if current.changes:
                self._apply(current, what)
            elif not targets:
                recovery.end(self.session.environment, run.stack.name)
            if current.changes or not _outputs_known(self.session, run.stack.name):
                self._write_outputs(run.stack)
            stale = stale or _matters(current)
            applied.append(what)
        return applied

    def _nodes_first(
        self, run: Run, plan: StackPlan, *, approve: bool, stack: contextlib.ExitStack
    ) -> tuple[Run, StackPlan, bool]:
        """Change the nodes at work that a plan touches, one at a time.

        Returns:
            What is left of the plan, what that does, and whether anything was done already.
        """
        upkeep, first = self.upkeep, run.stack
        if upkeep is None:
            return run, plan, False

        def change(names: Sequence[str]) -> None:
            targets = [address for name in names for address in impact.own(first, name)]
            again = [address for address in self._again if address in targets]
            self.change_only(first, targets, approved=plan, approve=approve, replaced=again)
            # Done once: what is left of the plan must not do it a second time.
            self._again = [address for address in self._again if address not in again]

        found: Impact = upkeep.impact(plan, first)
        if not upkeep.work(found, change):
            return run, plan, False
        with self.screen.phase(f"plan of what is left of {first.name}"):
            current = self._terraform.plan(first, replace=self._again)
            stack.callback(current.close)
            self._terraform.finish([current])
        current.must_have_succeeded()
        what = self._details(current)
        if not what.key <= plan.key:
            self._ask([what], approve=approve)
        return current, what, True

    def _images_first(
        self,
        run: Run,
        plan: StackPlan,
        *,
        approve: bool,
        targets: Sequence[str],
        stack: contextlib.ExitStack,
    ) -> tuple[Run, StackPlan]:
        """Have images on the machine before containers go; returns what is left, and its plan."""
        images = images_first.addresses(plan)
        if not images:
            return run, plan
        # Builds that nothing but a missing image asks for are among them.
        again = [
            change.address
            for change in plan.changes
            if change.action == "replace"
            and (change.address in images or change.address.startswith(recovery.STEPS))
        ]
        self.change_only(run.stack, images, approved=plan, approve=approve, replaced=again)
        with self.screen.phase(f"plan of what is left of {run.stack.name}"):
            left = self._terraform.plan(run.stack, targets=self._targets(targets))
            stack.callback(left.close)
            self._terraform.finish([left])
        left.must_have_succeeded()
        what = self._details(left)
        if not half_known.is_rest(what, plan):
            self._ask([what], approve=approve)
        return left, what

    def planned(
        self, stack: Stack, targets: Sequence[str], *, replaced: Sequence[str] = ()
    ) -> StackPlan:
        """Plan some resources of a stack, and change nothing.

        Args:
            stack: The stack.
            targets: The addresses of the resources.
            replaced: Addresses of resources to be made anew though nothing of them has changed.

        Raises:
            CommandError: It cannot be planned.
            StoppedError: Somebody asked to end.
        """
        with (
            self.screen.phase(f"plan of {stack.name}"),
            contextlib.closing(
                self._terraform.plan(stack, targets=targets, replace=replaced)
            ) as run,
        ):
            self._terraform.finish([run])
            run.must_have_succeeded()
            return self._details(run)

    def finish(self, stack: Stack, steps: Sequence[str]) -> bool:
        """Have Terraform take note of steps whose work is done, where it plans nothing else.

        Args:
            stack: The stack.
            steps: The addresses of the steps.

        Returns:
            Whether it did; else the next deployment does.

        Raises:
            CommandError: It failed.
            StoppedError: Somebody asked to end.
        """
        with contextlib.closing(self._terraform.plan(stack, targets=steps)) as run:
            self._terraform.finish([run])
            run.must_have_succeeded()
            if not set(run.planned) <= set(steps):
                return False
            if run.changes:
                self._apply(run, self._details(run))
                self._write_outputs(stack)
        return True

    def change_only(
        self,
        stack: Stack,
        targets: Sequence[str],
        *,
        approved: StackPlan,
        approve: bool,
        replaced: Sequence[str] = (),
    ) -> None:
        """Plan and apply some resources of a stack, as far as that was approved.

        Args:
            stack: The stack.
            targets: The addresses of the resources.
            approved: The plan that was approved; what is in none is asked for.
            approve: Whether nobody is asked.
            replaced: Addresses of resources to be made anew though nothing of them has changed.

        Raises:
            CommandError: It failed, or was not approved.
            StoppedError: Somebody asked to end.
        """
        run = self._terraform.plan(stack, targets=targets, replace=replaced)
        with contextlib.closing(run):
            self._terraform.finish([run])
            run.must_have_succeeded()
            if not run.changes:
                return
            what = self._details(run)
            if not what.key <= approved.key:
                self._ask([what], approve=approve)
            self._apply(run, what)
            self._write_outputs(stack)

    def _apply(self, run: Run, plan: StackPlan) -> None:
        if self.upkeep is not None:
            self.upkeep.withdraw(plan)
        name, environment = run.stack.name, self.session.environment
        total = len(run.planned)
        recovery.begin(environment, name)
        applying = self._terraform.apply(run)
        with Interrupts() as interrupts:
            try:
                self._terraform.finish([applying], interrupts=interrupts)
            except StoppedError as error:
                self.screen.close()
                made = f"{len(applying.done)} of {total} changes of the stack {name} were made"
                state = (
                    "what was under way when it was killed may exist and not be in the state"
                    if error.killed
                    else "the state knows them"
                )
                raise StoppedError(
                    error.signal,
                    killed=error.killed,
                    state=f"{made}, and {state}; {self._goes_on()}",
                ) from None
        self.screen.close()
        if half_known.is_all(applying) and self._apply_rest(run, plan):
            return
        try:
            applying.must_have_succeeded()
        except CommandError as error:
            reason = (
                last_words.of_failure(self.session, run.stack, applying.diagnostics)
                if name == DOCKER
                else first_boot.explanation(self.session, run.stack, self._terraform)
                if self.upkeep is None
                else failed_node.explanation(
                    self.session, run.stack, self._terraform, applying.diagnostics
                )
            )
            raise CommandError(
                f"{error}\n{len(applying.done)} of {total} changes of the stack {name} were made; "
                f"{self._goes_on()}" + (f"\n{reason}" if reason else "")
            ) from None
        recovery.end(environment, name)

    def _apply_rest(self, run: Run, plan: StackPlan) -> bool:
        """Plan and apply what is left of a plan that knew too little; returns whether it could."""
        name = run.stack.name
        self.screen.say(f"{name}: {half_known.TOLD}")
        with self.screen.phase(f"plan of what is left of {name}"):
            left = self._terraform.plan(run.stack, targets=run.targets)
            self._terraform.finish([left])
        with contextlib.closing(left):
            left.must_have_succeeded()
            what = self._details(left)
            # The same again would come to the same end, and what nobody has seen is not done.
            if not half_known.is_rest(what, plan) or what.key == plan.key:
                return False
            if left.changes:
                self._apply(left, what)
            else:
                recovery.end(self.session.environment, name)
        return True

    def _goes_on(self) -> str:
        return f"the next `{typed.command(self.session.environment, 'up')}` goes on from there"

    def _recover(self, *, approve: bool) -> None:
        """Look for what an interrupted deployment has left, and no state knows."""
        for stack in self.stacks:
            if not recovery.is_marked(self.session.environment, stack.name):
                continue
            for address in recovery.cut_short(self._terraform.log_of(stack)):
                self._terraform.taint(stack, address)
            self._remove_leftovers(stack, approve=approve)

    def _remove_leftovers(self, stack: Stack, *, approve: bool) -> None:
        left = self.leftovers(self.session, stack, self._terraform)
        if not left:
            return
        self.screen.say(
            f"{stack.name}: a deployment that was interrupted, or whose state is lost, has left "
            "what the state does not know:"
        )
        for thing in left:
            self.screen.say(f"  {thing.name}")
        if not approve and self.session.settings.sandbox is None:
            confirm(self.session, "Remove it?", self.screen.console)
        for thing in left:
            thing.remove()
            self.screen.say(f"removed {thing.name}")

    def _write_outputs(self, stack: Stack) -> None:
        """Remember a stack's outputs, beside those of the other one."""
        file = outputs_file(self.session.environment)
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            document = {}
        document[stack.name] = self._terraform.outputs(stack)
        write_private(file, (json.dumps(document, indent=2) + "\n").encode())

    def _ask(
        self, plans: Sequence[StackPlan], *, approve: bool, question: str = "Apply this?"
    ) -> None:
        """Show plans; outside a sandbox, and unless approved beforehand, ask."""
        plan_view.show_plans(plans, self.screen.console)
        nothing = not any(plan.changes or plan.outputs or plan.assumed for plan in plans)
        if nothing or approve or self.session.settings.sandbox is not None:
            return
        confirm(self.session, question, self.screen.console)


def _matters(run: Run) -> bool:
    """Return whether what a run changed may change what the next stack's plan has seen."""
    kinds = {address.split(".", 1)[0] for address in run.planned}
    return run.outputs_change or not kinds <= _HARMLESS


def _outputs_known(session: Session, stack: str) -> bool:
    try:
        text = outputs_file(session.environment).read_text(encoding="utf-8")
        return stack in json.loads(text)
    except (OSError, ValueError, TypeError):
        return False


@contextlib.contextmanager
def deploying(
    session: Session,
    screen: Screen,
    lock: int,
    *,
    services: Sequence[str] = (),
    state_is_lost: bool = False,
) -> Iterator[Deployment]:
    """Prepare a deployment, and leave the screen in order whatever happens."""
    deployment = Deployment(session=session, screen=screen, lock=lock, state_is_lost=state_is_lost)
    try:
        deployment.prepare(services)
        yield deployment
    finally:
        screen.close()
