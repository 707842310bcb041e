"""Puts a generation through the gates, keeps the report, and finds it again."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Progress
from sightwire.contracts.validation import GateReport, GateThresholds, ValidationReport
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.description import DESCRIPTION_FILE
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout, report_name_of
from sightwire.segments.manifest import Manifest
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.open_generations import OpenGeneration
from sightwire_indexer import metrics
from sightwire_indexer.background_thread import AbandonedError, BackgroundThread
from sightwire_indexer.operations.operation import Operation
from sightwire_indexer.validation.count import count
from sightwire_indexer.validation.dimension import dimension
from sightwire_indexer.validation.functional import functional
from sightwire_indexer.validation.latency import latency
from sightwire_indexer.validation.metadata import metadata
from sightwire_indexer.validation.monotonicity import monotonicity
from sightwire_indexer.validation.recall import recall
from sightwire_indexer.validation.searching import GenerationSearch
from sightwire_indexer.validation.self_recall import self_recall
from sightwire_indexer.validation.structure import structure, unreadable
from sightwire_indexer.validation.trial import Gate, GateName, Source, Trial, gate_report

logger = logging.getLogger(__name__)

#: In the order in which a generation comes to them.
GATES: Final[Mapping[GateName, Gate]] = MappingProxyType(
    {
        "structure": structure,
        "dimension": dimension,
        "count": count,
        "functional": functional,
        "self_recall": self_recall,
        "recall": recall,
        "monotonicity": monotonicity,
        "metadata": metadata,
        "latency": latency,
    }
)


class Gatekeeper:
    """Of one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
        thresholds: used unless others are asked for.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        blobs: BlobStore,
        *,
        writing: asyncio.Lock,
        thresholds: GateThresholds,
    ) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._layout = IndexLayout.of(record)
        self._manifests = ManifestStore(blobs, self._layout)
        self._writing = writing
        #: Of the validations that begin from now on; may be replaced.
        self.thresholds = thresholds

    async def validate(
        self, generation: str | None, gates: GateThresholds | None, operation: Operation
    ) -> ValidationReport:
        """Puts a generation through all gates, and keeps the report. Whether it passed is up to the caller to ask.

        The report's key goes into the generation's record: whoever changes the record afterwards must read it anew.

        Args:
            generation: None for the live one.
            gates: None for the thresholds of this indexer.

        Raises:
            NotFoundError: there is no such generation.
            CorruptDataError: what it is compared with is damaged.
        """
        thresholds = gates or self.thresholds
        manifest = self._writer.manifest
        name = generation or manifest.generation
        record = None if name == manifest.generation else await self._find(name)
        reports = await self._reports(record, manifest, thresholds, operation)
        report = ValidationReport(
            collection=self._record.name,
            generation=name,
            live_generation=manifest.generation,
            manifest_version=manifest.version,
            created_at=datetime.now(UTC),
            thresholds=thresholds,
            gates=tuple(reports),
        )
        await self._keep(report)
        return report

    def key_of(self, report: ValidationReport) -> str:
        """Where a report is in the blob store."""
        return self._layout.report_key(report.generation, report.created_at)

    async def report(self, generation: str) -> ValidationReport:
        """The newest report of a generation.

        Raises:
            NotFoundError: it never came to the gates, or is forgotten.
            CorruptDataError: its report is damaged.
        """
        key = (await self._newest_reports()).get(generation)
        if key is None:
            raise NotFoundError(
                f"there is no report of generation {generation!r} of {self._record.name!r}; validate it first"
            )
        return await self._read(key)

    async def verdicts(self, generations: Collection[str]) -> dict[str, bool]:
        """Whether they passed, by their newest reports; those that never came to the gates are left out.

        Raises:
            CorruptDataError: a report is damaged.
        """
        verdicts: dict[str, bool] = {}
        for generation, key in (await self._newest_reports()).items():
            if generation in generations:
                # Its generation may have been forgotten since they were listed.
                with suppress(NotFoundError):
                    verdicts[generation] = (await self._read(key)).passed
        return verdicts

    async def _newest_reports(self) -> dict[str, str]:
        """Keys of reports by generation."""
        keys = await self._blobs.keys(self._layout.reports_prefix)
        reports = [(name, key) for key in keys if (name := report_name_of(key)) is not None]
        return {name.generation: key for name, key in sorted(reports, key=lambda report: report[0].created_at)}

    async def _read(self, key: str) -> ValidationReport:
        try:
            return ValidationReport.model_validate_json(await self._blobs.get(key))
        except ValidationError as error:
            raise CorruptDataError(f"blob {key!r} is not the report of a validation: {error}") from None

    async def _find(self, name: str) -> GenerationRecord:
        record = await self._writer.generation(name)
        if record is None:
            raise NotFoundError(f"collection {self._record.name!r} has no generation {name!r}")
        return record

    async def _reports(
        self, record: GenerationRecord | None, manifest: Manifest, thresholds: GateThresholds, operation: Operation
    ) -> list[GateReport]:
        """What each gate saw; only the first one's report if that finds the files damaged."""
        async with AsyncExitStack() as resources:
            thread = resources.enter_context(BackgroundThread())
            live = self._search(await resources.enter_async_context(self._writer.reading(manifest)))
            candidate = live
            if record is not None:
                try:
                    candidate = self._search(await resources.enter_async_context(self._writer.reading(record)))
                except (CorruptDataError, NotFoundError) as error:
                    return [unreadable(error)]
            trial = Trial(
                candidate=candidate,
                source=await self._source(record, candidate, live, resources),
                live=live,
                thresholds=thresholds,
                missing_blobs=await self._missing_blobs(candidate.generation),
                go_on=thread.go_on,
            )
            reports: list[GateReport] = []
            for number, (name, gate) in enumerate(GATES.items()):
                await operation.report(Progress(stage=f"gate {name}", done=number, total=len(GATES), unit="gates"))
                reports.append(await thread.run(_seen, name, gate, trial))
                if name == "structure" and not reports[-1].passed:
                    # Searching mapped files with wrong bytes may end the process.
                    break
            return reports

    def _search(self, generation: OpenGeneration) -> GenerationSearch:
        return GenerationSearch(generation, self._record)

    async def _source(
        self,
        record: GenerationRecord | None,
        candidate: GenerationSearch,
        live: GenerationSearch,
        resources: AsyncExitStack,
    ) -> Source:
        if record is None or record.state is GenerationState.KEPT:
            # It was live itself: there is nothing else that it was made from.
            return Source(candidate, complete=True, items=None)
        if record.source_items is not None:
            return Source(live, complete=False, items=record.source_items)
        try:
            manifest = await self._manifests.read(record.base_version)
            base = await resources.enter_async_context(self._writer.reading(manifest))
        except NotFoundError:
            return Source(live, complete=False, items=None)
        return Source(self._search(base), complete=True, items=None)

    async def _missing_blobs(self, generation: OpenGeneration) -> list[str]:
        missing: list[str] = []
        for segment in generation.segments:
            prefix = self._layout.segment_prefix(segment.entry.id)
            names = [DESCRIPTION_FILE, *(file.name for file in segment.live.reader.description.files)]
            stored = set(await self._blobs.keys(prefix))
            missing += [f"{prefix}/{name}" for name in names if f"{prefix}/{name}" not in stored]
            deletes = segment.entry.deletes
            if deletes is not None and await self._blobs.size(deletes.key) is None:
                missing.append(deletes.key)
        return missing

    async def _keep(self, report: ValidationReport) -> None:
        key = self.key_of(report)
        await self._blobs.put(key, report.model_dump_json().encode())
        async with self._writing:
            await self._writer.attach_report(report.generation, key)
        metrics.VALIDATIONS.labels(report.collection, "passed" if report.passed else "failed").inc()
        for gate in report.gates:
            if not gate.passed:
                metrics.GATE_FAILURES.labels(report.collection, gate.gate).inc()
        logger.log(
            logging.INFO if report.passed else logging.WARNING,
            "validated a generation",
            extra={"collection": report.collection, "generation": report.generation, "failures": report.failures},
        )


def _seen(name: GateName, gate: Gate, trial: Trial) -> GateReport:
    """What a gate saw. One that stumbles over the candidate has found something wrong with it."""
    started = time.perf_counter()
    try:
        report = gate(trial)
    except AbandonedError:
        raise
    except Exception as error:
        logger.exception("a gate stumbled", extra={"gate": name, "generation": trial.candidate.generation.name})
        report = gate_report(name, f"it cannot be looked at: {error}", {}, [repr(error)], passed=False)
    return report.model_copy(update={"seconds": round(time.perf_counter() - started, 3)})
