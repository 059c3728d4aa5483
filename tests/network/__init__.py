"""The network against published outputs, against an independent implementation, and against itself."""
