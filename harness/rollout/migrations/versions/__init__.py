"""One module a step of the schema, each naming the step before."""

__all__: list[str] = []
