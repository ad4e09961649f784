"""Refusals in the reader's language: the office's sentences, as patterns, and their translations.

Most of the office knows no languages: it raises a sentence in English, which commands print. A page
looks the sentence up here and says it in its own. What is not found here is said as it is, behind a
few words that say what it is. `tests/office_pages/test_refusals.py` walks through every sentence that
a page can meet.
"""

import re
from functools import cache
from string import Formatter
from typing import Final

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from office.web.words import FIELDS, SAID

SENTENCES: Final = (
    _("this home has no site yet; make it with `menshen-office site NAME`"),
    _(
        "found list {number} in the repository, and the gates may have list {least}: they would refuse the older one; publish a new list first, which gets a greater number"
    ),
    _("found a reason of {count} characters, wanted 1 to 200; say what you found"),
    _("{subject} is no pass of this office: it can be settled as seen only"),
    _("{subject} is an account: it can be settled as seen or as shut only"),
    _("{count} accounts may have been closed or changed after the backup; the administrator looks"),
    _("{subject} has a name already, or is no pass of this office; leave the name out"),
    _("found no usable name, wanted 1 to 200 printable characters"),
    _("{subject} is settled already, by {by}: {why}"),
    _("this person has another live {kind} pass, and one of a kind is allowed; revoke one of the two first"),
    _("pass {pass_id} is {state} for good; issue a new one to its holder"),
    _("found no list in {repository}; publish one first"),
    _("the repository {repository} is damaged: {fault}; publish again"),
    _("what is sealed with person key {key} is damaged; restore the database from its backup"),
    _(
        "a person's key was wrapped with secret {name}, which {file} does not hold; restore the newest keys of this office"
    ),
    _("found {path} open to other users, wanted mode 0600; run: chmod 600 {same}"),
    _("{path} can't be read: {fault}; restore it from the backup of the keys"),
    _("{path} can't be written: {fault}"),
    _(
        "person key {key} can't be opened with secret {name}; database and {file} do not belong together: restore both from one backup"
    ),
    _("found a span of {days} days, wanted 1 to {most}"),
    _("found no gate {gate}; see `menshen-office gate list`"),
    _("found no person {person}; the number stands in the address of the file's page"),
    _("found no pass {pass_id} that fits; look at its sixteen digits"),
    _("found no reason; who files an incident says what happened, and the history keeps it"),
    _("found broker {address}, wanted HOST:PORT such as 127.0.0.1:1883"),
    _("found another kind of key in {path}, wanted Ed25519; restore it from the backup"),
    _("the key {path} can't be made: {fault}; look at the directory's owner"),
    _("found {path} with mode {mode}, wanted 0600; run: chmod 600 {same}"),
    _("there is no key {path}; restore the office's home from its backup"),
    _("the key {path} can't be read: {fault}; restore it from the backup"),
    _(
        "the broker did not keep {topic}{stamp}; let this user read and write {topics}# there, and keep retained messages"
    ),
    _("found {total} bytes in {repository}, wanted at most {most}"),
    _("found {file} larger than {most} bytes, wanted a file that gates take"),
    _("the broker {address} refused us: {said}"),
    _("the broker {address} was lost"),
    _("the broker {address} can't be reached: {fault}"),
    _("the broker {address}: {otherwise} within {seconds} s"),
    _("{file} is longer than any account of a gate; give what `menshen-agent inside` wrote"),
    _("{file} is of site {found}, wanted one of {site}"),
    _("{file} is not signed by gate {gate} as it is on record here; fetch it again from the gate itself"),
    _("{file} is no account of a gate: {fault}; give what `menshen-agent inside` wrote"),
    _("found a life of {seconds} s, wanted 1 to {most}: an order is for now"),
    _("found a name or a reason of more than 64 characters; say it shorter"),
    _("the order is longer than a gate reads; say the reason shorter"),
    _("the broker at {address} can't be reached: {fault}"),
    _("the broker at {address} did not take the order; look at its log and at the name and password"),
    _("{path} can't be read: {fault}; publish again with --out and --trust"),
    _("found {uses} uses, wanted 0 (without limit) to {most}"),
    _("found no zone, wanted some of {zones}"),
    _("found {text}, wanted 16 hex digits, or nothing for a new one"),
    _("found {text}, which is another pass already; each has its own (C01)"),
    _("found an end that is not after the beginning; wanted --until later than --from"),
    _(
        "found a validity of {days} days, wanted at most 366 (one year); give an earlier --until and renew the pass when it ends"
    ),
    _("found no pass {pass_id}; see `menshen-office passes` for those there are"),
    _("found nobody's name in --by, wanted that of the person who does this (C02)"),
    _("no such pass can be made: {fault}"),
    _(
        "this person has {kind} pass {pass_id} ({state}), and one live pass of a kind is allowed; revoke it first with `menshen-office revoke {same}`"
    ),
    _("found zone {zone}, wanted some of {zones}"),
    _("pass {pass_id} is {state}, wanted a draft; see `menshen-office passes`"),
    _(
        "{by} drafted pass {pass_id}, and a pass is approved by another person than its drafter; ask a colleague to approve it"
    ),
    _("pass {pass_id} is {state}; only a pass that is {before} can be {after}; see `menshen-office passes`"),
    _("found no signed root and targets in {trust}; hold the key ceremony: menshen-firmware keys sign"),
    _("the root of trust in {trust} is for site {named}, the list for {site}"),
    _(
        "the role {role} wants {wanted} signatures, and this home has one key for it; draft with `menshen-office publish --draft DIR` and complete with `menshen-office sign`"
    ),
    _("found list {number}, wanted a number above {last}, which is published"),
    _("list {number} can't be written to {repository}: {fault}"),
    _("the list in {repository} can't be renewed: {fault}; publish again"),
    _("the repository {repository} is damaged: {fault}; restore it from the backup"),
    _("what the key ceremony left in {trust} is not whole: {fault}"),
    _("the {role} metadata ended {day}; renew it with the offline keys"),
    _("gates would refuse list {number}: {fault}"),
    _(
        "gates would refuse this office's signature for the role {role}: {fault}; hold the key ceremony again with this office's public keys"
    ),
    _("{fault}; publish a list, which has room for them"),
    _("list {number} names the part {part}, which nobody has; pack it again"),
    _("the part {part} of list {number} has another hash; pack it again"),
    _("found {days} days, wanted 1 to {most} at once"),
    _(
        "the file is larger than {most} MB, too much for a passphrase; take fewer days, or encrypt it for a public key"
    ),
    _("found a passphrase of {count} characters, wanted at least {least}"),
    _("attendance wants both a first and a last day"),
    _("found no reason; who exports data says what for, and the history keeps it"),
    _("a sheet of {table} is about who people are, and is not for those who see no names"),
    _(
        "it is in {repository}, but not on the broker: {fault}; repeat with `menshen-office publish --hot`, or let `menshen-office mirror` run"
    ),
    _("found no open account {name}; see `menshen-office account list`"),
    _(
        "{name} has a role at {count} more of the group's sites; somebody who administers all of them does this, or whoever keeps the machine, with `menshen-office account reset`"
    ),
    _("a role is one at a site; say with --site at which"),
    _("no account {name} was made: {why}"),
    _("{name} is {role} here; close that first, then give the new role"),
    _("this alert is closed already; it opens again by itself if its matter comes up"),
    _("found an alert that nobody has acknowledged; acknowledge it first"),
    _("found no outcome; write what was the matter and what was done"),
    _("found nothing under {columns}"),
    _("found {kind}, wanted one of {kinds}"),
    _("found {uses}, wanted a number; 0 is without limit"),
    _("found {form}, wanted card or phone"),
    _("found more than {most} MiB, wanted a smaller file; divide it"),
    _(
        "found no column {columns} in the first row, wanted {required}, and if you like uses, unit, phone, note"
    ),
    _("found two columns of the same meaning in the first row; remove one"),
    _("found neither UTF-8 nor GB18030 text; save the sheet as XLSX or as CSV in UTF-8"),
    _("the sheet unpacks to {size} MiB; wanted a smaller one; divide it"),
    _("found more than {most} rows; divide the file"),
    _("not a CSV file: {fault}; save the sheet again"),
    _("the XLSX file can't be read ({fault}); save it again, or as CSV"),
    _("found no XLSX file; save the sheet again, or as CSV"),
    _(
        "found time {text}, wanted a date and time such as 2026-11-22T08:30 or 2026-11-22T08:30+08:00, or a date alone ({fault})"
    ),
    _("not a usable holder key: {fault}; scan it again from the holder's page"),
    _("holder key refused: {flaw}; have the holder's page make a new key"),
    _("{count} alerts are open in the name of {name}; say who takes the work over"),
    _("nobody closes their own account; ask another administrator"),
    _("{name} leaves, so the work goes to somebody else"),
    _("this person's data were deleted; make a new file for who comes back"),
    _(
        "nothing was published from this office yet; the first time run `menshen-office publish --trust … --out …`"
    ),
    _("pass {pass_id} is no draft any more; somebody was quicker"),
    _("the newest event is {place}"),
    _("nothing was ever heard"),
    _("the statement is not signed by this gate's key"),
    _("counted otherwise: {names}"),
    _("what is kept up to {place} hashes to another head"),
    _("deleted on schedule: {places}"),
    _("all of {epoch}"),
    _("no ingester runs, so events wait at the gates; start `menshen-office ingest` again"),
    _("the ingester can't reach its broker, so events wait at the gates; look at the broker"),
    _("visit {number} has not left"),
    _("{day}: {missing} of {events} events are missing"),
    _("{day}: what is kept is another history than what the gate signed"),
    _("{day}: the gate has not closed the day; is it off, or cut off?"),
    _("{count} passes or rules differ from what the gates know; settle them"),
    _("no backup could be made in {folder}: {fault}"),
    _("the newest backup, {name}, is older than {hours} hours; does its timer run?"),
    _("the newest backup, {file}, is not there any more; is its disk?"),
)
"""Each as it is raised, with a name for whatever is put into it."""
_MOST: Final = 2000
_FIELD: Final = re.compile(r"(person|kind|zone|uses|from|until|form|pass id|holder key): (.+)", re.DOTALL)


_ENGLISH: Final = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")


def said(sentence: str) -> str:
    """A sentence of the office in the language of the page."""
    field = _FIELD.fullmatch(sentence)
    if field:
        return f"{FIELDS[field[1]]}: {said(field[2])}"
    known = _known(sentence)
    if known is None and not (get_language() or "en").startswith("en") and _ENGLISH.search(sentence):
        return gettext("Not done: {sentence}").format(sentence=sentence)
    return known or sentence


def _known(sentence: str) -> str | None:
    if len(sentence) > _MOST:
        return None
    for template, pattern in _patterns():
        if found := pattern.fullmatch(sentence):
            return gettext(template).format(**{name: _fact(text) for name, text in found.groupdict().items()})
    return None


def _fact(text: str) -> str:
    """What was put into a sentence: a state or a kind, another sentence, or anything."""
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
    return str(SAID[bare]) if bare in SAID else _known(text) or text


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The sentences with most words of their own first, so that a general one takes nothing from a special one."""
    found = []
    for template in SENTENCES:
        parts = [(words, name) for words, name, _form, _how in Formatter().parse(template)]
        pattern = "".join(re.escape(words) + (f"(?P<{name}>.+?)" if name else "") for words, name in parts)
        found.append((sum(len(words) for words, _name in parts), template, re.compile(pattern, re.DOTALL)))
    found.sort(key=lambda one: -one[0])
    return tuple((template, pattern) for _words, template, pattern in found)
