# The entry point of Python functions. Its modules are compiled ahead; this file is not, so it is short.
import ropeway_python

ropeway_python.main()
