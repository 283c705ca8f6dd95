"""The tables of a device, by the names that points, access rules and the audit log have for them."""

#: The four tables of the specification (Application Protocol V1.1b3, 4.3).
COIL, DISCRETE, HOLDING, INPUT = TABLES = ("coil", "discrete", "holding", "input")

#: Those of single bits, and those of registers.
BITS, REGISTERS = (COIL, DISCRETE), (HOLDING, INPUT)

#: Records of files (6.14), which are a table of their own to whoever asks what a request touches.
FILE = "file"
