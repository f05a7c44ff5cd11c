"""The commands of ``bitknap``, one typer function ``command`` per file."""
