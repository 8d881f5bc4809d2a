"""Evaluate a folder on the jobs of a Slurm cluster, by dask-jobqueue; with --local on this machine instead.

python cluster.py GENERATED REAL --jobs 40 --queue cpu --out results
"""

import argparse
from pathlib import Path

from distributed import LocalCluster, Security

import gmbench


def cluster(arguments: argparse.Namespace) -> object:
    """Jobs of one thread each, or processes here; only this script has the key to them."""
    if arguments.local:
        return LocalCluster(
            n_workers=arguments.local, threads_per_worker=1, dashboard_address=None, security=Security.temporary()
        )
    from dask_jobqueue import SLURMCluster

    jobs = SLURMCluster(
        cores=1, processes=1, memory="4GB", walltime=arguments.time, queue=arguments.queue,
        shared_temp_directory=str(arguments.shared), security=Security.temporary(),
        scheduler_options={"dashboard": False},
    )  # fmt: skip
    jobs.scale(jobs=arguments.jobs)
    return jobs


def main() -> None:
    """Evaluate, print the table and save the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generated", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--out", type=Path, default=Path("gmbench-results"))
    parser.add_argument("--metrics", default="")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--queue", default=None)
    parser.add_argument("--time", default="04:00:00")
    parser.add_argument("--shared", type=Path, default=Path.home() / ".gmbench-tls", help="seen by all machines")
    parser.add_argument("--local", type=int, default=0, metavar="N", help="processes here in place of jobs")
    arguments = parser.parse_args()
    arguments.shared.mkdir(parents=True, exist_ok=True)
    with cluster(arguments) as workers, workers.get_client():
        result = gmbench.evaluate(
            arguments.generated, arguments.real, metrics=arguments.metrics or None, scheduler=workers.scheduler_address
        )
    print(result.table())
    result.save(arguments.out)


if __name__ == "__main__":
    main()
