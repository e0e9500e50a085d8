"""The API: one HTTP API of catch-all routes, as keys, errors and unknown paths are the functions' affair."""

import json
from collections.abc import Iterable
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.components.logs import make_log_group
from infra.settings import Settings

ACCESS_LOG_FIELDS = {
    "request_id": "$context.requestId",
    "received_at": "$context.requestTimeEpoch",
    "route": "$context.routeKey",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "gateway_error": "$context.error.messageString",
    "integration_error": "$context.integrationErrorMessage",
}
"""What the gateway notes of a request: the route but not the path, which may hold a customer's ids."""


class Api(Construct):
    """The `http_api`, its one stage with the throttle, and its custom domain where one is set."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.http_api = apigateway.HttpApi(
            self,
            "HttpApi",
            description="shoal",
            create_default_stage=False,
            cors_preflight=_cors(settings.cors_origins) if settings.cors_origins else None,
        )
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.http_api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.api_throttle_rps, burst_limit=settings.api_throttle_burst
            ),
        )
        self._keep_access_log(settings.log_retention_days)
        self.domain_name = _make_domain(self, settings)
        if self.domain_name is not None:
            apigateway.ApiMapping(
                self, "Mapping", api=self.http_api, domain_name=self.domain_name, stage=self.stage
            )

    @property
    def url(self) -> str:
        """Where the API answers: at the root of its host, without a stage in the path or a slash at the end."""
        if self.domain_name is not None:
            return f"https://{self.domain_name.name}"
        return self.http_api.api_endpoint

    def route(self, function: lambda_.IFunction, *routes: str) -> None:
        """Send requests to a function. A route is `METHOD /path`, or `$default` for what no other route takes."""
        integration = HttpLambdaIntegration(
            f"{function.node.path}-integration",
            function,
            # One permission for the whole API, not one a route: the function's policy stays short.
            scope_permission_to_route=False,
        )
        for route in routes:
            apigateway.HttpRoute(
                self,
                f"Route {route}",
                http_api=self.http_api,
                integration=integration,
                route_key=_route_key(route),
            )

    def _keep_access_log(self, retention_days: int) -> None:
        """Log what never reaches a function: the gateway's own 404, 413, 429 and 503."""
        group = make_log_group(self, "AccessLog", retention_days=retention_days)
        cast(
            "apigateway.CfnStage", self.stage.node.default_child
        ).access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=group.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )


def _route_key(route: str) -> apigateway.HttpRouteKey:
    if route == "$default":
        return apigateway.HttpRouteKey.DEFAULT
    method, path = route.split(" ")
    return apigateway.HttpRouteKey.with_(path, apigateway.HttpMethod[method])


def _cors(origins: Iterable[str]) -> apigateway.CorsPreflightOptions:
    """Let pages of these origins call every method. The gateway answers their preflights itself."""
    return apigateway.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[apigateway.CorsHttpMethod.ANY],
        # By name: browsers do not count `authorization` among `*`.
        allow_headers=["authorization", "content-encoding", "content-type", "x-auth-email", "x-auth-key"],
        expose_headers=["retry-after", "x-request-id"],
        max_age=Duration.hours(1),
    )


def _make_domain(scope: Construct, settings: Settings) -> apigateway.DomainName | None:
    if settings.domain_name is None or settings.certificate_arn is None:
        return None
    return apigateway.DomainName(
        scope,
        "Domain",
        domain_name=settings.domain_name,
        certificate=acm.Certificate.from_certificate_arn(scope, "Certificate", settings.certificate_arn),
        security_policy=apigateway.SecurityPolicy.TLS_1_2,
    )
