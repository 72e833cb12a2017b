"""What `-o json` documents hold: the promise to programs, which tests hold against what commands really print."""

_VERSION = "version at the authority: its number"
_CREATED = "when the authority made it (RFC 3339, UTC)"


def _version(member: str, says: str) -> tuple[tuple[str, str], ...]:
    return (
        (member, f"{says}; null for none"),
        (f"{member}.number", _VERSION),
        (f"{member}.created", _CREATED),
    )


def _trouble(member: str) -> tuple[tuple[str, str], ...]:
    return (
        (member, "the newest delivery that did not go through; null for none"),
        (f"{member}.step", "the step"),
        (f"{member}.state", "pending, retried, held (until the authority serves), or dead letter"),
        (f"{member}.reason", "why the last attempt failed"),
        (f"{member}.attempts", "attempts made"),
        (f"{member}.nextAttempt", "when it is tried again; null where that waits for something else"),
        (f"{member}.deadLetter", "number of the dead letter; null for none"),
    )


def _last_step(member: str) -> tuple[tuple[str, str], ...]:
    return (
        (member, "the newest thing that a step said of it; null where nothing is kept"),
        (f"{member}.step", "the step"),
        (f"{member}.event", "the type of event, without `dev.lockstep.`"),
        (f"{member}.at", "when"),
    )


def _hop(member: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{member}.hop", "source, publish, rotation, authority, materialize, consumer, or workload"),
        (f"{member}.state", "ok, broken, or waiting (for a hop before it, or its turn)"),
        (f"{member}.subject", "the Secret, manifest or path"),
        (f"{member}.says", "what is so, and why"),
        *_trouble(f"{member}.trouble"),
        (f"{member}.mend", "commands or deeds that mend it, in order"),
    )


STATUS = (
    ("at", "when this was looked at"),
    ("root", "the installation"),
    ("platform", "the directory or the cluster that it works on"),
    ("unknown", "that nothing is wired in the namespace that was asked about, and what was meant perhaps; else empty"),
    ("inStep", "whether all that is shown is in step, and no manifest is kept from acting as it is written"),
    ("secrets", "wired paths, ordered"),
    ("secrets[].path", "MOUNT/PATH at the authority"),
    ("secrets[].class", "internal secret, internal configuration, external secret, or derived"),
    ("secrets[].origin", "the PushSecret that writes it, or `the authority`"),
    ("secrets[].sources", "source Secrets, NAMESPACE/NAME"),
    *_version("secrets[].version", "the version that its origin confirmed"),
    ("secrets[].inStep", "source, authority and all consumers are in step"),
    ("secrets[].wrong", "what is wrong between source and authority; empty for nothing"),
    ("secrets[].suspended", "why writing it is suspended; empty where it is not"),
    (
        "secrets[].rotation",
        "how its rotation stands; null where nothing rotates it, or where that is unknown",
    ),
    ("secrets[].rotation.name", "the Rotation, NAMESPACE/NAME"),
    ("secrets[].rotation.phase", "never, requested, staged, …, completed, failed, or aborted"),
    ("secrets[].rotation.underWay", "whether it has begun and not ended"),
    ("secrets[].rotation.due", "when the next one is due; null: never by itself"),
    ("secrets[].rotation.trouble", "what is in the way; empty for nothing"),
    *_trouble("secrets[].trouble"),
    *_last_step("secrets[].lastStep"),
    ("secrets[].consumers", "ExternalSecrets that read it"),
    ("secrets[].consumers[].secret", "the target Secret, NAMESPACE/NAME"),
    ("secrets[].consumers[].manifest", "the ExternalSecret"),
    *_version("secrets[].consumers[].version", "the version that the target carries"),
    ("secrets[].consumers[].inStep", "whether that is the one it should"),
    ("secrets[].consumers[].wrong", "what is wrong; empty for nothing"),
    ("secrets[].consumers[].suspended", "why writing it is suspended"),
    *_trouble("secrets[].consumers[].trouble"),
    *_last_step("secrets[].consumers[].lastStep"),
    (
        "secrets[].consumers[].workloads",
        "what uses it; null where not asked for (-n, a name, -o wide) or not known",
    ),
    ("secrets[].consumers[].workloads[].workload", "KIND NAMESPACE/NAME"),
    (
        "secrets[].consumers[].workloads[].state",
        "current, moving, waiting, stuck, or stale (older, and not being moved)",
    ),
    ("secrets[].consumers[].workloads[].evidence", "none, materialized (its volumes hold it), or rolled-out"),
    ("secrets[].consumers[].workloads[].reason", "why it waits or is stuck"),
    ("secrets[].consumers[].workloads[].says", "the same for people"),
    ("secrets[].consumers[].workloads[].uses", "env, volume, subPath, imagePullSecrets, named"),
    ("secrets[].consumers[].workloads[].pods", "how many pods it has"),
    ("secrets[].consumers[].workloads[].older", "how many of them began before the data changed"),
    ("secrets[].consumers[].workloads[].restarts", "whether it asks to be restarted"),
    (
        "secrets[].consumers[].workloadsUnknown",
        "why they are not known; empty where they are, or were not asked for",
    ),
    ("authority.address", "where it is"),
    ("authority.embedded", "whether it is the embedded OpenBao"),
    ("authority.serves", "reachable, initialized and unsealed"),
    ("authority.reachable", "whether it answers"),
    ("authority.sealed", "whether it is sealed; null where it does not answer"),
    ("authority.version", "its version"),
    ("authority.developmentSeal", "whether the seal key lies beside the data"),
    ("authority.reason", "why it does not serve, and what to do"),
    ("access.policy", "present or absent"),
    ("access.place", "what holds it: a file below ROOT, or a ConfigMap"),
    ("access.problem", "what is wrong with it"),
    ("broker.pending", "events that are not through all their steps"),
    ("broker.stalledSeconds", "age of the oldest of them"),
    ("broker.held", "deliveries that wait for their step, by step"),
    ("broker.deadLetters", "open dead letters"),
    ("broker.full", "whether the disk is full"),
    ("ledger.entries", "its length"),
    ("ledger.anchored", "entries covered by the newest anchor"),
    ("ledger.lag", "entries that are not"),
    ("suspensions", "what operators stopped"),
    ("suspensions[].scope", "`*`, NAMESPACE, NAMESPACE/NAME or MOUNT/PATH"),
    ("suspensions[].reason", "why"),
    ("suspensions[].by", "who"),
    ("suspensions[].since", "when"),
    ("tombstones.known", "whether they could be read"),
    ("tombstones.total", "things noticed as gone; null where not known"),
    ("tombstones.due", "how many may be retracted now, of the first 200"),
    ("tombstones.held", "why none is retracted"),
    ("tombstones.items", "the first 200"),
    ("tombstones.items[].target", "what would be retracted"),
    ("tombstones.items[].policy", "how"),
    ("tombstones.items[].manifest", "the manifest that asked for it before"),
    ("tombstones.items[].noticed", "when its absence was noticed"),
    ("tombstones.items[].due", "when it may be retracted"),
    ("tombstones.items[].back", "whether something asks for it again: the next sweep withdraws it"),
    ("wiring.complete", "whether all manifests could be read; otherwise nothing is retracted"),
    ("wiring.pushSecrets", "how many"),
    ("wiring.externalSecrets", "how many"),
    ("wiring.rotations", "how many"),
    ("wiring.stores", "how many"),
    ("wiring.findings", "what could not be read"),
    ("wiring.findings[].file", "below ROOT, or the object of a cluster"),
    ("wiring.findings[].line", "from 1; 0 for an object"),
    ("wiring.findings[].rule", "the rule's id (docs/rules.md)"),
    ("wiring.findings[].severity", "error, warning or notice"),
    ("wiring.findings[].message", "what is wrong"),
    ("wiring.findings[].mend", "what to do"),
    ("wiring.problems", "manifests that may not act, or are used as they were before they became unreadable"),
    ("wiring.problems[].manifest", "KIND NAMESPACE/NAME"),
    ("wiring.problems[].file", "below ROOT; empty where the manifest is gone"),
    ("wiring.problems[].line", "from 1"),
    ("wiring.problems[].message", "why"),
    ("wiring.warnings", "conventions that are not kept where they are not enforced"),
    ("wiring.warnings[].manifest", "KIND NAMESPACE/NAME"),
    ("wiring.warnings[].message", "what is not kept"),
    ("notices", "what an operator should know of this installation"),
)

EXPLAIN = (
    ("name", "as it was asked"),
    ("inStep", "whether every hop is ok, and the manifests behind it are in force as they are written"),
    ("ways", "one for each path"),
    ("ways[].path", "MOUNT/PATH"),
    ("ways[].hops", "from the source to the authority"),
    *_hop("ways[].hops[]"),
    ("ways[].branches", "from the authority to each consumer"),
    ("ways[].branches[].consumer", "the ExternalSecret"),
    ("ways[].branches[].hops", "materialize and consumer"),
    *_hop("ways[].branches[].hops[]"),
    ("firstBroken", "the first hop that is broken, else the first that waits; null for none"),
    *_hop("firstBroken"),
    ("problems", "manifests that lead nowhere, or are used as they were before they became unreadable"),
    ("problems[].manifest", "KIND NAMESPACE/NAME"),
    ("problems[].file", "below ROOT; empty where the manifest is gone"),
    ("problems[].line", "from 1"),
    ("problems[].message", "why"),
    ("heldProbeSeconds", "how often, at least, it is asked whether the authority serves"),
)

EVENTS = (
    ("position", "where the next `--since` goes on"),
    ("events", "lines, in order; with --follow each is a document of its own"),
    ("events[].sequence", "position of the line"),
    ("events[].at", "when"),
    ("events[].step", "the step that handled it; for `accepted`, who said it"),
    ("events[].outcome", "accepted, delivered, retried, held, superseded, dead-lettered, replayed, or dropped"),
    ("events[].event", "position at which the event was accepted"),
    ("events[].type", "the type, without `dev.lockstep.`"),
    ("events[].subject", "the CloudEvents subject"),
    ("events[].about", "the same as people name it"),
    ("events[].versions", "version numbers that the event names, by path"),
    ("events[].tookMs", "milliseconds of the attempt; null for `accepted`"),
    ("events[].attempts", "attempts made"),
    ("events[].status", "HTTP status of the answer; 0 for none"),
    ("events[].reason", "why it failed"),
    ("events[].id", "the CloudEvents id"),
    ("events[].correlation", "id of the first event of the chain"),
    ("events[].principal", "who sent it"),
    ("events[].repeated", "whether this id was accepted before"),
)

DIFF = (
    ("changes", "writes that the steps would make, in order"),
    ("changes[].step", "the step"),
    ("changes[].action", "claim, take over, release, write, create, update, delete, or delete versions"),
    ("changes[].target", "MOUNT/PATH or NAMESPACE/NAME"),
    ("changes[].kind", "path or secret"),
    *_version("changes[].base", "of a path: the version that it holds"),
    ("changes[].added", "names of keys"),
    ("changes[].changed", "names of keys"),
    ("changes[].removed", "names of keys"),
    ("changes[].note", "what else there is to say"),
    ("blocked", "what keeps steps from acting"),
    ("blocked[].step", "the step; wiring, which is none, where a manifest keeps all steps from it"),
    ("blocked[].about", "the CloudEvents subject, or a file of the wiring"),
    (
        "blocked[].kind",
        "reject, retry, conflict, held, suspended, or waiting; of wiring: refused, former, unread, or gone",
    ),
    ("blocked[].reason", "why, and what to do"),
    ("looked.paths", "paths that were compared"),
    ("looked.tombstones", "whether retractions were looked at"),
)

RECONCILE = (
    ("orders", "orders that were given"),
    ("orders[].sequence", "position in the timeline"),
    ("orders[].type", "publish.requested or materialize.requested"),
    ("orders[].about", "the CloudEvents subject"),
    ("skipped", "what may not act now"),
    ("skipped[].about", "the CloudEvents subject, or a file of the wiring"),
    ("skipped[].name", "the manifest or path"),
    ("skipped[].reason", "why"),
)

SUSPEND = (
    ("scope", "what is suspended"),
    ("covers", "how many paths that are wired now it stops, wholly or in part"),
    ("suspensions", "with --list: as in `status`"),
)

RESUME = (
    ("scope", "what was released"),
    ("covers", "how many paths that are wired now it stopped"),
    ("orders", "how many orders to look again were given"),
)

ADOPT = (
    ("plan.path", "MOUNT/PATH"),
    ("plan.by", "the PushSecret"),
    ("plan.owner", "the claim; null where nobody holds one"),
    ("plan.owner.owner", "who holds it"),
    ("plan.owner.cluster", "of which cluster"),
    ("plan.owner.origin", "producer, rotation, or authority"),
    ("plan.owner.state", "active, released, or retired"),
    ("plan.owner.epoch", "how often it changed hands"),
    ("plan.owner.properties", "keys that it wrote"),
    ("plan.epoch", "that the takeover is ordered against"),
    *_version("plan.base", "that the takeover is ordered against"),
    ("plan.held", "whether the PushSecret is the owner already"),
    ("plan.keys.added", "keys that only the source has"),
    ("plan.keys.differ", "keys whose values differ"),
    ("plan.keys.same", "keys whose values are the same"),
    ("plan.keys.dropped", "keys that only the path has: they make it refuse"),
    ("plan.refused", "why it would be refused; empty where it would not"),
    ("outcome", "null with --dry-run, or where it was refused before it was ordered"),
    ("outcome.state", "delivered"),
    ("outcome.reason", "what the step said, if anything"),
    ("outcome.attempts", "attempts made"),
    ("outcome.correlation", "for `lockstep events --correlation`"),
    ("outcome.claimed", "the new claim"),
    ("outcome.claimed.owner", "the PushSecret"),
    ("outcome.claimed.epoch", "its epoch"),
    ("outcome.claimed.by", "who ordered it"),
    ("outcome.published", "what was published then"),
    ("outcome.published.number", _VERSION),
    ("outcome.published.created", _CREATED),
    ("outcome.published.outcome", "written, or unchanged"),
)

ADOPT_FROM = (
    ("items", "one for each path of a PushSecret that its former controller pushed"),
    ("items[].by", "the PushSecret, NAMESPACE/NAME"),
    ("items[].store", "KIND/NAME"),
    ("items[].path", "MOUNT/PATH; the store's own name for it where that cannot be told"),
    ("items[].refused", "why it is not, or was not, taken over; empty where it is"),
    ("items[].mend", "commands that let it be taken over"),
    ("items[].plan", "as above; null where it was refused before that"),
    *((f"items[].{member}", says) for member, says in ADOPT if member.startswith("plan.")),
    ("items[].outcome", "as above; null where nothing was ordered"),
    *((f"items[].{member}", says) for member, says in ADOPT if member.startswith("outcome.")),
)

_ROTATION = (
    ("name", "the Rotation, NAMESPACE/NAME"),
    ("path", "MOUNT/PATH; null where it leads to none"),
    ("wired", "whether its manifest is there; one that is not is listed until its end"),
    ("target", "the RotationTarget"),
    ("strategy", "single, alternating, dual, or minted"),
    ("accounts", "that it changes"),
    *_version("version", "the newest that was confirmed"),
    ("due", "when the next one is due; null: never by itself"),
    ("phase", "never, requested, staged, applied, verified, promoting, promoted, aborting, withdrawing, or an end"),
    ("underWay", "whether it has begun and not ended"),
    ("holds", "which credential works while it is: old, new, both, or unknown"),
    ("trouble", "what is in the way; empty for nothing"),
    ("suspended", "why writing is suspended; empty where it is not"),
    ("record", "what is known of the last one; null where there was none"),
    ("record.id", "of the rotation"),
    ("record.attempt", "which one from its base, from 1"),
    ("record.policy", "planned, or leak"),
    ("record.by", "who asked"),
    ("record.began", "when"),
    ("record.entered", "when its phase began"),
    *_version("record.base", "that it began from"),
    *_version("record.promoted", "that it made"),
    *(
        member
        for which, says in (("old", "the credential that consumers had"), ("new", "the one that they get"))
        for member in (
            (f"record.{which}", says),
            (f"record.{which}.account", "at the target"),
            (f"record.{which}.id", "where the provider gives one"),
            *_version(f"record.{which}.version", "that holds it"),
        )
    ),
    ("record.conflicts", "how often somebody else wrote the path meanwhile"),
    ("record.regenerated", "whether the target refused a value by its policy"),
    ("record.revokedFirst", "whether the old credential died before there was a new one"),
    ("record.trouble", "why its phase does not get on; null where it does"),
    ("record.trouble.reason", "as `rotation.failed` names it"),
    ("record.trouble.since", "when it began"),
    ("record.trouble.tries", "how often it was tried"),
    ("record.trouble.told", "whether somebody was told"),
    ("record.trouble.detail", "what the last try said; empty where nothing was"),
    ("record.orphans", "credentials that the target may accept and nobody holds"),
    ("record.orphans[].account", "at the target"),
    ("record.orphans[].id", "where the provider gives one"),
    *_version("record.orphans[].version", "that held it"),
    ("record.following", "what was asked meanwhile, and begins when this ends; null for nothing"),
    ("record.following.policy", "planned, or leak"),
    ("record.following.by", "who asked"),
    ("record.ending", "why it was given up: STEP:REASON; empty where it was not"),
    ("record.evidence", "what the revocation went by"),
    ("record.evidencedSince", "since when consumers are known to have moved"),
    ("record.proof", "refused: the old credential was tried; replaced: nothing accepts it; empty before"),
    ("record.nextLook", "when it is looked at again by itself"),
)

ROTATION_LIST = (("rotations", "all that are wired, or unfinished"), *((f"rotations[].{m}", s) for m, s in _ROTATION))

_ORDERED = (
    ("sequence", "of the order; null where it is an annotation (--context)"),
    ("rotation", "its id"),
    ("path", "MOUNT/PATH"),
)

ROTATE = (
    *((member, says) for member, says in _ROTATION if member not in ("name", "path")),
    ("name", "the Rotation; all above with --dry-run and --wait only"),
    ("policy", "planned, or leak"),
    *_version("base", "that it is about"),
    ("attempt", "with --dry-run: which one from that base"),
    ("joins", "with --dry-run: the id of the one under way; null where there is none"),
    ("refused", "with --dry-run: why it would be refused; empty where it would not"),
    ("findings", "with --dry-run: what a look at the target found"),
    ("findings[].blocks", "whether that is in the way"),
    ("findings[].text", "what it is"),
    ("consumers", "with --dry-run: who would get the new value"),
    ("consumers[].consumer", "the ExternalSecret, NAMESPACE/NAME"),
    ("consumers[].secret", "the Secret, NAMESPACE/NAME"),
    ("consumers[].problem", "why it may not act; empty where it may"),
    ("consumers[].workloads", "that use it"),
    ("consumers[].workloads[].workload", "KIND NAMESPACE/NAME"),
    ("consumers[].workloads[].restarts", "whether it would be restarted"),
    ("window", "with --dry-run: the schedule's"),
    ("passes", "with --dry-run: whether nothing is in the way"),
    *_ORDERED,
    ("joined", "whether one under way was joined"),
)

ROTATION_RESUME = (*_ORDERED, ("step", "that looks again"))

_LEAK = (
    ("id", "of the finding"),
    ("state", "reported, confirmed, dismissed, or contained"),
    ("held", "why nothing is done about some of it yet; empty where it is"),
    ("dismissed", "why it was dismissed; empty where it was not"),
    ("stopped", "how a rotation of it ended that does not go on by an alert: aborted, or failed; empty for none"),
    ("detector", "the name of the alert or of the scanner's rule"),
    ("via", "alertmanager, scanner, operator, or event"),
    ("reporters", "who told of it, in that order"),
    ("noticed", "when the first reporter saw it"),
    ("received", "when it came here"),
    ("paths", "MOUNT/PATH of the secrets that are out"),
    ("contained", "when; null where it is not"),
    ("secondsToContain", "from its coming here; null where it is not contained"),
)

LEAK_LIST = tuple((f"leaks[].{member}", says) for member, says in _LEAK)

LEAK_SHOW = (
    *_LEAK,
    ("place", "where it was found"),
    ("path", "MOUNT/PATH as it was reported; null for none"),
    ("key", "the property as it was reported; null for none"),
    ("version", "the version's number as it was reported; null for none"),
    ("fingerprint", "as it was reported; null for none"),
    ("match", "what told which secret it is: path, fingerprint, or operator"),
    ("decidedBy", "triage, or the operator who confirmed or dismissed it"),
    ("attestedBy", "who vouches that what leaked is refused"),
    ("resolved", "when a reporter said that it sees it no more; null for never"),
    ("exposures[].path", "MOUNT/PATH of a secret that is out"),
    ("exposures[].key", "its property; null for all"),
    ("exposures[].version", "the version that is out"),
    (
        "exposures[].standing",
        "held, rotating, failed, aborted, revoked, attested, owner (who must replace it), or ignored",
    ),
    ("consumers", "target Secrets that used it, NAMESPACE/NAME"),
    ("missing", "what containment waits for"),
    ("joined", "other findings of the same, the first 256; `show` takes their ids, too"),
    ("timeline[].at", "when"),
    ("timeline[].after", "seconds since it came here"),
    ("timeline[].what", "what happened"),
    ("timeline[].by", "through whom"),
    ("timeline[].detail", "what else there is to say"),
)

LEAK_REPORT = (
    ("leaks", "ids of the findings"),
    ("skipped", "values that were left out, as they could be guessed"),
)

SCAN = (
    ("found[].place", "FILE:LINE; with --git COMMIT:FILE:LINE"),
    ("found[].fingerprint", "of the value"),
    ("found[].path", "MOUNT/PATH of the secret"),
    ("found[].key", "its property"),
    ("found[].version", "a version that has, or had, this value"),
    ("found[].current", "whether that is the newest version"),
    ("found[].revoked", "whether it is known to be refused"),
    ("candidates", "how many different values were compared"),
    ("known", "how many fingerprints are known here"),
    ("behind", "paths that are newer than the index, so that a value of theirs may not have been found"),
    ("skipped", "files that could not be searched"),
)

DOCUMENTS = {
    "status": STATUS,
    "explain": EXPLAIN,
    "events": EVENTS,
    "diff": DIFF,
    "reconcile": RECONCILE,
    "suspend": SUSPEND,
    "resume": RESUME,
    "adopt": ADOPT,
    "adopt --from": ADOPT_FROM,
    "rotate": ROTATE,
    "rotation list": ROTATION_LIST,
    "rotation show": _ROTATION,
    "rotation abort": _ORDERED,
    "rotation resume": ROTATION_RESUME,
    "leak list": LEAK_LIST,
    "leak show": LEAK_SHOW,
    "leak report": LEAK_REPORT,
    "scan": SCAN,
}
