"""Every rule of the linter and of delivery, each declared once; `docs/rules.md` is rendered from here."""

from infra.wiring.finding import Rule, Severity

_ALL: list[Rule] = []


def _rule(  # noqa: PLR0917  the declarations below read as rows of a table
    number: int,
    name: str,
    paragraph: str,
    title: str,
    mend: str,
    severity: Severity = "error",
    *,
    refuses: bool = False,
) -> Rule:
    rule = Rule(f"LS{number:03}", name, severity, paragraph, title, mend, refuses)
    _ALL.append(rule)
    return rule


# --- Reading ------------------------------------------------------------------------------------------------------

UNREADABLE = _rule(
    1, "unreadable-yaml", "DESIGN, deletion", "A document cannot be read.", "Correct the YAML at this line."
)
UNKNOWN_KIND = _rule(
    2, "unknown-kind", "DESIGN, deletion", "A document is of no kind that is known here.",
    "Correct apiVersion and kind, or move the file out of the wiring.",
)  # fmt: skip
INVALID = _rule(
    3, "invalid-manifest", "5a.3.2, 5a.3.3", "A manifest does not have its kind's fields.",
    "Correct the field; its shape is External Secrets Operator's.",
)  # fmt: skip
FILE_REFUSED = _rule(
    4, "file-refused", "DESIGN, state and identity", "A file or folder cannot be used.",
    "Make it a readable regular file, at most 16 MiB, whose links stay beneath the folder of the wiring.",
)  # fmt: skip
DUPLICATE = _rule(
    5, "duplicate-manifest", "DESIGN, one origin", "Two manifests have one kind, namespace and name.",
    "Keep one of them.", refuses=True,
)  # fmt: skip

NO_OBJECT = _rule(
    6, "no-object", "DESIGN, deletion", "A document is no Kubernetes object.",
    "Give it apiVersion and kind, or move the file out of the wiring.", "notice",
)  # fmt: skip
FOREIGN_KIND = _rule(
    7, "foreign-kind", "DESIGN, deletion", "A document is of a kind that nobody here knows.",
    "Correct apiVersion and kind, or move the file out of the wiring.", "warning",
)  # fmt: skip

# --- Stores -------------------------------------------------------------------------------------------------------

NAMESPACED_STORE = _rule(
    10, "namespace-scoped-store", "5a.3.2, 5a.6.3", "A SecretStore is used where a ClusterSecretStore must be.",
    "Refer to a ClusterSecretStore: kind: ClusterSecretStore.", refuses=True,
)  # fmt: skip
UNKNOWN_STORE = _rule(
    11, "unknown-store", "5a.6.3", "A manifest refers to a ClusterSecretStore that is not there.",
    "Add the ClusterSecretStore's manifest, or correct the name.", refuses=True,
)  # fmt: skip
STORE_MISMATCH = _rule(
    12, "store-mismatch", "5a.3.3, 5a.6.3", "A key is pushed through one store and pulled through another.",
    "Refer to the same ClusterSecretStore in the PushSecret and the ExternalSecret.",
)  # fmt: skip
STORE_REFUSES = _rule(
    13, "store-refuses-namespace", "5a.6.2", "The store's conditions do not admit the manifest's namespace.",
    "Add the namespace to the store's spec.conditions, or use another store.", refuses=True,
)  # fmt: skip
RESERVED_MOUNT = _rule(
    16, "reserved-mount", "DESIGN, who may say and do what",
    "A store names a mount of the authority itself, of Lockstep, or paths of another mount.",
    "Name the KV version 2 mount of the values in the store's spec.provider.vault.path.", refuses=True,
)  # fmt: skip
STORE_NOTICE = _rule(
    14, "store-field-ignored", "DESIGN, who may say and do what", "A field of a store that changes nothing here.",
    "Nothing to do; the operator of Lockstep chooses servers and identities.", "notice",
)  # fmt: skip
FOREIGN_STORE = _rule(
    15, "foreign-provider", "5a.1.5", "A manifest uses a store that is not a Vault KV version 2 mount.",
    "Leave secrets from outside the cluster to their own flow (section 5.3), outside of this wiring.", refuses=True,
)  # fmt: skip

# --- Publication --------------------------------------------------------------------------------------------------

WHOLE_SECRET = _rule(
    20, "whole-secret", "5a.3.2", "An entry pushes a whole Secret: it has no secretKey.",
    "Give every entry of data an explicit match.secretKey and remoteRef.property.", refuses=True,
)  # fmt: skip
WILDCARD = _rule(
    21, "wildcard", "5a.3.2", "A PushSecret pushes whatever is there, or whatever matches.",
    "Name the source and every key in data; dataTo, patterns and an empty selector are not used.", refuses=True,
)  # fmt: skip
GENERATOR = _rule(
    22, "generator", "5a.2.2", "A generator is used.",
    "Let an operator make the Secret in the producer's namespace and name it in selector.secret.name.", refuses=True,
)  # fmt: skip
NO_KEYS = _rule(
    23, "no-keys", "5a.3.2, 5a.3.3", "A manifest names no keys.",
    "List the keys under spec.data.", refuses=True,
)  # fmt: skip
BAD_PATH = _rule(
    24, "bad-path", "5a.5.3", "A remote key or entry cannot be a path of the authority.",
    "Write the key without the mount: platform-data/<datasource>/<consumer>.", refuses=True,
)  # fmt: skip
WHOLE_DOCUMENT = _rule(
    25, "whole-document", "5a.5.4", "An entry without a property writes the whole document at its path.",
    "Give the entry a remoteRef.property.", "warning",
)  # fmt: skip
CLAIMED_TWICE = _rule(
    27, "path-claimed-twice", "5a.5.3; DESIGN, one origin", "Two PushSecrets publish to one path.",
    "Let one PushSecret own the path; give the other its own consumer or instance segment. Until then whoever claimed "
    "it first goes on, and the other is refused.",
)  # fmt: skip
INTERVAL = _rule(
    28, "interval-ignored", "5a.3.5", "refreshInterval sets no pace here: changes are followed as they happen.",
    "Nothing to do; External Secrets Operator would still use it.", "notice",
)  # fmt: skip

# --- Consumption --------------------------------------------------------------------------------------------------

SAME_NAMESPACE = _rule(
    30, "same-namespace", "5a.1.5, 5a.4.2", "Producer and consumer are in one namespace.",
    "Refer to the source Secret directly and remove the ExternalSecret.",
)  # fmt: skip
TARGET_CLAIMED_TWICE = _rule(
    31, "target-claimed-twice", "5a.6.2", "Two ExternalSecrets write into one Secret.",
    "Give each its own target.name, or let one of them read all: data and dataFrom take several paths.", refuses=True,
)  # fmt: skip
DANGLING = _rule(
    32, "dangling-path", "5a.3.3", "An ExternalSecret reads a path that no PushSecret here publishes.",
    "Correct the key, add the PushSecret, or ignore this if the authority itself owns the path.", "warning",
)  # fmt: skip
BROAD_FIND = _rule(
    33, "broad-find", "5a.3.3", "A find takes whatever matches: no path, or an expression that matches everything.",
    "List the keys under data, or narrow find.path and find.name.regexp.", "warning",
)  # fmt: skip
EXPRESSION = _rule(
    34, "bad-expression", "DESIGN, templates", "A regular expression is not RE2.",
    "Write it in RE2 syntax (no look-around, no back-references).", refuses=True,
)  # fmt: skip
UNREAD = _rule(
    35, "unread-path", "5a.2.2", "A path is published that no ExternalSecret here reads.",
    "Nothing to do if the consumers are wired elsewhere; otherwise remove the entry.", "notice",
)  # fmt: skip
MISSING_PROPERTY = _rule(
    36, "missing-property", "5a.3.3", "An ExternalSecret reads a property that the path's PushSecret does not publish.",
    "Correct remoteRef.property, or add the key to the PushSecret.",
)  # fmt: skip
UNSUPPORTED = _rule(
    37, "unsupported-feature", "DESIGN, wiring", "A field asks for something that is not done here.",
    "Remove the field; doing it half would be worse than refusing it.", refuses=True,
)  # fmt: skip

# --- The graph ----------------------------------------------------------------------------------------------------

CYCLE = _rule(
    40, "cycle", "DESIGN, time and fan-out", "Secrets and paths feed each other in a circle.",
    "Break the circle: a Secret comes from its producer or from the authority, not from itself.", refuses=True,
)  # fmt: skip
DERIVED = _rule(
    41, "managed-source", "5a.2.1", "A PushSecret's source is itself made by an ExternalSecret.",
    'Push from the producer\'s own Secret, or annotate the PushSecret lockstep.dev/derived: "true".', refuses=True,
)  # fmt: skip

# --- Rotations ------------------------------------------------------------------------------------------------------

ROTATED_TWICE = _rule(
    100, "path-rotated-twice", "DESIGN, rotation", "Two Rotations rotate one path.",
    "Keep one of them; a path has one target and one policy.", refuses=True,
)  # fmt: skip
ROTATES_PRODUCED = _rule(
    101, "rotates-produced-path", "DESIGN, one origin", "A Rotation rotates a path that a PushSecret publishes.",
    "Let the producer's own operator rotate it, or remove the PushSecret and let the Rotation own the path.",
    refuses=True,
)  # fmt: skip
UNKNOWN_TARGET = _rule(
    102, "unknown-target", "DESIGN, rotation", "A Rotation names a RotationTarget that is not declared.",
    "Correct spec.target.name, or have the platform declare the RotationTarget (folder targets).",
)  # fmt: skip
ACCOUNT_NOT_ALLOWED = _rule(
    103, "account-not-allowed", "DESIGN, rotation",
    "A RotationTarget does not let the Rotation's namespace change this account.",
    "Name another account, or have the platform add namespace and account to the RotationTarget's spec.allow.",
)  # fmt: skip
STRATEGY_UNABLE = _rule(
    104, "strategy-unable", "DESIGN, rotation", "A Rotation asks for a strategy that its target cannot carry out.",
    "Use a strategy that the target's type offers (docs/targets.md).",
)  # fmt: skip
TARGET_PARAMETERS = _rule(
    105, "target-parameters", "DESIGN, rotation",
    "A RotationTarget is of an unknown type, or its parameters are wrong.",
    "Write type and parameters as the type's page says (docs/targets.md).",
)  # fmt: skip
UNROTATED_PROPERTY = _rule(
    106, "unrotated-property", "DESIGN, rotation",
    "Consumers of a rotated path read none of the properties that the Rotation replaces.",
    "Map the credential's fields to the properties that consumers read: spec.properties.", "warning",
)  # fmt: skip
NO_WINDOW = _rule(
    107, "schedule-without-window", "DESIGN, rotation", "A scheduled rotation may begin at any time of the day.",
    "Give spec.schedule a window, such as 'Mon-Fri 22:00-04:00 Europe/Berlin', if restarts are not welcome always.",
    "notice",
)  # fmt: skip
ROTATION_DENIED = _rule(
    108, "rotation-denied", "DESIGN, who may say and do what",
    "The access policy does not let a Rotation's namespace publish at the path that it rotates.",
    "Have the platform add the path to the namespace's rule in access.yaml, or rotate another path.",
)  # fmt: skip
NEVER_DUE = _rule(
    109, "never-due", "DESIGN, rotation", "A Rotation has neither a schedule nor a maximum age.",
    "Nothing to do if it is rotated on demand and after leaks only; otherwise give it spec.schedule.", "notice",
)  # fmt: skip
EVIDENCE_UNSEEN = _rule(
    110, "evidence-unseen", "DESIGN, rotation",
    "A Rotation asks for evidence that its target cannot give, so nothing old would ever be revoked.",
    "Use evidence: rolled-out, or a strategy under which the target tells who logs in (docs/targets.md).",
)  # fmt: skip

# --- Paths and properties (5a.5) ----------------------------------------------------------------------------------

PREFIX = _rule(
    50, "path-prefix", "5a.5.3", "A path begins neither with platform-data/ nor with platform-config/.",
    "Use platform-data/ for secrets and platform-config/ for configuration.",
)  # fmt: skip
SEGMENTS = _rule(
    51, "path-segments", "5a.5.1", "A path is not prefix, datasource, and consumer or instance.",
    "Use exactly platform-data/<datasource>/<consumer> or platform-config/<datasource>/<instance>.",
)  # fmt: skip
CASE = _rule(
    52, "path-case", "5a.5.3", "A path is not lowercase words joined by hyphens.",
    "Use lowercase letters, digits and hyphens.",
)  # fmt: skip
ENVIRONMENT = _rule(
    53, "path-environment", "5a.5.3", "A path names an environment.",
    "Leave the environment out; Vault namespaces tell environments apart.",
)  # fmt: skip
PROPERTY = _rule(
    54, "property-name", "5a.5.4", "A property is not named as 5a.5.4 says.",
    "Use username, password, host, port, token; for other properties lowercase words joined by hyphens.",
)  # fmt: skip
DATASOURCE = _rule(
    55, "datasource-mismatch", "5a.5.3", "The datasource is not the system that makes the source Secret.",
    "Name the generating system's type as the datasource, e.g. platform-data/postgres/<consumer>.",
)  # fmt: skip

# --- Templates and made Secrets -----------------------------------------------------------------------------------

TEMPLATE = _rule(
    60, "template", "DESIGN, templates", "A template uses what is not offered, or does not parse.",
    "Use the documented subset of functions, or compose the value in the producer.", refuses=True,
)  # fmt: skip
TEMPLATE_OBJECT = _rule(
    61, "template-object", "DESIGN, templates", "A template comes from a ConfigMap or Secret.",
    "Write it into the manifest: template.data or templateFrom[].literal.", refuses=True,
)  # fmt: skip
SECRET_TYPE = _rule(
    62, "refused-type", "DESIGN, templates", "A Secret type that grants access to the cluster is made.",
    "Use another type; tokens of service accounts and of bootstrap are issued by Kubernetes alone.", refuses=True,
)  # fmt: skip
RESERVED = _rule(
    63, "reserved-metadata", "DESIGN, templates", "A template sets reserved labels, annotations or finalizers.",
    "Remove them; they belong to Kubernetes, to Lockstep, or would copy the Secret onwards.", refuses=True,
)  # fmt: skip

# --- Not for this framework (5a.1.5) ------------------------------------------------------------------------------

BOOTSTRAP = _rule(
    70, "bootstrap-secret", "5a.1.5", "A bootstrap secret is distributed.",
    "Use bootstrap materialization (section 5.2).",
)  # fmt: skip
EXTERNAL = _rule(
    71, "external-secret", "5a.1.5, 5a.2.2", "A secret from outside the cluster is distributed as if made within.",
    "Pull it where it is used, from its own store (section 5.3).",
)  # fmt: skip
HUMAN = _rule(
    72, "human-secret", "5a.1.5, 5a.2.2", "A secret that people made is distributed as if an operator had made it.",
    "Use the bootstrap flow with encrypted Git.",
)  # fmt: skip

# --- Ways around the framework ------------------------------------------------------------------------------------

REFLECTOR = _rule(
    80, "reflector", "5a.8.3", "emberstack reflector copies a Secret between namespaces.",
    "Replace the annotations by a PushSecret and ExternalSecrets (lockstep decide prints them).",
)  # fmt: skip
REPLICATOR = _rule(
    81, "replicator", "5a.8.3", "mittwald replicator (or a like tool) copies a Secret between namespaces.",
    "Replace the annotations by a PushSecret and ExternalSecrets (lockstep decide prints them).",
)  # fmt: skip
COPY = _rule(
    82, "direct-copy", "5a.8.3", "One Secret's data stands in manifests of several namespaces.",
    "Keep the producer's Secret; give each consumer an ExternalSecret.",
)  # fmt: skip
PLAINTEXT = _rule(
    83, "plaintext-secret", "5a.1.5", "A Secret's values stand in plain text in a manifest.",
    "Remove it from Git and its history, rotate the values, and use encrypted Git or an operator.",
)  # fmt: skip
AGENT = _rule(
    84, "vault-agent", "5a.3.3, 5a.6.3", "A workload reaches Vault directly, by an injected agent.",
    "Mount the Secret that an ExternalSecret makes.",
)  # fmt: skip
VAULT_CLIENT = _rule(
    85, "vault-client", "5a.3.3, 5a.6.3", "A workload reaches Vault directly, by its own client.",
    "Mount the Secret that an ExternalSecret makes; remove VAULT_*/BAO_* from the environment.",
)  # fmt: skip
CSI = _rule(
    86, "csi-provider", "5a.3.3, 5a.6.3", "A workload reaches Vault directly, by the CSI driver.",
    "Mount the Secret that an ExternalSecret makes.",
)  # fmt: skip
OTHER_OPERATOR = _rule(
    87, "other-operator", "5a.3.3", "Another operator pulls the secret from Vault.",
    "Use an ExternalSecret.",
)  # fmt: skip
CLUSTER_WIDE = _rule(
    88, "cluster-wide-resource", "5a.3.2, 5a.3.3", "A cluster-wide resource makes PushSecrets or ExternalSecrets.",
    "Write one PushSecret or ExternalSecret per namespace.",
)  # fmt: skip
FOREIGN_NAMESPACE = _rule(
    91, "foreign-namespace", "5a.6.3", "An operator manages Secrets outside of its namespace.",
    "Keep the operator's Secrets in its namespace and distribute them with PushSecret and ExternalSecret.",
)  # fmt: skip
CLUSTER_WRITES = _rule(
    93, "cluster-wide-writes", "5a.6.3", "A service account may write Secrets in every namespace.",
    "Bind the role with one RoleBinding per namespace that it manages.", "warning",
)  # fmt: skip
EXPORTED = _rule(
    92, "exported-manifest", "5a.6.3", "A manifest was copied out of a cluster instead of written for GitOps.",
    "Remove status, uid, resourceVersion and last-applied-configuration, and let the GitOps controller apply it.",
    "warning",
)  # fmt: skip

RULES: tuple[Rule, ...] = tuple(_ALL)
