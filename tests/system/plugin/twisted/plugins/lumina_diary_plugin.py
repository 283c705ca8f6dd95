"""Where lumina finds the sink."""

from lumina_diary import Kind

diary = Kind()
