"""What can break, how is it seen to be broken, and how is it surely undone?"""

from bascule.chaos.faults.catalogue import KINDS, AnyFault
from bascule.chaos.faults.clocks import ClockDrift, ClockStep
from bascule.chaos.faults.disk import DiskFull, DiskLostWrites, DiskReadOnly, DiskSlow, SyncFailure
from bascule.chaos.faults.endings import OutOfMemory, ProcessSignals
from bascule.chaos.faults.host import HostReboot, PowerLoss
from bascule.chaos.faults.limits import DescriptorExhaustion
from bascule.chaos.faults.naming import DnsFault
from bascule.chaos.faults.network import Partition
from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.faults.ports import PortExhaustion
from bascule.chaos.faults.process import CrashLoop, MainProcessKill, ProcessFreeze, ProcessKill, ProcessSlow
from bascule.chaos.faults.traffic import (
    Bandwidth,
    ConnectionRefusal,
    ConnectionReset,
    NetworkCut,
    NetworkDelay,
    PacketCorruption,
    PacketDuplication,
    PacketLoss,
    PacketReordering,
)

__all__ = [
    "KINDS",
    "AnyFault",
    "Bandwidth",
    "ClockDrift",
    "ClockStep",
    "ConnectionRefusal",
    "ConnectionReset",
    "CrashLoop",
    "DescriptorExhaustion",
    "DiskFull",
    "DiskLostWrites",
    "DiskReadOnly",
    "DiskSlow",
    "DnsFault",
    "Fault",
    "HostReboot",
    "MainProcessKill",
    "NetworkCut",
    "NetworkDelay",
    "OutOfMemory",
    "PacketCorruption",
    "PacketDuplication",
    "PacketLoss",
    "PacketReordering",
    "Partition",
    "PortExhaustion",
    "PowerLoss",
    "ProcessFreeze",
    "ProcessKill",
    "ProcessSignals",
    "ProcessSlow",
    "SyncFailure",
    "Witness",
]
