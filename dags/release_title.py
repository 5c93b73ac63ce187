"""One run of this DAG takes one source master to a live, encrypted, playable title on every edge.

Tasks pass document keys, never documents; each task is one step between loading and keeping.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TaskGroup, dag, get_current_context, task
from telecine_gates import LaunchGate, PackageGate
from telecine_notifier import TelecineNotifier
from telecine_tasks import EncodeOperator, GoLiveOperator, at, beside, record_failure, submitted_by_airflow

from encoders.complexity.documents import ComplexityReport
from encoders.documents import EncodePlan
from pipeline import placing, steps
from pipeline.accessories import accompany, identity
from pipeline.gates import APPROVE, REJECT
from pipeline.remembering import EXAMINE
from pipeline.staging import plan_of_first_version
from telecine.findings import SourceReport
from telecine.media import Master, Probe
from telecine.publication import Package, Publication
from telecine.registry.records import Stage
from telecine.rendition import RenditionSet
from telecine.title import Priority

DOC = """
### Release a title

| task | what it does |
|---|---|
| register | fixes the master by its bytes |
| inspect, qualify | finds out everything about it; one that cannot become a title is **rejected with the reason** |
| analyse | where the profile asks for it: quick trials, then the ladder and the CRFs of the shots of this very title |
| examine | beside the encode: looks at every picture and sample for black, freezes, silence, clipping, damage |
| plan | chooses the ladder, cuts the chunks on the GOP grid |
| encode | dispatches chunks to the workers by title priority; the log shows the progress |
| assemble, measure | joins the chunks frame-exactly, measures VMAF |
| package, verify | encrypts (CENC), then decrypts with licensed keys, decodes everything again, keeps the evidence |
| approve | where the profile asks a person: findings, quality below the floor, recommendations not followed |
| publish, fill | immutable version on the origin, verified copies on every edge |
| approve_launch | where the profile says so: waits for a person before the launch |
| go_live | flips the title's pointer, at launch time when one is given |
| first, rest, complete | where the profile has a `minimum` ladder: it goes live alone, then a second version with all |

Every task is a look-up when its work was done before: clearing and retrying is always safe.
"""

PARAMS = {
    "master_uri": Param(
        "", type="string", minLength=1, title="Master", section="Source",
        description="Address of the source master: file:///path/file.mov, s3://bucket/key or https://…",
    ),
    "title_id": Param(
        None, type=["null", "string"], pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", title="Title id", section="Title",
        description="Lower-case letters, digits and dashes. Empty: made of the name.",
    ),
    "name": Param(
        None, type=["null", "string"], maxLength=200, title="Name", section="Title",
        description="What viewers see. Empty: made of the master's file name.",
    ),
    "sound_uri": Param(
        None, type=["null", "string"], title="Sound sidecar", section="Source",
        description="A YAML file that maps sound tracks and files. Empty: NAME.audio.yaml beside the master.",
    ),
    "texts": Param(
        [], type="array", items={"type": ["object", "string"]}, title="Texts", section="Source",
        description="Subtitles, each FILE:LANGUAGE, FILE:LANGUAGE:forced or FILE:LANGUAGE:sdh.",
    ),
    "chapters": Param(
        [], type="array", items={"type": "object"}, title="Chapters", section="Source",
        description="Each {start, title}; start in seconds, as a string or an integer. Empty: the master's own.",
    ),
    "profile": Param("standard", type="string", title="Profile", section="Title", description="From the catalogue."),
    "priority": Param(
        "normal", type="string", enum=[str(p) for p in Priority], title="Priority", section="Release",
        description="Chunks of a higher class are encoded first.",
    ),
    "launch_at": Param(
        None, type=["null", "string"], format="date-time", title="Launch time", section="Release",
        description="Goes live then, not before; earlier launches are encoded first. Empty: when ready.",
    ),
}  # fmt: skip

PATIENT = {"retries": 5, "retry_delay": timedelta(seconds=3), "execution_timeout": timedelta(hours=2)}


@task
def register() -> str:
    with at(Stage.REGISTER) as release:
        submitted_by_airflow(release)
        master = steps.register(release.place, release.request)
        release.place.registry.remember_master(release.title_id, identity(release.place, release.request, master))
        return release.keep(master)


@task
def inspect(master: str) -> str:
    with at(Stage.INSPECT) as release:
        return release.keep(steps.inspect(release.place, release.load(Master, master)))


@task
def qualify(probe: str) -> str:
    with at(Stage.QUALIFY) as release:
        return release.keep(steps.qualify(release.place, release.load(Probe, probe), release.request.profile))


@task
def analyse(probe: str) -> str | None:
    """The title's own ladder, where its profile asks for one; trials take minutes, not hours."""
    with at(Stage.PLAN) as release:
        report = steps.analyse(release.place, release.load(Probe, probe), release.request.profile)
        return release.keep(report) if report else None


@task
def plan(probe: str, analysis: str | None) -> str:
    with at(Stage.PLAN) as release:
        report = release.load(ComplexityReport, analysis) if analysis else None
        found = release.load(Probe, probe)
        return release.keep(steps.plan(release.place, found, release.request.profile, analysis=report))


@task
def first(plan: str) -> str:
    """What goes live first: the profile's minimum ladder, or everything."""
    with at(Stage.PLAN) as release:
        return release.keep(plan_of_first_version(release.place, release.title_id, release.load(EncodePlan, plan)))


@task.short_circuit
def rest(plan: str, first: str, live: str) -> str | None:
    """The whole plan, once the minimum ladder is live; nothing where all of it is live already. Skips the rest then."""
    with beside() as release:
        return plan if live and release.load(EncodePlan, first).partial else None


@task
def assemble(plan: str) -> str:
    with at(Stage.ASSEMBLE) as release:
        return release.keep(steps.assemble(release.place, release.load(EncodePlan, plan)))


@task
def measure(plan: str, renditions: str) -> str:
    with at(Stage.MEASURE) as release:
        found = release.load(RenditionSet, renditions)
        return release.keep(steps.measure(release.place, release.load(EncodePlan, plan), found))


@task(execution_timeout=timedelta(hours=24))
def examine(probe: str) -> str:
    """Beside the encode. What ends the title is told at once, and stops the encode; ``package`` holds the gate."""
    with beside(EXAMINE) as release:
        examined = release.load(Probe, probe)
        report = steps.examine(release.place, examined, release.request.profile)
        release.tell(report, examined.master)
        return release.keep(report)


@task
def package(plan: str, renditions: str, examined: str) -> str:
    with at(Stage.PACKAGE) as release:
        planned, found = release.load(EncodePlan, plan), release.load(RenditionSet, renditions)
        steps.accept(release.load(SourceReport, examined), planned.master)
        beside = accompany(release.place, release.request, planned)
        return release.keep(steps.package(release.place, release.title_id, planned.ladder.packaging, found, beside))


@task
def verify(package: str, renditions: str, plan: str) -> str:
    with at(Stage.VERIFY) as release:
        found, planned = release.load(RenditionSet, renditions), release.load(EncodePlan, plan)
        release.keep(steps.verify(release.place, release.load(Package, package), found, planned))
        return package


@task
def publish(package: str, plan: str, renditions: str) -> list[dict[str, str]]:
    """The publication once for every edge that must hold it: what ``fill`` is mapped over."""
    with at(Stage.PUBLISH) as release:
        partial = release.load(EncodePlan, plan).partial
        rungs = [one.name for one in release.load(RenditionSet, renditions).renditions]
        made = placing.publish(release.place, release.load(Package, package), rungs=rungs, partial=partial)
        publication = release.keep(made)
        return [{"publication": publication, "edge": edge.name} for edge in placing.edges(release.place)]


@task(map_index_template="{{ edge_name }}")
def fill(publication: str, edge: str) -> str:
    get_current_context()["edge_name"] = edge
    with at(Stage.FILL) as release:
        target = placing.edge_named(release.place, edge)
        return release.keep(placing.fill(release.place, target, release.load(Publication, publication)))


def version_of(planned: Any, examined: Any, after: Any = None) -> Any:
    """The tasks that make one version of a plan and take it live; ``after``: the pointer it is to follow."""
    encoded = EncodeOperator(task_id="encode", plan=planned).output
    assembled = assemble(encoded)
    measured = measure(encoded, assembled)
    proven = verify(package(encoded, measured, examined), measured, encoded)
    evidence = {"source": examined, "renditions": measured}
    approved = PackageGate(task_id="approve", given=proven, evidence=evidence, execution_timeout=None).output
    published = publish(approved, encoded, measured)
    ready = fill.expand_kwargs(published)
    if after is None:  # the launch of a title is approved once
        ready = LaunchGate(
            task_id="approve_launch", given=ready, evidence=published, options=(APPROVE, REJECT), execution_timeout=None
        ).output
    return GoLiveOperator(task_id="go_live", publications=published, receipts=ready, after=after).output


@dag(
    dag_id="release_title",
    dag_display_name="Release a title",
    description="Source master to a live, encrypted title on every edge",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=64,
    params=PARAMS,
    tags=["telecine"],
    # once for each run, whoever says it: a task whose process died before it could is made up for by the run
    on_failure_callback=TelecineNotifier("title.failed"),
    default_args={
        **PATIENT,
        "pool": "control",
        "on_failure_callback": [record_failure, TelecineNotifier("title.failed")],
    },
)
def release_title() -> None:
    qualified = qualify(inspect(register()))
    planned, examined = plan(qualified, analyse(qualified)), examine(qualified)
    at_first = first(planned)
    live = version_of(at_first, examined)
    with TaskGroup("complete", tooltip="Only of a profile with a minimum ladder: the other rungs, as a second version"):
        version_of(rest(planned, at_first, live), examined, after=live)


release_title()
