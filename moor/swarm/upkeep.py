"""What a deployment does for the nodes of a swarm beside what Terraform does.

Terraform makes machines and takes them away, all at the same time, and knows nothing of tasks. So
the swarm is asked before a plan, nodes are changed one at a time, and those that go leave first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from constructs_lib.swarm.kernel_feature import ESP, IP_VS
from moor import reopening
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.swarm import departure, impact, repair, roll, volume_pins
from moor.swarm.cluster import LostQuorumError, by_name
from moor.swarm.impact import Impact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from constructs_lib.compose.model import ComposeProject
    from moor.outputs import Node
    from moor.plan import StackPlan
    from moor.screen import Screen
    from moor.session import Session
    from moor.swarm.cluster import Cluster, Member
    from moor.toolchain.stack import Stack

VARIABLE: Final = "TF_VAR_manager"
"""What tells the Docker stack which manager it talks to."""

_SERVICE: Final = "docker_service."
"""What the addresses of a swarm's services begin with."""

AT_A_TIME: Final = 50
"""How many services Terraform works on at a time: the provider waits 2 s before it reads one."""


@dataclass(kw_only=True)
class Upkeep:
    """The nodes of one environment's swarm, while it is deployed.

    Attributes:
        session: The command.
        screen: Where progress is told.
        wanted: The names of the nodes that the settings ask for, each with whether it is a manager.
        open_cluster: Finds a manager that answers, and returns the swarm and the manager's name;
            raises `LostQuorumError` where there is a swarm without a majority, and another
            `CommandError` where none answers.
        state_of: Tells the state of a machine in EC2's word, by its id.
        closed: Finds the nodes whose machines have closed their API by themselves.
        manager: The manager that answers; empty where none does.
        problem: Why none does.
        spared: Nodes whose steps run again though all of it is done on them: they keep their tasks.
    """

    session: Session
    screen: Screen
    wanted: Mapping[str, bool]
    open_cluster: Callable[[Mapping[str, Node]], tuple[Cluster, str]]
    state_of: Callable[[str], str]
    closed: Callable[[], Sequence[str]]
    manager: str = ""
    problem: str = ""
    spared: set[str] = field(default_factory=set)
    _members: dict[str, Member] = field(default_factory=dict)
    _cluster: Cluster | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that point the Docker stack to the manager that answers."""
        # One that is to be none any more is not in the stack's list.
        return {VARIABLE: self.manager} if self.wanted.get(self.manager) else {}

    @property
    def first(self) -> str:
        """The manager that is asked where it can be."""
        return next((name for name, is_manager in self.wanted.items() if is_manager), "")

    def look(self) -> None:
        """Find a manager that answers, and learn who is in the swarm.

        Where none answers, that is kept as `problem`: there may be none yet.

        Raises:
            LostQuorumError: There is a swarm, and too few of its managers.
        """
        nodes = self._nodes()
        self._members, self._cluster, self.problem = {}, None, ""
        if not nodes:
            return
        before = self.manager
        try:
            self._cluster, self.manager = self.open_cluster(nodes)
        except LostQuorumError:
            raise
        except CommandError as error:
            self.manager, self.problem = "", str(error)
            return
        self._members = by_name(self._cluster.members())
        if self.manager not in (self.first, before):
            self.screen.say(f"docker: the manager {self.manager} answers, and is the one asked")

    def repairs(self, stack: Stack) -> list[str]:
        """Find what is closed, or not in the swarm as it should be, and say so.

        Args:
            stack: The first stack, synthesized.

        Returns:
            The addresses of the steps that have to run again.

        Raises:
            CommandError: EC2 does not tell the state of a machine.
        """
        closed = self.closed()
        for name in closed:
            self.screen.say(
                f"node {name}: has closed its Docker API by itself; why is in its journal "
                "(journalctl -u docker). The steps that open it run again",
                style="yellow",
            )
        again = reopening.steps(stack, closed) if closed else []
        if self._cluster is None:
            return again
        found = repair.find(
            self.wanted,
            self._members.values(),
            deployed={name: node.instance_id for name, node in self._nodes().items()},
            state_of=self.state_of,
        )
        for finding in found:
            self.screen.say(finding.text, style="yellow")
        return again + impact.join_steps(stack, [f.node for f in found if f.joins_again])

    def check_kernels(self, services: ComposeProject) -> None:
        """Refuse what services ask of the kernels of nodes that are known not to have it.

        Nodes that are yet to come are looked at when the services are deployed.

        Args:
            services: The services.

        Raises:
            CommandError: A node's kernel lacks it; with the nodes and the way.
        """
        nodes = {name: m.labels for name, m in self._members.items() if name in self.wanted}
        problems = [
            f"{services.file}: {feature.refusal(keys, lacking)}"
            for feature, keys in (
                (IP_VS, services.needs_mesh),
                (ESP, services.needs_encryption),
            )
            if keys and (lacking := feature.lacking(nodes))
        ]
        if problems:
            raise CommandError("\n".join(problems))

    def restore(self, stack: Stack, made: Callable[[], Collection[str]]) -> list[str]:
        """Have what a plan of the services reads on this computer, and say what is gone.

        Args:
            stack: The last stack, synthesized.
            made: Returns the addresses of the stack's resources that its state knows: what was not
                made yet is made by the plan as it is.

        Returns:
            The addresses of the steps that have to run again.

        Raises:
            CommandError: No manager does as asked.
        """
        if self._cluster is None:
            return []
        gone = self._cluster.restore(stack, self.session.environment.swarm)
        project, members = self.session.settings.project, self._members.values()
        homeless = volume_pins.without_node(stack, project, members)
        known = made() if gone or homeless else ()
        again = [address for address in gone if address in known]
        for address in again:
            self.screen.say(
                f"{stack.name}: {address}: what it made is gone from the swarm; made again",
                style="yellow",
            )
        for address in (a for a in homeless if a in known):
            self.screen.say(
                f"{stack.name}: volumes {', '.join(homeless[address])}: no node of the swarm has "
                "them any more; another one gets them, empty",
                style="yellow",
            )
            again.append(address)
        return again

    def impact(self, plan: StackPlan, stack: Stack) -> Impact:
        """Find what a plan does to nodes at work, and refuse what the swarm would not survive.

        Args:
            plan: The first stack's plan.
            stack: The first stack, synthesized.

        Raises:
            CommandError: The managers would be no majority; with the way.
        """
        if self._cluster is None:
            return Impact()
        found = impact.impact(plan, stack=stack, nodes=self._nodes(), members=self._members)
        restarted = tuple(name for name in found.restarted if name not in self.spared)
        found = replace(found, restarted=restarted)
        departure.check(self._members.values(), found.leaving)
        departure.check_volumes(self._members.values(), found.leaving)
        if not found.leaving:
            roll.check(
                self._members.values(),
                renewed=found.renewed,
                restarted=found.restarted,
                kept=found.kept,
            )
        return found

    def told(self, found: Impact) -> tuple[str, ...]:
        """Return what a person should know of it before approving; one line each.

        Args:
            found: What a plan does to nodes.
        """
        lines = []
        if found.leaving:
            order = departure.in_order(self._members.values(), found.leaving)
            lines.append(f"leave the swarm first, one after the other: {', '.join(order)}")
        if found.rolled:
            turns = roll.batches(self._members.values(), found.rolled, at_once=1)
            order = [name for turn in turns for name in turn]
            lines.append(
                "one node at a time, its tasks elsewhere meanwhile as far as the swarm can place "
                f"them there: {', '.join(order)}"
            )
        lines += [
            f"node {name}: what is in its volumes {', '.join(volumes)} is lost with its machine"
            for name in found.renewed
            if name not in found.kept and (volumes := self._members[name].volume_names)
        ]
        return tuple(lines)

    def work(self, found: Impact, change: Callable[[Sequence[str]], None]) -> bool:
        """Let nodes leave, change those at work one at a time, and let rested ones work again.

        Args:
            found: What the plan does to nodes.
            change: Changes some nodes as the plan says.

        Returns:
            Whether anything was done that the plan has not seen.

        Raises:
            CommandError: A node could not be changed, or does not come back.
        """
        if self._cluster is None:
            return False
        idle = repair.unfinished(self._members.values(), found.rolled)
        for name in idle:
            self.screen.say(f"node {name}: takes tasks again, which a command before had moved")
            self._cluster.activate(name)
        departure.dismiss(self._cluster, found.leaving, tell=self._tell)
        self.change(renewed=found.renewed, restarted=found.restarted, how=change, kept=found.kept)
        self.screen.finish(_KEY)
        return bool(found.leaving or found.rolled)

    def change(
        self,
        *,
        renewed: Sequence[str] = (),
        restarted: Sequence[str] = (),
        how: Callable[[Sequence[str]], None],
        at_once: int = 1,
        even_without_quorum: Collection[str] = (),
        kept: Collection[str] = (),
    ) -> None:
        """Change nodes at work, as `roll.roll` does it.

        Args:
            renewed: Nodes whose machines are replaced.
            restarted: Nodes whose Docker or machine starts anew.
            how: Changes some nodes, which have no tasks then.
            at_once: How many workers are changed together.
            even_without_quorum: Managers that may go though the others are no majority then.
            kept: Those of the renewed whose data volume goes to the new machine.

        Raises:
            CommandError: A node could not be changed, or does not come back; or no manager
                answers.
        """
        if not renewed and not restarted:
            return
        roll.roll(
            self.cluster,
            renewed=renewed,
            restarted=restarted,
            change=how,
            tell=self._tell,
            at_once=at_once,
            even_without_quorum=even_without_quorum,
            kept=kept,
        )
        self.screen.finish(_KEY)

    def withdraw(self, plan: StackPlan) -> None:
        """Take the tasks from the services that a plan removes, or removes and makes again.

        Args:
            plan: A stack's plan, about to be applied.

        Raises:
            CommandError: Their tasks do not end.
        """
        services = services_that_end(plan)
        if services and self._cluster is not None:
            with self.screen.phase("the services end that the plan removes"):
                self._cluster.withdraw(services)

    @property
    def cluster(self) -> Cluster:
        """The swarm.

        Raises:
            CommandError: No manager answers; with the reason of each.
        """
        if self._cluster is None:
            raise CommandError(self.problem or "swarm: must be deployed, got no nodes yet")
        return self._cluster

    @property
    def members(self) -> Mapping[str, Member]:
        """The swarm's members by their names, as they were at the last look."""
        return self._members

    def _nodes(self) -> Mapping[str, Node]:
        try:
            return Outputs.load(self.session.environment).nodes
        except CommandError:
            return {}

    def _tell(self, name: str, text: str) -> None:
        # What is under way is printed by itself where it cannot be shown as that.
        if self.screen.console.is_terminal:
            self.screen.say(f"node {name}: {text}")
        self.screen.start(_KEY, f"node {name}: {text}")


def services_that_end(plan: StackPlan) -> list[str]:
    """Return the ids of the services that a plan removes, or removes and makes again.

    Args:
        plan: A stack's plan.
    """
    return [
        change.identity
        for change in plan.changes
        if change.address.startswith(_SERVICE) and change.action in ("destroy", "replace")
    ]


_KEY: Final = "node"
