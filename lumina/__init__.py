"""lumina lets many programs share the Modbus devices of a site."""
