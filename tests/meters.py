"""
Where the values of real devices lie: PDU address and number of registers.

They are facts from the makers' register lists, put down by hand for the plan
to be tried on: dense and sparse maps, short and long values.
"""

#: Ten of the values of Eastron's meter for one phase, and its demands.
SDM120 = [(address, 2) for address in (*range(0, 0x25, 6), *range(0x46, 0x50, 2), *range(0x54, 0x60, 2))] + [
    (address, 2) for address in (0x102, 0x108, 0x156, 0x158)
]

#: Eastron's for three phases.
SDM630 = [
    (address, 2)
    for address in (
        *range(0, 44, 2),
        *(46, 48, 52, 56, 60, 62, 66),
        *range(70, 84, 2),
        *(84, 86, 100, 102, 104, 106, 108),
        *range(200, 208, 2),
        224,
        *range(234, 242, 2),
        *(248, 250),
        *range(254, 270, 2),
        *range(334, 348, 2),
        *range(348, 382, 2),
    )
]

PZEM_016 = [(0, 1), (1, 2), (3, 2), (5, 2), (7, 1), (8, 1), (9, 1)]

#: An inverter of Growatt's TL-X series, protocol 1.24.
GROWATT = [
    *((0, 1), (1, 2), (3, 1), (4, 1), (5, 2), (7, 1), (8, 1), (9, 2)),
    *((35, 2), (37, 1), (38, 1), (39, 1), (40, 2), (42, 1), (43, 1), (46, 1), (47, 1)),
    *((53, 2), (55, 2), (57, 2), (59, 2), (61, 2), (63, 2), (65, 2), (91, 2), (93, 1), (94, 1), (95, 1)),
    *((98, 1), (99, 1), (100, 1), (101, 1), (102, 2), (104, 1), (105, 1), (3000, 1), (3086, 1), (3165, 1)),
]

#: A string inverter of Deye.
DEYE = [
    *((60, 1), (62, 1), (63, 2), (73, 1), (74, 1), (75, 1), (76, 1), (77, 1), (78, 1), (79, 1), (80, 1)),
    *((82, 1), (84, 1), (86, 2), (88, 1), (90, 1), (91, 1)),
    *((address, 1) for address in range(109, 117)),
]

#: Schneider's iEM3155: floats, and counters of 64 bits, far apart.
IEM3155 = [
    *(
        (address, 2)
        for address in (*range(2999, 3005, 2), 3009, *range(3019, 3026, 2), *range(3027, 3037, 2))
    ),
    *((address, 2) for address in (*range(3053, 3061, 2), 3067, 3075, 3083, 3109, 3131)),
    *((address, 4) for address in (3203, 3207, 3219, 3223, 3517, 3521, 3525)),
]

#: SunSpec: the common model, and an inverter of three phases (model 103) with its scale factors.
SUNSPEC = [
    *((40000, 2), (40004, 16), (40020, 16), (40044, 8), (40052, 16)),
    *((address, 1) for address in range(40071, 40093)),
    *((40093, 2), (40095, 1), (40096, 1), (40098, 1), (40100, 1), (40101, 1), (40103, 1)),
    *((40106, 1), (40107, 1), (40108, 1), (40109, 2), (40111, 2), (40113, 2)),
]

#: SMA's Sunny Tripower: whole numbers and counters of two registers, energies of four.
SMA = [
    *((address, 2) for address in (30051, 30053, 30057, 30201, 30203, 30225, 30231, 30233)),
    *((30513, 4), (30517, 4), (30521, 4), (30525, 4), *((address, 2) for address in range(30529, 30543, 2))),
    *((address, 2) for address in (*range(30769, 30815, 2), 30837, 30839, 30845, 30849, 30865, 30867)),
    *((address, 2) for address in (30935, 30949, 30953, 30957, 30959, 30961, 30977, 30979, 30981)),
]

#: Siemens' PAC3200: floats, a block of state, and counters of four registers.
PAC3200 = [
    *((address, 2) for address in (*range(1, 67, 2), 67, 69, 71)),
    *((address, 2) for address in (205, 207, 209, 211, 213, 215, 217, 219)),
    *((address, 4) for address in range(801, 845, 4)),
]

#: Janitza's UMG 96RM: the block of its common values, energies, and harmonics of voltages and currents.
UMG_96RM = [
    *((address, 2) for address in range(19000, 19122, 2)),
    *((address, 2) for address in (808, 810, 812, 814, 816, 818, 836, 838, 860, 862, 864, 866, 868, 870)),
    *((address, 2) for phase in range(6) for address in range(1000 + 80 * phase, 1040 + 80 * phase, 4)),
]

MAPS = {
    "SDM120": SDM120,
    "SDM630": SDM630,
    "PZEM-016": PZEM_016,
    "Growatt TL-X": GROWATT,
    "Deye string": DEYE,
    "iEM3155": IEM3155,
    "SunSpec 103": SUNSPEC,
    "SMA Tripower": SMA,
    "PAC3200": PAC3200,
    "UMG 96RM": UMG_96RM,
}

#: What a request and a register cost on common links, in seconds.
LINKS = {
    "RTU 9600, 20 ms": (0.02 + 20.5 * 11 / 9600, 22 / 9600),
    "RTU 115200, 5 ms": (0.005 + 13 * 11 / 115200 + 0.00175, 22 / 115200),
    "TCP, 20 ms": (0.02, 2e-6),
    "TCP, 1 ms": (0.001, 2e-6),
}
