"""What Terraform would take, were nothing locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provider_place import BUILT, THING, Place

from moor.toolchain.provider_choice import changes, chosen

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_that_is_allowed_is_chosen(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for version in ("1.5.0", "2.0.0", "3.0.0"):
        place.put("thing", version, version)
    found, _ = chosen(place.program, place.stack.document(), place.variables)
    assert found is not None
    assert (found[THING].version, found[BUILT].version) == ("2.0.0", "1.0.0")
    # Nothing of the stack is touched.
    assert [file.name for file in place.stack.folder.iterdir()] == ["cdk.tf.json"]


def test_a_version_may_be_asked_for(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.put("thing", "2.0.0", "newer")
    document = place.stack.document()
    asked = {"acme/thing": "1.0.0"}
    found, _ = chosen(place.program, document, place.variables, versions=asked)
    assert found is not None
    assert found[THING].version == "1.0.0"
    asked = {"acme/thing": "1.1.0"}
    found, said = chosen(place.program, document, place.variables, versions=asked)
    assert found is None
    assert "acme/thing" in said


def test_nothing_has_changed_where_an_init_failed_for_another_reason(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert changes(place.program, place.stack.document(), place.stack.folder, place.variables) == []
    place.init()
    assert changes(place.program, place.stack.document(), place.stack.folder, place.variables) == []
