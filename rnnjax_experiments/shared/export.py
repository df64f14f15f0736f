"""The command that writes a trained model as programs, for processes without rnnjax."""

from pathlib import Path

from rnnjax.trained import load_run


def export(
    run: Path, out: Path, programs: tuple[str, ...] = (), examples: tuple[str, ...] = ()
) -> None:
    """Write a trained model as programs that JAX runs, with a script that shows them at work.

    A process that runs them needs the packages jax and flatbuffers, nothing else.

    Args:
      run: the run's folder.
      out: the folder to write, which must be new: a file of `jax.export` for each program, their
        weights, export.json with the vocabulary and the shapes, and run.py.
      programs: their names, such as predict or step; by default all that the model has.
      examples: texts that run.py reads when it is given none.
    """
    load_run(run).export(out, programs, examples)
    print(f"programs: {out}\ntry them: python {out / 'run.py'}")
