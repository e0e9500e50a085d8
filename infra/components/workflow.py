"""Workflow: the state machine of an ASL file, with a role that may do what the file asks for and no more."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.components.logs import make_log_group
from infra.settings import Settings

STATE_MACHINES = Path(__file__).resolve().parents[1] / "statemachines"


class Workflow(Construct):
    """The `machine` of an ASL file: one execution an import, a compaction or an export."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        purpose: str,
        settings: Settings,
        items_at_once: int = 1,
        bucket: s3.IBucket,
        functions: Mapping[str, lambda_.IFunction],
    ) -> None:
        """`name` is that of the file; `functions` are those that it invokes, by its placeholders
        (`PlanFunctionArn` and so on); each of its maps works on `items_at_once`.
        """
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description=f"shoal: what the workflow {name} may do",
        )
        self._allow(["lambda:InvokeFunction"], *(function.function_arn for function in functions.values()))
        definition = with_concurrency(
            json.loads((STATE_MACHINES / f"{name}.asl.json").read_text()), items_at_once
        )
        has_maps = any(state["Type"] == "Map" for state in definition["States"].values())
        if has_maps:
            # What the maps go over.
            self._allow(["s3:GetObject"], bucket.arn_for_objects("staging/t/*/work/*"))
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            definition_substitutions={
                "Partition": Aws.PARTITION,
                **({"Bucket": bucket.bucket_name} if has_maps else {}),
                **{name: function.function_arn for name, function in functions.items()},
            },
            role=self.role,
            comment=f"shoal: {purpose}",
            logs=sfn.LogOptions(
                destination=make_log_group(self, "Logs", retention_days=settings.log_retention_days),
                level=sfn.LogLevel.ERROR,
                # States hold keys, and what went wrong may quote a file.
                include_execution_data=False,
            ),
            tracing_enabled=True,
            # An execution that runs while the stack is deleted has nothing left to work on.
            removal_policy=RemovalPolicy.DESTROY,
        )
        if has_maps:
            self._run_maps()

    def executions(self, names: str) -> str:
        """Executions of the machine, as policies name them; those of a map's items have `/` before the name."""
        return Stack.of(self).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.machine.state_machine_name}{names}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _run_maps(self) -> None:
        """A distributed map runs its items as executions of the same machine.

        In a policy of its own: the machine waits for its role's, which then cannot name the machine.

        Source: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        iam.Policy(
            self,
            "Maps",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]
                ),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[self.executions("/*")],
                ),
            ],
        )

    def _allow(self, actions: list[str], *resources: str) -> None:
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))


def with_concurrency(definition: Mapping[str, Any], items_at_once: int) -> dict[str, Any]:
    """The definition with so many items of each map at work at once."""
    states = {
        name: {**state, "MaxConcurrency": items_at_once} if state["Type"] == "Map" else state
        for name, state in definition["States"].items()
    }
    return {**definition, "States": states}
