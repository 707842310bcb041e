"""Appends events to a run for ever, 20 at once, and prints how many are stored: `python -m … DATABASE_URL`."""

import asyncio
import sys
from datetime import UTC, datetime

from sightwire_orchestrator.runs.events import RunPaused
from sightwire_orchestrator.runs.state import Run, TaskRecord
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.run_changes import Happening
from sightwire_orchestrator.storage.run_store import RunStore

from sightwire.contracts.pipelines import PipelineDefinition, TaskDefinition


async def main(url: str) -> None:
    database = Database(url)
    await database.open()
    await PipelineStore(database).put(
        PipelineDefinition(name="endless", tasks=(TaskDefinition(name="only", type="custom"),))
    )
    store = RunStore(database)
    epoch = await store.claim("the writer")
    run = Run(
        id="a",
        pipeline="endless",
        version="1",
        parameters={},
        tasks={"only": TaskRecord()},
        ready=(0,),
        unfinished=1,
        started_at=datetime.now(UTC),
    )
    await store.create(run, epoch=epoch)
    while True:
        appends = []
        for _ in range(20):
            run = run.model_copy(update={"sequence": run.sequence + 1})
            appends.append(store.append(run, [Happening(RunPaused(), datetime.now(UTC))], epoch=epoch))
        await asyncio.gather(*appends)
        sys.stdout.write(f"{run.sequence}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
