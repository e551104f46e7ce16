"""Schedule many speakers at once, and say what that costs.

python -m benchmarks.scale embedded --speakers 1000 --gpus 200
python -m benchmarks.scale cluster --speakers 1000 --max-parallel 200     # $KUBECONFIG, Argo, nodes that kwok plays

Both run the generated clone-voice with all its stages and their requests. In the stages' place are commands (embedded)
or pods of fake nodes (cluster) which take some seconds and have the outputs that the stages declare.
"""

import typer

from benchmarks.scale import cluster, embedded

app = typer.Typer(help=__doc__, add_completion=False, rich_markup_mode=None)
app.command("embedded")(embedded.main)
app.command("cluster")(cluster.main)

if __name__ == "__main__":
    app()
