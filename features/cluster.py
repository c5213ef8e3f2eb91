"""Batches computed on a Dask cluster; workers write shards, the driver sees names and counts.

A worker that dies is Dask's matter at first: its batches go to other workers. A batch that Dask
gives up, because too many workers died with it, is looked into when nothing else is under way:
alone, then clip by clip, and a clip that is alone with its workers and kills them is given up with
that reason. The rest of its batch is computed without it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

from features.audio import Clip
from features.clip_row import Row, compute_row
from features.named_sets import AnyFeatureSet
from features.remote import identify, keeping_copies, remove_folder
from features.shards import Shards

if TYPE_CHECKING:
    from distributed import Client, Future

# A scheduler on the other side of the world answers in less; a wrong address never does.
CONNECT_TIMEOUT_S = 10.0
# A scheduler may be up before its first worker.
WORKER_TIMEOUT_S = 60.0

# Clips of a shard: as many as 32 in small corpora, so that all workers have something to do, and
# in large ones 2048, a shard of about 4 MB and some seconds.
MIN_SHARD, MAX_SHARD = 32, 2048
MIN_SHARDS = 4096

# Enough to bridge a hiccup of the network or the storage.
RETRIES = 2
# Batches handed out for each thread of the cluster: one under way, and one that it goes on with.
DEPTH = 2
# New workers are counted in after this time at most.
RECOUNT_S = 2.0

Task = TypeVar("Task")


@dataclass(frozen=True)
class Batch:
    """What a worker needs to make a shard.

    Parameters
    ----------
    positions : range
        Of its clips, in the manifest.
    name : str
        Of the shard.
    clip_ids : tuple of str
        Names of the clips.
    clips : tuple of Clip
        The excerpts.
    given_up : mapping of int to str
        Clips that are not to be computed, by their place in the batch -> the reason.
    """

    positions: range
    name: str
    clip_ids: tuple[str, ...]
    clips: tuple[Clip, ...]
    given_up: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    """What all batches of a run have in common; it goes along with each."""

    shards: Shards
    features: AnyFeatureSet
    versions: Mapping[str, str]


class _WorkersDiedError(Exception):
    """Dask gave a task up; the number of workers that died with it."""


def compute_on_cluster(
    clip_ids: Sequence[str],
    clips: Sequence[Clip],
    features: AnyFeatureSet,
    *,
    scheduler: str,
    folder: str,
    versions: Mapping[str, str],
    keep: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[range, list[Row]]]:
    """Compute all clips as shards, then give their rows shard by shard.

    Nothing is given before all is computed: the cluster is free by then, and never waits for the
    one process that writes the table.

    Parameters
    ----------
    clip_ids : sequence of str
        Names of the clips.
    clips : sequence of Clip
        The excerpts; workers must find their files by these paths.
    features : FeatureSet or OpenSmileSet
        Which features.
    scheduler : str
        Address of the Dask scheduler, such as tcp://10.0.0.1:8786.
    folder : str
        Where the shards go: a path or URI that workers and this process share.
    versions : mapping of str to str
        Libraries that make the numbers; workers must have the same.
    keep : bool
        Whether to keep the shards and use those that are there.
    progress : callable or None
        Called with (clips done, clips in all).

    Yields
    ------
    positions : range
        Which clips, in the order given.
    rows : list of Row
        One for each.

    Raises
    ------
    ImportError
        If Dask is not installed.
    OSError
        If the scheduler does not answer, has no workers or goes away, or the folder is not shared.
    RuntimeError
        If workers have other versions, or die of a batch but of no single clip in it.
    """
    work = _Work(
        Shards(
            folder if keep else f"{folder.rstrip('/')}/{uuid.uuid4().hex[:8]}",
            f"{features.digest} {dict(versions)}",
            features.n_features,
        ),
        features,
        versions,
    )
    try:
        yield from _compute_in_order(work, clip_ids, clips, scheduler, progress)
    finally:
        if not keep:
            remove_folder(work.shards.folder)


def _compute_in_order(
    work: _Work,
    clip_ids: Sequence[str],
    clips: Sequence[Clip],
    scheduler: str,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[range, list[Row]]]:
    batches = _make_batches(work.shards, clip_ids, clips)
    finished = work.shards.list_finished()
    missing = [batch for batch in batches if not finished.get(batch.name)]
    n_done = len(clips) - sum(len(batch.positions) for batch in missing)
    if missing:
        with _connect(scheduler) as cluster:
            for n_clips in _compute_missing(cluster, missing, work):
                n_done += n_clips
                if progress is not None:
                    progress(n_done, len(clips))
        finished = work.shards.list_finished()
    elif progress is not None:
        progress(n_done, len(clips))
    for batch in batches:
        if batch.name not in finished:
            raise OSError(
                f"a worker has written shard {batch.name} to {work.shards.folder}, but it is not "
                "there from here: name a folder that workers and this machine share (--cache), or "
                "a URI"
            )
        whole = finished[batch.name]
        yield batch.positions, work.shards.read(batch.name, batch.clip_ids, whole=whole)


def _make_batches(shards: Shards, clip_ids: Sequence[str], clips: Sequence[Clip]) -> list[Batch]:
    """Deal clips into batches that depend on them alone: another cluster finds the same shards."""
    states = identify(clip.path for clip in clips)
    size = _shard_size(len(clips))
    batches = []
    for start in range(0, len(clips), size):
        part = slice(start, start + size)
        ids, excerpts = tuple(clip_ids[part]), tuple(clips[part])
        name = shards.name(ids, excerpts, [states[clip.path] for clip in excerpts])
        batches.append(Batch(range(start, start + len(ids)), name, ids, excerpts))
    return batches


def _shard_size(n_clips: int) -> int:
    """Give a power of two: a corpus that grows keeps its shards until it has doubled."""
    per_shard = n_clips // MIN_SHARDS
    size = 1 << (per_shard.bit_length() - 1) if per_shard else 1
    return min(max(size, MIN_SHARD), MAX_SHARD)


def _compute_missing(cluster: _Cluster, batches: Sequence[Batch], work: _Work) -> Iterator[int]:
    """Compute all batches; give the number of clips of each as it is finished."""
    suspects = []
    for batch, outcome in cluster.run(batches, lambda batch: (compute_shard, work, batch)):
        if isinstance(outcome, _WorkersDiedError):
            suspects.append(batch)
        else:
            yield len(batch.positions)
    for batch in suspects:
        _compute_suspect(cluster, batch, work)
        yield len(batch.positions)


def _compute_suspect(cluster: _Cluster, batch: Batch, work: _Work) -> None:
    """Compute a batch that workers died with, and give up the clips that they died of."""
    if cluster.run_alone(compute_shard, work, batch) is None:
        # Others that were on the same worker killed it.
        return
    places = range(len(batch.clips))
    tried = cluster.run(places, lambda place: (try_clip, work, batch.clips[place]))
    died = [place for place, outcome in tried if isinstance(outcome, _WorkersDiedError)]
    given_up = {
        place: f"the worker that computed it died, {blame} times of {blame}"
        for place in sorted(died)
        if (blame := cluster.run_alone(try_clip, work, batch.clips[place])) is not None
    }
    if cluster.run_alone(compute_shard, work, replace(batch, given_up=given_up)) is not None:
        raise RuntimeError(
            f"workers die of the {len(batch.clips)} clips from {batch.clip_ids[0]!r} on, though of "
            "none of them alone: give workers more memory, then run again (what is finished is "
            "kept)"
        )


def compute_shard(work: _Work, batch: Batch) -> int:
    """Make a shard, unless it is there; runs in a worker.

    Parameters
    ----------
    work : _Work
        Feature set, folder, versions.
    batch : Batch
        The clips.

    Returns
    -------
    int
        Number of clips that gave no row.

    Raises
    ------
    RuntimeError
        If this process has other versions of the libraries that make the numbers.
    """
    _prepare(work)
    found = work.shards.find(batch.name)
    if found:
        return 0
    kept = [Row(None)] * len(batch.clips)
    if found is False:
        kept = work.shards.read(batch.name, batch.clip_ids, whole=False)
    with keeping_copies():
        rows = [
            Row(None, reason=batch.given_up[place])
            if place in batch.given_up
            else row
            if row.values is not None
            else compute_row(clip, work.features)
            for place, (clip, row) in enumerate(zip(batch.clips, kept, strict=True))
        ]
    work.shards.write(batch.name, batch.clip_ids, rows)
    return sum(row.values is None for row in rows)


def try_clip(work: _Work, clip: Clip) -> None:
    """Compute a clip for nothing, to see whether its worker survives; runs in a worker.

    Parameters
    ----------
    work : _Work
        Feature set, folder, versions.
    clip : Clip
        The excerpt.
    """
    _prepare(work)
    compute_row(clip, work.features)


def _prepare(work: _Work) -> None:
    """Make this process compute what any other does."""
    _settle()
    for name, wanted in work.versions.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found != wanted:
            raise RuntimeError(
                f"a worker has {name} {found} where the driver has {wanted}, so its numbers may "
                "differ: install the same versions (constraints.txt) on both"
            )


@cache
def _settle() -> None:
    """Set what holds for all threads of this process, once."""
    # BLAS may round otherwise with another number of threads.
    threadpool_limits(limits=1)


@contextmanager
def _connect(scheduler: str) -> Iterator[_Cluster]:
    """Have a cluster until the end of the block; tasks that are under way then are dropped."""
    try:
        from distributed import Client
    except ImportError as exc:
        raise ImportError(
            "the backend dask needs Dask: install it with pip install 'timbrestack[dask]'"
        ) from exc
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError) as exc:
        raise OSError(
            f"no Dask scheduler answers at {scheduler} within {CONNECT_TIMEOUT_S:.0f} s; start one "
            "with `dask scheduler`, or check the address"
        ) from exc
    with closing(client):
        try:
            client.wait_for_workers(1, timeout=WORKER_TIMEOUT_S)
        except TimeoutError as exc:
            raise OSError(
                f"the scheduler at {scheduler} has had no worker for {WORKER_TIMEOUT_S:.0f} s; "
                f"start some with `dask worker {scheduler} --nthreads 1`"
            ) from exc
        yield _Cluster(client, scheduler)


class _Cluster:
    """Tasks on Dask workers, a bounded number at a time."""

    def __init__(self, client: Client, scheduler: str) -> None:
        self._client = client
        self._scheduler = scheduler
        self._room, self._counted = 0, -RECOUNT_S

    def run(
        self, tasks: Iterable[Task], call: Callable[[Task], tuple[Any, ...]]
    ) -> Iterator[tuple[Task, Any]]:
        """Run tasks, in any order.

        Parameters
        ----------
        tasks : iterable
            What is to be done.
        call : callable
            From a task to the function and its arguments.

        Yields
        ------
        task
            As it finishes.
        outcome
            What the function gave, or a `_WorkersDiedError`; what the function raised is raised.
        """
        from distributed import as_completed

        left = iter(tasks)
        under_way: dict[Future, Task] = {}
        finished = as_completed(loop=self._client.loop)

        def hand_out() -> None:
            while len(under_way) < self._count_room():
                task = next(left, None)
                if task is None:
                    return
                future = self._client.submit(*call(task), pure=False, retries=RETRIES)
                under_way[future] = task
                finished.add(future)

        hand_out()
        for future in finished:
            task = under_way.pop(future)
            hand_out()
            yield task, self._outcome(future)

    def run_alone(self, *call: Any) -> int | None:
        """Run one task while nothing else is under way.

        Parameters
        ----------
        *call
            The function and its arguments.

        Returns
        -------
        int or None
            Number of workers that died of it; None if it went well.
        """
        ((_, outcome),) = self.run([call], lambda call: call)
        return outcome.args[0] if isinstance(outcome, _WorkersDiedError) else None

    def _count_room(self) -> int:
        now = time.monotonic()
        if now - self._counted >= RECOUNT_S:
            self._room = DEPTH * max(1, sum(self._client.nthreads().values()))
            self._counted = now
        return self._room

    def _outcome(self, future: Future) -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            # It may have to wait once more: a result is lost with the worker that kept it.
            return future.result()
        except KilledWorker as exc:
            return _WorkersDiedError(exc.allowed_failures + 1)
        except CancelledError as exc:
            raise OSError(
                f"the Dask scheduler at {self._scheduler} went away; run again: what is finished "
                "is kept"
            ) from exc
