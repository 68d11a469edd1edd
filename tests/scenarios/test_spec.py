import subprocess
import sys

import pydantic
import pytest

from scenarios import catalogue
from scenarios.errors import InputError
from scenarios.spec import Spec, available, canonical, digest, load, override, parse, purpose


class Clock(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    rate_hz: float = pydantic.Field(gt=0)
    jitter_s: float = 0.0


class Toy(Spec):
    clocks: tuple[Clock, ...]
    faults: Clock | None = None
    named: dict[str, Clock] = pydantic.Field({})
    weights: dict[str, float] = pydantic.Field({"a": 1.0}, min_length=1)
    share: float = pydantic.Field(0.5, ge=0, le=1)
    order: str = pydantic.Field("ABCD", pattern="^[ABCD]{4}$")

    @pydantic.model_validator(mode="after")
    def room(self) -> "Toy":
        if len(self.clocks) > 2:
            raise ValueError(f"clocks must be at most 2; they are {len(self.clocks)}")
        return self


TABLE = {"purpose": "toy", "version": 1, "seed": 0, "clocks": [{"rate_hz": 50.0}]}


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "overflow_heavy.toml").write_text('purpose = "many carries"\nversion = 1\nseed = 0\n')
    (tmp_path / "scene" / "broken.toml").write_text("purpose = \n")
    monkeypatch.setattr(catalogue, "HOME", tmp_path)
    return tmp_path


def test_scenarios_are_found_by_name_and_by_file(home):
    assert list(available("scene")) == ["broken", "overflow_heavy"]
    assert purpose(available("scene")["overflow_heavy"]) == "many carries"
    assert load("scene", "overflow_heavy") == load("scene", str(home / "scene" / "overflow_heavy.toml"))
    assert load("scene", "overflow_heavy")[0] == "overflow_heavy"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("overflow_havy", "scenario 'overflow_havy' not found; did you mean 'overflow_heavy'?"),
        ("zzz", "scenario 'zzz' not found; there are broken, overflow_heavy"),
        ("none.toml", "scenario file must exist; 'none.toml' does not"),
        ("broken", "must be TOML"),
    ],
)
def test_a_scenario_that_is_not_there_is_one_line(home, name, text):
    with pytest.raises(InputError) as caught:
        load("scene", name)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_scenario(tmp_path):
    (tmp_path / "a.toml").mkdir()
    with pytest.raises(InputError, match=r"a scenario must be a file; '.*a\.toml' is a folder"):
        load("scene", tmp_path / "a.toml")


def test_settings_reach_every_place_and_leave_the_table_alone():
    table = {"clocks": [{"rate_hz": 50}], "a": {"b": 1}}
    made = override(table, ["clocks.0.rate_hz=200", "a.b=[1, 2]", "a.c.d=x y", "flag=true", 'text="3"', "when = 1e-3"])
    assert made == {
        "clocks": [{"rate_hz": 200}],
        "a": {"b": [1, 2], "c": {"d": "x y"}},
        "flag": True,
        "text": "3",
        "when": 1e-3,
    }
    assert table == {"clocks": [{"rate_hz": 50}], "a": {"b": 1}}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("rate", "a setting must read key=value; it is 'rate'"),
        ("clocks.3.rate_hz=1", "'clocks' must be indexed by 0 to 0; not '3'"),
        ("a.b.c=1", "'a.b' must be a table or a list; it is 1"),
    ],
)
def test_a_setting_that_leads_nowhere_is_one_line(setting, text):
    with pytest.raises(InputError) as caught:
        override({"clocks": [{"rate_hz": 50}], "a": {"b": 1}}, [setting])
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["clocks.0.rate_hz=0"], "scenario 'x': clocks.0.rate_hz must be greater than 0; it is 0"),
        (["share=1.5"], "scenario 'x': share must be less than or equal to 1; it is 1.5"),
        (["share=many"], "scenario 'x': share must be a valid number, unable to parse string as a"),
        (["share=nan"], "scenario 'x': share must be"),
        (["sed=3"], "scenario 'x': unknown key 'sed'; did you mean 'seed'?"),
        (["clocks.0.rate=3"], "scenario 'x': unknown key 'clocks.0.rate'; did you mean 'rate_hz'?"),
        (["faults.rate_hz=1", "faults.jiter_s=1"], "unknown key 'faults.jiter_s'; did you mean 'jitter_s'?"),
        (["clocks=[{jitter_s=1}]"], "scenario 'x': clocks.0.rate_hz must be given; it is absent"),
        (["clocks=[{rate_hz=1},{rate_hz=1},{rate_hz=1}]"], "scenario 'x': clocks must be at most 2; they are 3"),
        (["order=AB"], "scenario 'x': order must match pattern '^[ABCD]{4}$'; it is 'AB'"),
        (["named.a.rate_hz=1", "named.a.rate=1"], "unknown key 'named.a.rate'; did you mean 'rate_hz'?"),
        (["named.a.rate_hz=1", "named.a.zzz=1"], "unknown key 'named.a.zzz'; there are jitter_s, rate_hz"),
        (["weights={}"], "scenario 'x': weights must have at least 1 entry; it has 0"),
        (["version=0"], "scenario 'x': version must be greater than or equal to 1; it is 0"),
    ],
)  # fmt: skip
def test_a_bad_spec_is_one_line_with_place_rule_and_value(settings, text):
    with pytest.raises(InputError) as caught:
        parse(Toy, "x", override(TABLE, settings))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_specs_are_frozen_and_their_digest_is_that_of_their_values():
    spec = parse(Toy, "x", TABLE)
    with pytest.raises(pydantic.ValidationError):
        spec.seed = 1  # type: ignore[misc]
    assert digest(spec) == digest(parse(Toy, "other", dict(reversed(TABLE.items())) | {"share": 0.5}))
    assert digest(spec) != digest(parse(Toy, "x", TABLE | {"seed": 1}))
    assert canonical(spec).startswith('{"clocks":[{"jitter_s":0.0,"rate_hz":50.0}],"faults":null')


def test_listing_needs_no_heavy_package():
    program = "import sys, scenarios, scenarios.catalogue as c; c.available('scene'); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic", "zarr", "xarray", "typer"} & set(run.stdout.split())
