"""What must hold on the way through a stub.

A Witness looks at each moment of a run, and notes which rule is broken there: each
rule once. It does not know whether the run was followed for all inputs or is one
call that a machine has made.
"""

from __future__ import annotations

from typing import Optional

from machine.finding import Finding

from .cpu import Access
from .frame import Frame
from .path import Moment, Run
from .rules import WAY_BACK, Rule
from .state import KERNEL_RSP, USER_RSP
from .values import STACK, Cell, Origin, Value

# Where C looks for the number and arguments 1 to 5, and where the user put them.
ARGUMENTS = (("rdi", "rax", "the number"), ("rsi", "rdi", "argument 1"),
             ("rdx", "rsi", "argument 2"), ("rcx", "rdx", "argument 3"),
             ("r8", "r10", "argument 4"), ("r9", "r8", "argument 5"))


class Findings:
    """What is wrong with one run: of each rule and name the first."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._found: dict[tuple[Rule, str], tuple[int, Finding]] = {}

    def add(self, rule: Rule, cause: str, address: Optional[int], about: str = "",
            step: Optional[int] = None) -> None:
        """Notes one; step: of the task, where it is not the rule's own."""
        where = self.run.code.place(address)
        finding = Finding(rule, cause, where, (about,) if about else ())
        self._found.setdefault((rule, about), (step or rule.step, finding))

    def insert(self, finding: Finding, step: Optional[int] = None) -> None:
        """Notes one that is made already."""
        assert isinstance(finding.kind, Rule)
        self._found.setdefault((finding.kind, " ".join(finding.about)),
                               (step or finding.kind.step, finding))

    def __contains__(self, rule: Rule) -> bool:
        return any(kind is rule for kind, _ in self._found)

    def in_order(self) -> list[Finding]:
        """The likely cause first: what belongs to an earlier step of the task, and
        of one step, what came first."""
        return [f for _, f in sorted(self._found.values(), key=lambda entry: entry[0])]


class Witness:
    """Goes through a run, and fills in what is wrong.

    gs_amended  GS was found wrong, and is taken to be right from there.
    """

    def __init__(self, run: Run, frame: Frame, findings: Findings) -> None:
        self.run, self.code, self.frame, self.findings = run, run.code, frame, findings
        self.gs_amended = False
        # Where an interrupt does harm: through the handler's doing, or the stub's.
        self.windows: dict[Rule, tuple[Moment, str]] = {}
        self.began: Optional[Moment] = None  # to restore, with interrupts on
        for moment in run.moments:
            self.interrupts(moment)
            for access in moment.accesses:
                self.access(moment, access)
            if moment.rip == run.state.called:
                self.call(moment)
        self.user_rsp_kept()
        self.open_windows()
        self.frame_before_interrupts()

    def kernel_gs(self, moment: Moment) -> bool:
        return moment.state.kernel_gs != self.gs_amended

    def swaps(self, before: Moment) -> list[Moment]:
        """The SWAPGS that ran before a moment, on its side of the call."""
        return [m for m in self.run.moments[:self.run.moments.index(before)]
                if m.mnemonic == "swapgs"
                and m.state.called == before.state.called]

    # -- memory

    def access(self, moment: Moment, access: Access) -> None:
        if access.gs:
            self.through_gs(moment)
            if access.write:
                self.per_cpu_write(moment, access.address.offset, access.cell.value)
        elif access.address.origin is Origin.ENTRY:
            self.users_memory(moment, access.address)

    def users_memory(self, moment: Moment, address: Value) -> None:
        here = self.code.at(moment.rip)
        step = WAY_BACK if moment.state.called else None
        if address.name != "rsp":
            self.findings.add(Rule.USER_MEMORY, f"{here} goes to an address that the "
                              f"user chose: {address}", moment.rip, step=step)
            return
        text = (f"{here} uses the user's stack: whatever the user put into RSP, the "
                "kernel must not touch")
        if moment.state.called is not None:
            text += "; RSP is the user's again already"
        elif self.swaps(moment):
            text += "; RSP is not the kernel's yet"
        else:
            text += ("; it stands before the stub's first swapgs (a function without "
                     "__attribute__((naked)) begins so)")
        self.findings.add(Rule.USER_STACK, text, moment.rip, step=step)

    def through_gs(self, moment: Moment) -> None:
        if self.kernel_gs(moment):
            return
        earlier = self.swaps(moment)
        after = self.run.moments[self.run.moments.index(moment):]
        later = next((m for m in after if m.mnemonic == "swapgs"
                      and m.state.called == moment.state.called), None)
        text = f"{self.code.at(moment.rip)} goes through GS while GS_BASE is "
        if earlier:
            text += (f"the user's again: {self.code.at(earlier[-1].rip)} stands before "
                     "it, and comes too early")
        elif later:
            text += f"still the user's: {self.code.at(later.rip)} comes later"
        else:
            text += "still the user's: swapgs is missing before it"
        self.findings.add(Rule.GS, text, moment.rip,
                          step=WAY_BACK if moment.state.called else None)
        self.gs_amended = not self.gs_amended

    def per_cpu_write(self, moment: Moment, offset: int, value: Value) -> None:
        here = self.code.at(moment.rip)
        step = WAY_BACK if moment.state.called else None
        if offset == KERNEL_RSP and value != STACK:
            text = f"{here} overwrites kernel_rsp (gs:{KERNEL_RSP}) with {value}"
            if value == Value.entry("rsp"):
                text += f": the user's RSP belongs to gs:{USER_RSP}"
            self.findings.add(Rule.PER_CPU, text, moment.rip, step=step)
        elif offset not in (KERNEL_RSP, USER_RSP):
            self.findings.add(Rule.PER_CPU, f"{here} writes to gs:{offset}, which is "
                              "not the stub's", moment.rip, step=step)

    # -- what C expects

    def call(self, moment: Moment) -> None:
        here, state, findings = self.code.at(moment.rip), moment.state, self.findings
        if not self.kernel_gs(moment):
            findings.add(Rule.GS, f"{here} calls C while GS_BASE is the user's: "
                         "swapgs is missing before it", moment.rip)
            self.gs_amended = not self.gs_amended
        if state.direction:
            by = self.code.at(state.direction_by)
            findings.add(Rule.C_STATE, f"{here} calls C with DF set, by {by}",
                         state.direction_by, "df")
        if state.user_memory:
            findings.add(Rule.C_STATE, f"{here} calls C with AC set, which lifts SMAP",
                         moment.rip, "ac")
        if state.rsp.origin is not Origin.STACK:
            findings.add(Rule.USER_STACK, f"{here} calls C while RSP holds {state.rsp}, "
                         "not the process's kernel stack", moment.rip)
        elif state.rsp.offset % 16:
            findings.add(Rule.C_STATE, f"{here} calls C with RSP mod 16 = "
                         f"{state.rsp.offset % 16}: {-state.rsp.offset // 8} words are "
                         "on the stack, and the C ABI wants an even number",
                         moment.rip, "rsp")
        for register, source, what in ARGUMENTS:
            self.argument(moment, register, source, what)
        self.sixth(moment)

    def argument(self, moment: Moment, register: str, source: str, what: str) -> None:
        cell = moment.state.registers[register]
        user = Value.entry(source)
        # The kernel takes the number's low 32 bits, as Linux does.
        right = cell.value == user or source == "rax" and (
            cell.value.part(32) == user.part(32))
        if right:
            return
        by = (f", by {self.code.at(cell.writer)}" if cell.writer else
              ": no instruction has moved anything there")
        self.findings.add(
            Rule.ARGUMENT, f"{what} must be in {register.upper()} at "
            f"{self.code.at(moment.rip)}; there is {cell.value}{by}",
            cell.writer or moment.rip, register)

    def sixth(self, moment: Moment) -> None:
        state = moment.state
        cell = state.memory.get(
            state.rsp, Cell(Value.other("nothing that the stub pushed")))
        if cell.value != Value.entry("r9"):
            self.findings.add(
                Rule.SIXTH, "argument 6 (R9) must be the lowest word of the stack at "
                f"{self.code.at(moment.rip)}; there is {cell.value}",
                cell.writer or moment.rip, "r9")

    # -- interrupts

    def interrupts(self, moment: Moment) -> None:
        """Looks where an interrupt could come, and what it would find."""
        state = moment.state
        if (state.interrupts and self.began is None and state.called is not None
                and moment.mnemonic == "pop"
                and self.run.end.mnemonic == "sysret"):
            self.began = moment
        if not moment.interruptible or self.rule_of(moment) in self.windows:
            return
        harm = self.harm(moment)
        if harm:
            self.windows[self.rule_of(moment)] = moment, harm

    def rule_of(self, moment: Moment) -> Rule:
        """Whose doing it is that interrupts are on."""
        by = moment.state.interrupts_by
        return Rule.CLI if by is not None and by == moment.state.called else (
            Rule.INTERRUPTS)

    def harm(self, moment: Moment) -> str:
        """What an interrupt would do before this instruction; "" for nothing."""
        state = moment.state
        if state.rsp.origin is not Origin.STACK:
            if Rule.USER_STACK in self.findings:
                return ""  # it never was the kernel's, which is said
            return f"an interrupt would find RSP holding {state.rsp} in ring 0"
        if not self.kernel_gs(moment):
            return "an interrupt would come in ring 0 with the user's GS"
        if state.called is None and not state.in_stack(Value.entry("rsp")):
            return (f"the user's RSP is only in gs:{USER_RSP}: an interrupt lets another "
                    "process make a call, which overwrites it")
        return ""

    def open_windows(self) -> None:
        """Says who let interrupts in, where one would do harm."""
        if self.began and self.rule_of(self.began) not in self.windows:
            self.windows[self.rule_of(self.began)] = self.began, ""
        for rule, (moment, harm) in self.windows.items():
            began = self.began if self.began and self.rule_of(self.began) is rule else None
            late = self.late_cli(began or moment)
            if rule is Rule.CLI and late:
                self.findings.add(rule, self.too_late(late, began, moment, harm),
                                  (began or moment).rip)
            elif harm:
                self.findings.add(
                    rule, f"{self.why_on(moment)}; before {self.code.at(moment.rip)} "
                    f"{harm}", moment.state.interrupts_by)
            else:
                self.findings.add(rule, f"{self.why_on(moment)}; "
                                  f"{self.code.at(moment.rip)} begins to restore",
                                  moment.rip)

    def why_on(self, moment: Moment) -> str:
        if self.rule_of(moment) is Rule.INTERRUPTS:
            return self.turned_on(moment)
        return ("the handler may return with interrupts on, and no cli stands after "
                f"{self.code.at(moment.state.interrupts_by)}")

    def turned_on(self, moment: Moment) -> str:
        """Which instruction of the stub's own let interrupts in."""
        by = moment.state.interrupts_by
        source = self.run.at(by) if by is not None else None
        if source and source.mnemonic.startswith("popf"):
            return (f"{self.code.at(by)} loads the user's RFLAGS, IF, TF and all, "
                    "while the CPU is in ring 0")
        return f"{self.code.at(by)} turns interrupts on"

    def late_cli(self, first: Moment) -> Optional[Moment]:
        after = self.run.moments[self.run.moments.index(first):]
        return next((m for m in after if m.mnemonic == "cli"), None)

    def too_late(self, cli: Moment, began: Optional[Moment], moment: Moment,
                 harm: str) -> str:
        text = f"{self.code.at(cli.rip)} comes too late: "
        if began:
            return text + (f"{self.code.at(began.rip)} has begun to restore with "
                           "interrupts on")
        return text + f"before {self.code.at(moment.rip)} {harm}"

    def user_rsp_kept(self) -> None:
        """Whoever changes RSP for the first time needs another place that has it."""
        user = Value.entry("rsp")
        moments = list(self.run.before_call())
        for moment, after in zip(moments, moments[1:]):
            state = after.state
            kept = any(cell.value == user for place in (
                state.registers, state.per_cpu, state.memory)
                for cell in place.values())
            if moment.state.rsp.is_of(user) and not state.rsp.is_of(user) and not kept:
                self.findings.add(
                    Rule.USER_RSP, f"{self.code.at(moment.rip)} loads the kernel's RSP "
                    "before anything has saved the user's: that is lost now",
                    moment.rip, "rsp")

    def frame_before_interrupts(self) -> None:
        """The frame has to be whole before the stub itself lets interrupts in."""
        sti = next((m for m in self.run.before_call() if m.mnemonic == "sti"), None)
        if sti is None:
            return
        ran = {m.rip for m in self.run.moments[:self.run.moments.index(sti)]}
        late = [w for w in self.frame.writers.values() if w not in ran]
        if late:
            self.findings.add(
                Rule.INTERRUPTS, f"{self.code.at(sti.rip)} turns interrupts on before "
                f"the frame is whole: {self.code.at(late[0])} comes after it", sti.rip)
