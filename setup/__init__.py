"""Set-up: makes everything that the project needs, inside the project's folder.

Run it as `python3 -m setup`. It needs the standard library only, because it runs before any
package is there.
"""
