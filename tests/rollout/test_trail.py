"""The trail: what was written stands as it was written, or the first row that does not is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text, update

from fixtures.rollout import NOON, planted
from harness.errors import EvidenceError, InputError
from harness.rollout import tables
from harness.rollout.backup import create_backup
from harness.rollout.pointer import compare_with_trail, flip, history
from harness.rollout.proving import verify_store
from harness.rollout.shapes import Entry
from harness.rollout.tables import moment_text
from harness.rollout.trail import append, chained, entries, newest, row_text, verify_trail

BODIES = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5)
                         | st.floats(allow_nan=False, allow_infinity=False), max_size=3)


def chain(bodies) -> list[Entry]:
    rows: list[Entry] = []
    for n, body in enumerate(bodies):
        rows.append(chained(rows[-1] if rows else None, "note", body, who="ada", at=NOON + timedelta(seconds=n)))
    return rows


TRAIL = chain([{"n": n} for n in range(5)])


def flipped(store, *names):
    """Flips of `prod` from release to release."""
    with store.writing() as connection:
        for name in dict.fromkeys(names):
            planted(connection, "prod", name)
        known = dict(connection.execute(text("SELECT release, digest FROM releases")).all())
        for name in names:
            flip(connection, "prod", stable=known[name], candidate=None, percent=0.0, stage=None, who="ada", why="",
                 at=NOON)


def admitted(store, *names):
    """The same, with the trail's rows of the admissions."""
    with store.writing() as connection:
        for name in names:
            append(connection, "admit", {"environment": "prod", "digest": planted(connection, "prod", name)}, who="ada",
                   at=NOON)


def tampered(store, *statements):
    """Change rows as whoever owns the database can: the rule is lifted first."""
    with store.writing() as connection:
        if connection.dialect.name == "sqlite":
            for table in ("trail", "pointer"):
                for verb in ("UPDATE", "DELETE"):
                    connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_keeps_{verb}"))
        else:
            connection.execute(text("DROP FUNCTION signoff_keeps CASCADE"))
        for statement in statements:
            connection.execute(statement)


def test_a_row_has_one_canonical_form_and_one_hash():
    """The bytes that are hashed, and the hash, written down: a trail of today is verified by a program of tomorrow."""
    row = chained(TRAIL[0], "flip", {"percent": 25.0, "stable": "ä", "n": 1}, who="ada", at=NOON)
    assert row_text(row) == ('{"at":"2025-03-01T12:00:00.000000Z","body":{"n":1,"percent":25.0,"stable":"ä"},'
                             f'"kind":"flip","prev":"{TRAIL[0].sha256}","seq":2,"who":"ada"}}')
    assert TRAIL[0].sha256 == "cf8e1b35fff6ca3780757151c313163f278ca9e72f09681a94dece652f72a2e8"
    assert row.sha256 == "b5f73609f105f672a9edd08d56a920ed645a82650fcdee4793fb3f47cd12fb59"


@given(st.lists(BODIES, max_size=6))
def test_what_was_chained_verifies(bodies):
    """Whatever documents rows hold, an untouched trail stands."""
    verify_trail(chain(bodies))


@given(st.lists(BODIES, min_size=1, max_size=6), st.data())
def test_any_change_of_any_field_shows(bodies, data):
    """A field of a row is changed, and that row is named; its own hash changed with it, the next one is."""
    rows = chain(bodies)
    place = data.draw(st.integers(0, len(rows) - 1))
    row = rows[place]
    change = data.draw(st.sampled_from([
        {"who": "eve"}, {"kind": "flip"}, {"body": {**row.body, "more": 1}}, {"at": row.at - timedelta(microseconds=1)},
        {"prev": "0" * 64}, {"sha256": "0" * 64}]))
    rows[place] = replace(row, **change)
    with pytest.raises(EvidenceError, match=rf"row {place + 1}: (changed|does not follow)"):
        verify_trail(rows)
    if change.keys() & {"who", "kind", "body", "at"} and place + 1 < len(rows):
        rows[place] = chained(rows[place - 1] if place else None, rows[place].kind, rows[place].body,
                              who=rows[place].who, at=rows[place].at)
        with pytest.raises(EvidenceError, match=f"row {place + 2}: does not follow"):
            verify_trail(rows)


@pytest.mark.parametrize(("rows", "named"), [
    (TRAIL[1:], "row 1: missing"), (TRAIL[:2] + TRAIL[3:], "row 3: missing"),
    ([TRAIL[1], TRAIL[0], *TRAIL[2:]], "row 1: missing"),
    ([TRAIL[0], TRAIL[2], TRAIL[1], *TRAIL[3:]], "row 2: missing"),
    ([*TRAIL, TRAIL[4]], "row 6: moved or put in"), ([*TRAIL[:3], TRAIL[1], *TRAIL[3:]], "row 4: moved or put in"),
    ([*TRAIL, chained(TRAIL[2], "note", {}, who="eve", at=NOON)], "row 6: moved or put in"),
    ([*TRAIL, replace(chained(TRAIL[3], "note", {}, who="eve", at=NOON), seq=6)], "row 6: changed"),
    ([TRAIL[0], *(replace(row, seq=row.seq - 1) for row in TRAIL[2:])], "row 2: changed"),
])  # fmt: skip
def test_the_first_row_that_is_missing_moved_or_put_in_is_named(rows, named):
    """Left out at the start and inside, exchanged, repeated, put in, numbered anew."""
    with pytest.raises(EvidenceError, match=named):
        verify_trail(rows)


def test_a_row_that_was_noted_shows_a_trail_cut_off_or_written_anew():
    """A chain alone cannot show that its end is gone; a row noted elsewhere can."""
    head = (TRAIL[3].seq, TRAIL[3].sha256)
    verify_trail(TRAIL, head=head)
    verify_trail(TRAIL[:2])
    with pytest.raises(EvidenceError, match="the trail ends at 2"):
        verify_trail(TRAIL[:2], head=head)
    with pytest.raises(EvidenceError, match="row 4: not the row that was noted"):
        verify_trail(chain([{"n": -n} for n in range(5)]), head=head)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": float("inf")}, {"x": NOON}, {"x": {1, 2}}])
def test_what_json_does_not_know_is_refused_before_it_is_written(store, body):
    """No row can be written that could not be verified."""
    with pytest.raises(InputError, match="cannot be written as JSON"), store.writing() as connection:
        append(connection, "note", body, who="ada", at=NOON)
    with store.reading() as connection:
        assert newest(connection) is None


def test_rows_are_read_as_they_were_written(store):
    """In order, by kind, and after a number; numbers and letters come back as they were."""
    body = {"percent": 0.1, "n": 2**60, "name": "Ö", "list": [1, None, True]}
    with store.writing() as connection:
        made = [append(connection, kind, body, who="ada", at=NOON) for kind in ("note", "flip", "note")]
    with store.reading() as connection:
        assert entries(connection) == made
        assert entries(connection, kind="flip") == made[1:2]
        assert entries(connection, after=2) == made[2:]
        assert newest(connection) == made[-1]


TAMPERED = {
    "changed": (update(tables.trail).where(tables.trail.c.seq == 2).values(who="eve"), "trail, row 2: changed"),
    "body": (update(tables.trail).where(tables.trail.c.seq == 2).values(body={}), "trail, row 2: changed"),
    "missing": (delete(tables.trail).where(tables.trail.c.seq == 2), "trail, row 2: missing"),
    "put in": (insert(tables.trail).values(vars(replace(TRAIL[4], seq=9))), "trail, row 5: missing"),
    "pointer": (update(tables.pointer).where(tables.pointer.c.seq == 1).values(percent=5.0), "pointer, row 1: not"),
    "pointer gone": (delete(tables.pointer).where(tables.pointer.c.seq == 2), "pointer, row 2: not what the trail"),
    "pointer more": (insert(tables.pointer).values(seq=3, environment="prod", percent=0.0, who="eve", why="", at=NOON),
                     "pointer, row 3: not what the trail"),
    "admission": (text("INSERT INTO admissions SELECT 'live', digest, at, who FROM admissions LIMIT 1"),
        "admissions to live: not what the trail"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_a_store_that_was_changed_from_outside_is_found_out(store, name):
    """Trail, pointer and admissions hold each other: one of them changed alone is named by its row."""
    admitted(store, "a", "b")
    with store.writing() as connection:
        for digest in dict(connection.execute(text("SELECT digest, release FROM releases")).all()):
            flip(connection, "prod", stable=digest, candidate=None, percent=0.0, stage=None, who="ada", why="", at=NOON)
    assert verify_store(store).flips == 2
    statement, named = TAMPERED[name]
    tampered(store, statement)
    with pytest.raises(EvidenceError, match=named):
        verify_store(store)


def test_a_rule_that_was_lifted_is_told_though_every_row_stands(store):
    """Someone made ready to change rows, and has not yet: the verification does not pass over it."""
    admitted(store, "a")
    tampered(store)
    with pytest.raises(EvidenceError, match="trail: its rows stand, but the rule that keeps them was lifted"):
        verify_store(store)


def test_an_end_that_was_cut_off_is_found_out_by_a_backup(store):
    """The newest rows of trail and pointer are both gone: the chain stands, the backup's note does not."""
    admitted(store, "a")
    create_backup(store, who="ada", why="", now=NOON)
    create_backup(store, who="ada", why="", now=NOON + timedelta(hours=1))
    assert verify_store(store).noted == 2
    tampered(store, delete(tables.trail).where(tables.trail.c.seq > 1))
    with store.reading() as connection:
        verify_trail(entries(connection))
    with pytest.raises(EvidenceError, match="row 2: not the row that a backup noted"):
        verify_store(store)


@pytest.mark.parametrize(("body", "row"), [({"seq": 2, "environment": "prod"}, 2), ({}, 0), ({"seq": "2"}, 0)])
def test_a_flip_that_only_the_trail_tells_is_named(store, body, row):
    """A row that was put on the end, well chained, speaks of a flip that the pointer never made."""
    flipped(store, "a")
    with store.writing() as connection:
        append(connection, "flip", body, who="eve", at=NOON)
    with store.reading() as connection:
        verify_trail(entries(connection))
        with pytest.raises(EvidenceError, match=f"pointer, row {row}: not what the trail says"):
            compare_with_trail(history(connection), entries(connection))


def test_moments_sort_as_their_texts():
    """Text of one width: what is later reads later."""
    texts = [moment_text(NOON + timedelta(microseconds=step)) for step in (0, 1, 10**5, 10**6, 10**9)]
    assert texts == sorted(texts) and len(set(map(len, texts))) == 1
