"""Engines' own argument parsers, asked about many command lines by one process.

`python run.py argument_check.ENGINE` reads a JSON list of command lines (without the program) from
standard input and writes a JSON list to the file it is given: for each the parser's words against
it, or null. Importing an engine takes 15 to 30 s, a command line less than one.
"""
