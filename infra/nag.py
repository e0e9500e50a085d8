"""cdk-nag's AWS Solutions rules over the stack, and why some of what they find is meant to be so."""

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

_BUCKET = "<StorageBucket5CB7C8EA.Arn>"
_READS_SHARDS = (
    "the part of the bucket that holds tenants' data; which tenant is decided by the key of each request"
)
_COMMITS = "keys are made anew by every commit, below the prefixes of what a commit makes"
_STAGING = (
    "the part of the bucket that holds imports on their way; whose, is decided by the key of each request"
)
_ERRORS_ALONE = "errors are logged; every event would be billed, and the functions log each step that is done"
_EXECUTIONS = "an execution is named after its run, which is made anew each time"


def _executions(machine: str, names: str) -> str:
    """The finding on executions of a machine, given by its logical id."""
    arn = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution"
    return f"AwsSolutions-IAM5[Resource::{arn}:<{machine}.Name>{names}]"


_IMPORTS, _EXPORTS = "ImportsMachineEEC0A153", "ExportsMachine2B1225F8"
_COMPACTIONS = "CompactionsMachineBDBF1880"
_REINDEXES = "ReindexesMachine2F765FA1"
_DERIVATIONS, _INGESTIONS = "DerivationsMachine6C0F3239", "IngestionsMachine1D71F9A9"
_TASKS = {
    f"AwsSolutions-IAM5[Resource::{_BUCKET}/tasks/t/*]": "a task is stored under a key of its own; whose it "
    "is, is decided by the key of each request"
}
_DESCRIBES = "each dataset and each tenant is described in the bucket, so that a lost table can be made anew"
_STARTS = {
    f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*/upload]": _STAGING,
    _executions(_IMPORTS, ":*"): _EXECUTIONS,
}
_STEPS = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*/work/*]": _STAGING}
_READ = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*]": _READS_SHARDS}
_LOG = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/log/*]": "every write is logged under a key of its own"}
_TENANT = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/tenant.json]": _DESCRIBES}
_DATASETS = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/datasets/*]": _DESCRIBES}
_REJECTS = {f"AwsSolutions-IAM5[Resource::{_BUCKET}/rejects/t/*]": _STAGING}
_VERSIONS = {
    f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/{what}/*]": "a version of one dataset becomes another's"
    for what in ("manifests", "parts")
}
_COMMIT = {
    f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/{what}/*]": _COMMITS
    for what in ("shards", "manifests", "parts", "datasets")
}

REASONS: dict[str, dict[str, str]] = {
    "Storage/Bucket": {
        "AwsSolutions-S1": "only the functions reach the bucket, and they log what they do; access logs of S3 "
        "would be billed for every read of every query. CloudTrail's data events tell the same to who needs it."
    },
    "Api": {
        "AwsSolutions-APIG4": "keys are checked in the functions: each dialect has a refusal of its own shape, "
        "and a gateway's authorizer would answer in the gateway's",
    },
    "Functions": {
        "AwsSolutions-IAM5[Resource::*]": "X-Ray has no resources to name: its two write actions take only `*`",
        "AwsSolutions-L1": "Python 3.13 is what the layers' wheels and byte code are built for and tested with",
    },
    "Functions/Api": {
        **_LOG,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/manifests/*]": "snapshots and clones name versions",
        **_DATASETS,
        **_TENANT,
        **_REJECTS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/exports/t/*]": _STAGING,
        **_STARTS,
        **{
            _executions(machine, ":*"): _EXECUTIONS
            for machine in (_EXPORTS, _REINDEXES, _DERIVATIONS, _INGESTIONS)
        },
        **_TASKS,
        **_STEPS,
    },
    "Functions/Tasks": {
        **_TASKS,
        **_READ,
        **_STEPS,
        **_LOG,
        **_DATASETS,
        **_VERSIONS,
        **_REJECTS,
        _executions(_DERIVATIONS, ":*"): _EXECUTIONS,
    },
    "Functions/Derivation": {**_STEPS, **_READ, **_LOG, **_DATASETS, **_VERSIONS},
    "Functions/Ingestion": {
        **_STARTS,
        **_READ,
        **_LOG,
        **_DATASETS,
        _executions(_DERIVATIONS, ":*"): _EXECUTIONS,
    },
    "Functions/Content": {
        **_STARTS,
        **_STEPS,
        **_READ,
        **_LOG,
        **_DATASETS,
        **_TENANT,
        **_REJECTS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/manifests/*]": "an index begins with a version",
        _executions(_REINDEXES, ":*"): _EXECUTIONS,
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:"
        "parameter/shoal-keys/<AWS::StackName>/*]": "the deployment's own keys lie there, each made once",
    },
    "Functions/Reindex": {**_STEPS, **_READ, **_DATASETS, **_REJECTS},
    "Functions/Outbound": {
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/shoal/*]": (
            "keys of endpoints lie there under names of the operator's"
        ),
    },
    "Functions/Sweep": {
        **{_executions(machine, ":*"): _EXECUTIONS for machine in (_REINDEXES, _DERIVATIONS, _INGESTIONS)},
        **_STARTS,
        **_DATASETS,
    },
    "Functions/ImportIntake": _STARTS,
    "Uploads": {
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*/upload]": "each session of the role is narrowed to "
        "the key of one import",
    },
    **{
        name: {
            "AwsSolutions-IAM5[Resource::*]": "the delivery of logs and tracing take only `*`",
            f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*/work/*]": _STAGING,
            _executions(machine, "/*"): "a map runs its items as executions, whose names AWS makes",
            "AwsSolutions-SF1": _ERRORS_ALONE,
        }
        for name, machine in (
            ("Imports", _IMPORTS),
            ("Compactions", _COMPACTIONS),
            ("Exports", _EXPORTS),
            ("Reindexes", _REINDEXES),
            ("Derivations", _DERIVATIONS),
        )
    },
    "Ingestions": {
        "AwsSolutions-IAM5[Resource::*]": "the delivery of logs and tracing take only `*`",
        "AwsSolutions-SF1": _ERRORS_ALONE,
    },
    "Functions/Export": {
        **_STEPS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*]": _READS_SHARDS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/exports/t/*]": _STAGING,
    },
    "Functions/ImportPlan": {
        **_STEPS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*]": _STAGING,
    },
    "Functions/ImportValidate": {
        **_STEPS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/staging/t/*]": _STAGING,
    },
    "Functions/ImportCells": {
        **_STEPS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/rejects/t/*]": _STAGING,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*]": _READS_SHARDS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/shards/*]": _COMMITS,
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/parts/*]": _COMMITS,
    },
    "Functions/ImportFinish": {**_STEPS, **_READ, **_COMMIT, **_LOG},
    "Functions/Compaction": {**_STEPS, **_READ, **_COMMIT},
    "Functions/Query": _READ,
    "Functions/Janitor": {
        **_STEPS,
        **_READ,
        **_DATASETS,
        **_TENANT,
    },
    "Functions/Indexer": {**_STEPS, **_READ, **_COMMIT},
    "Functions/Builder": {**_READ, **_COMMIT, _executions(_COMPACTIONS, ":*"): _EXECUTIONS},
}
"""What is acknowledged, by construct and rule, and the reason."""


def check_with_nag(app: App, stack: Stack) -> None:
    """Have `app.synth()` fail on every finding that has no reason here."""
    for path, reasons in REASONS.items():
        scope: IConstruct = stack
        for name in path.split("/"):
            scope = scope.node.find_child(name)
        Validations.of(scope).acknowledge(
            *(Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason) for rule, reason in reasons.items())
        )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
