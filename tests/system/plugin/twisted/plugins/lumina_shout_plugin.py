"""Where lumina finds the front end."""

from lumina_shout import FrontEnd

shout = FrontEnd()
