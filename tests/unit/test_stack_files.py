import configparser
import socket
import stat

import pytest
from supervisor.options import ServerOptions

from telecine.errors import MissingRequirement
from telecine.settings import load_settings
from telecine.stack.credentials import NAMES, airflow_passwords, load_or_create, write_private
from telecine.stack.environment import airflow_environment, common_environment, settings_environment
from telecine.stack.programs import Program, programs, supervisor_conf
from telecine.stack.state import PORTS, Layout, load_state, settle_state


@pytest.fixture
def layout(tmp_path):
    found = Layout(tmp_path / "a 100% spaced folder" / "data")
    found.make()
    return found


def test_secrets_are_made_once_each_private(layout):
    first = load_or_create(layout.secrets)
    assert load_or_create(layout.secrets) == first
    assert len(set(first.values())) == len(NAMES)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in layout.secrets.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700


def test_ports_are_distinct_and_stay_from_start_to_start(layout):
    state = settle_state(layout)
    assert set(state.ports) == set(PORTS)
    assert len(set(state.ports.values())) == len(PORTS)
    assert settle_state(layout) == state == load_state(layout)


def test_a_taken_port_is_named_with_what_to_do(layout):
    state = settle_state(layout)
    with socket.socket() as other:
        other.bind(("127.0.0.1", state.ports["playback"]))
        other.listen()
        with pytest.raises(MissingRequirement, match=rf"Port {state.ports['playback']} .* playback, is taken"):
            settle_state(layout)


def test_what_the_stack_writes_is_what_settings_read(layout):
    state, secret = settle_state(layout), load_or_create(layout.secrets)
    environment = settings_environment(layout, state, secret)
    write_private(layout.env, "".join(f"{name}='{value}'\n" for name, value in environment.items()))
    settings = load_settings(layout.data)
    assert settings.s3_secret_key.get_secret_value() == secret["s3_secret_key"]
    assert [edge.name for edge in settings.edges] == ["edge-a", "edge-b"]
    assert len({edge.base_url.split("//")[1].split(":")[0] for edge in settings.edges}) == 2
    assert settings.kek_file == layout.secrets / "master.key"
    assert secret["redis_password"] not in repr(settings)


def all_programs(layout):
    state, secret = settle_state(layout), load_or_create(layout.secrets)
    plain = common_environment(layout, state, layout.data)
    ours = {**plain, **settings_environment(layout, state, secret)}
    environments = {
        "plain": plain,
        "ours": ours,
        "airflow": {**ours, **airflow_environment(layout, state, secret, layout.data)},
        "s3": plain,
    }
    tools = {name: f"/opt/with space/{name}" for name in ("python", "redis-server", "weed", "airflow")}
    made = programs(layout, state, {**tools, "slots": "2"}, environments)
    return state, secret, made


def test_supervisor_reads_back_every_program_as_it_was_meant(layout, monkeypatch):
    """With supervisor's own parser: spaces, percent signs and JSON in values survive."""
    state, secret, made = all_programs(layout)
    write_private(layout.supervisor_conf, supervisor_conf(state, secret["supervisor_password"], made))
    monkeypatch.chdir(layout.data)
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_conf)])
    read = {config.name: config for group in options.process_group_configs for config in group.process_configs}
    assert set(read) == {program.name for program in made}
    for program in made:
        assert read[program.name].environment == dict(program.environment), program.name
        assert read[program.name].autorestart
        assert read[program.name].killasgroup


def test_no_secret_is_in_any_command_line(layout):
    _, secret, made = all_programs(layout)
    words = " ".join(word for program in made for word in program.argv)
    assert not [name for name, value in secret.items() if value in words]


def test_every_program_carries_the_mark_and_writes_inside_the_data_folder(layout):
    state, _, made = all_programs(layout)
    for program in made:
        assert program.environment["TELECINE_STACK_ID"] == state.stack_id
        assert program.environment["HOME"].startswith(str(layout.data))
        assert program.environment["TMPDIR"].startswith(str(layout.data))


def test_the_configuration_is_well_formed(layout):
    state, secret, made = all_programs(layout)
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor_conf(state, secret["supervisor_password"], made))
    assert parser["inet_http_server"]["port"].startswith("127.0.0.1:")


def test_a_programs_environment_stays_out_of_its_text():
    assert "hush" not in repr(Program("x", ("a",), {"SECRET": "hush"}))


def test_every_user_of_airflow_has_a_password_of_its_own(layout):
    state, secret = settle_state(layout), load_or_create(layout.secrets)
    passwords = airflow_passwords(secret)
    assert set(passwords) == {"admin", "manager", "ops", "viewer"}
    assert len(set(passwords.values())) == 4
    environment = airflow_environment(layout, state, secret, layout.data)
    roles = environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert roles == "admin:admin,manager:op,ops:user,viewer:viewer"
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"].endswith("dags/airflow_plugins")
    assert not set(passwords.values()) & set(environment.values())
