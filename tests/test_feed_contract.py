"""docs/feed.asyncapi.yaml against AsyncAPI's own schema, and against the code that speaks it.

vectors/asyncapi-3.0.0.schema.json.zst is AsyncAPI's published JSON Schema
(Apache-2.0), packed. `npx @asyncapi/parser` finds the document valid too.
"""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
import zstandard
from jsonschema import Draft7Validator, Draft202012Validator

from agent.core import feed, health, orders
from agent.core.closing import Statement
from agent.core.decision import Reason
from agent.core.events import Event, Kind, Place, body
from agent.core.fellows import Ask
from agent.core.hearsay import ALARMS
from agent.core.moments import Moment, Trust
from tests.signing_gate import NOON, SITE, SigningGate

HERE = Path(__file__).parent
CONTRACT = yaml.safe_load((HERE.parent / "docs" / "feed.asyncapi.yaml").read_text(encoding="utf-8"))
SCHEMAS = CONTRACT["components"]["schemas"]
MESSAGES = CONTRACT["components"]["messages"]
EVENTS = {one["name"]: one for one in MESSAGES.values() if one["name"].startswith("menshen.")}
FORMATS = Draft202012Validator.FORMAT_CHECKER


def check(name: str, found: object) -> None:
    """Hold something to one of the contract's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    Draft202012Validator(schema, format_checker=FORMATS).validate(found)


def fields(name: str) -> set[str]:
    return set(SCHEMAS[name]["properties"])


def test_it_is_an_asyncapi_document():
    packed = (HERE / "vectors" / "asyncapi-3.0.0.schema.json.zst").read_bytes()
    schema = json.loads(zstandard.ZstdDecompressor().decompress(packed))
    Draft7Validator(schema).validate(CONTRACT)


def test_every_reference_leads_somewhere():
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                found = CONTRACT
                for part in node["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(CONTRACT)


def test_every_schema_is_one_and_every_field_has_its_meaning():
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        parts = [schema, *schema.get("allOf", [])]
        for part in parts:
            described = {
                **part.get("properties", {}),
                **part.get("properties", {}).get("data", {}).get("properties", {}),
            }
            for field, meaning in described.items():
                assert field in {"type", "data"} or "$ref" in meaning or meaning["description"], (name, field)


def test_the_topics_are_those_of_the_code():
    said = {
        name: channel["address"].format(site="s", gate="g") for name, channel in CONTRACT["channels"].items()
    }
    assert said == {name: getattr(feed, f"{name}_topic")("s", "g") for name in said}
    functions = {name.removesuffix("_topic") for name in vars(feed) if name.endswith("_topic")}
    assert functions == set(said)


def test_every_kind_of_event_is_there_and_none_besides():
    assert set(EVENTS) == {f"menshen.{kind}" for kind in Kind}
    assert {one["$ref"].rpartition("/")[2] for one in CONTRACT["channels"]["event"]["messages"].values()} == {
        name for name, one in MESSAGES.items() if one["name"] in EVENTS
    }


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_an_event_of_every_kind_is_shown_and_is_right(kind):
    event = EVENTS[kind]
    name = event["payload"]["$ref"].rpartition("/")[2]
    for example in event["examples"]:
        check(name, example["payload"])
        assert example["payload"]["type"] == kind
        with pytest.raises(jsonschema.ValidationError):
            check(name, {**example["payload"], "type": "menshen.other"})
        # The code writes the same line of it.
        data = dict(example["payload"]["data"])
        trust = Trust(data.pop("clock"))
        written = body(
            Event(Kind(kind.removeprefix("menshen.")), Moment(NOON, 0.0, trust), data),
            Place("garden", "north", "0" * 16, 7),
        )
        check(name, json.loads(written))


@pytest.mark.parametrize("name", ["Acknowledgement", "Rewind", "Health", "Ask"])
def test_every_other_example_is_right(name):
    for example in MESSAGES[name]["examples"]:
        check(name, example["payload"])


def test_the_words_are_those_of_the_code():
    def words(schema, field):
        return set(SCHEMAS[schema]["allOf"][1]["properties"]["data"]["properties"][field]["enum"])

    assert words("PassRefused", "reason") == set(Reason)
    assert words("FellowAlarm", "what") == ALARMS
    assert words("OrderRefused", "reason") == set(orders.Why)
    assert (
        words("OrderObeyed", "order")
        == set(orders.What)
        == set(SCHEMAS["Order"]["properties"]["order"]["enum"])
    )
    assert set(SCHEMAS["Clock"]["enum"]) == set(Trust)


def test_what_the_code_says_is_what_the_contract_shows():
    gate = SigningGate().opened().busy(2)
    plain = feed.unpack_message(gate.message(1, 3))[0]
    check("LogHeader", json.loads(feed.pack_message(plain, b"").partition(b"\n")[0]))
    purged = replace(plain, purged=feed.Purged(plain.checkpoint, bytes(64)))
    header = json.loads(feed.pack_message(purged, b"").partition(b"\n")[0])
    said = {
        "LogHeader": header,
        "Health": json.loads(health.message(health.GateHealth(), health.Machine(), NOON, 3, "0.1.0")),
        "Order": json.loads(
            orders.SignedOrder("garden", "north", orders.What.OPEN, "0f" * 16, 1, 60, "wang").payload()
        ),
    }
    header_of = feed.unpack_message(gate.message(1, 3))[0]
    said["Acknowledgement"] = json.loads(feed.Ack(header_of.checkpoint, bytes(64)).to_bytes())
    said["Rewind"] = json.loads(feed.Rewind(feed.Rewind.beginning(SITE, "north"), 5, bytes(64)).to_bytes())
    said["Ask"] = json.loads(Ask("garage", Place("garden", "north", "0" * 16, 0)).to_bytes())
    for name, one in said.items():
        check(name, one)
        assert set(one) == fields(name), name
    for line in gate.bodies:
        check("Event", json.loads(line))
    closed = MESSAGES["DayClosed"]["examples"][0]["payload"]
    assert set(Statement.read(closed, "garden", "north").facts()) == set(closed["data"]) - {"clock"}
