"""Every DAG loads, and every task can be bounded, retried and scheduled."""

import pytest


def test_every_dag_imports(dag_bag):
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == {"release_title", "release_watch", "retire_versions", "watch_masters"}


def test_a_release_has_the_stages_in_their_order(dag_bag):
    dag = dag_bag.dags["release_title"]
    order = [task.task_id for task in dag.topological_sort() if task.task_id != "examine"]
    version = ["encode", "assemble", "measure", "package", "verify", "approve", "publish", "fill"]
    expected = ["register", "inspect", "qualify", "analyse", "plan", "first", *version, "approve_launch", "go_live"]
    assert order == [*expected, "complete.rest", *(f"complete.{name}" for name in version), "complete.go_live"]


def test_the_rest_is_made_by_the_same_steps_once_the_minimum_ladder_is_live(dag_bag):
    dag = dag_bag.dags["release_title"]
    assert dag.get_task("complete.rest").upstream_task_ids == {"plan", "first", "go_live"}
    assert dag.get_task("complete.encode").upstream_task_ids == {"complete.rest"}
    for name in ("assemble", "measure", "verify", "approve", "publish", "fill"):
        once = {"examine"}  # of the master, so of both versions
        upstream = {one if one in once else f"complete.{one}" for one in dag.get_task(name).upstream_task_ids}
        assert dag.get_task(f"complete.{name}").upstream_task_ids == upstream
    assert "go_live" in dag.get_task("complete.go_live").upstream_task_ids
    assert dag.get_task("complete.fill").is_mapped


def test_the_examination_runs_beside_the_encode_and_holds_the_package(dag_bag):
    dag = dag_bag.dags["release_title"]
    assert dag.get_task("examine").upstream_task_ids == {"qualify"}
    followers = {"package", "approve", "complete.package", "complete.approve"}
    assert dag.get_task("examine").downstream_task_ids == followers


def test_every_task_has_pool_retries_and_timeout(dag_bag):
    for task in [task for dag in dag_bag.dags.values() for task in dag.tasks]:
        assert task.pool == "control", task.task_id
        assert task.retries >= 1, task.task_id
        # a person may take as long as it takes
        assert (task.execution_timeout is None) == task.label.startswith("approve"), task.task_id


def test_fill_is_mapped_over_the_edges(dag_bag):
    assert dag_bag.dags["release_title"].get_task("fill").is_mapped


@pytest.mark.parametrize("name", ["master_uri", "title_id", "name", "profile", "priority", "launch_at"])
def test_the_trigger_form_explains_every_field(dag_bag, name):
    param = dag_bag.dags["release_title"].params.get_param(name)
    assert param.schema["title"]
    assert param.description


def test_the_priorities_of_the_form_are_those_of_the_code(dag_bag):
    assert dag_bag.dags["release_title"].params.get_param("priority").schema["enum"] == [
        "critical",
        "high",
        "normal",
        "low",
    ]


def test_the_watch_looks_every_minute_and_never_beside_itself(dag_bag):
    dag = dag_bag.dags["watch_masters"]
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert dag.schedule == "* * * * *"


def test_the_watch_of_releases_is_bounded_and_never_runs_twice_at_once(dag_bag):
    dag = dag_bag.dags["release_watch"]
    assert dag.max_active_runs == 1
    (watch,) = dag.tasks
    assert (watch.pool, watch.retries) == ("control", 1)
    assert watch.execution_timeout is not None


def test_gates_ask_in_fields_of_their_own_and_only_release_managers(dag_bag, monkeypatch):
    dag = dag_bag.dags["release_title"]
    assert set(dag.get_task("approve").params) == {"why", "other_profile"}
    assert set(dag.get_task("approve_launch").params) == {"why"}
    import telecine_gates  # noqa: PLC0415 - needs Airflow's environment

    users = "ada:admin,otto:op,uma:user,vic:viewer"
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
    assert telecine_gates._approvers() == ["ada", "otto"]
