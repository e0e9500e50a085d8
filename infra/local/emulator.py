"""Private parts of the emulator that the stack needs otherwise. Runs in its environment, on 1.5.33 only."""
# ruff: noqa: SLF001 - the emulator offers no other way in; its version is pinned and asserted

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_region
from ministack.services import apigateway, dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

from infra.local.emulator_s3 import read_ranges_of_versions

BOOTSTRAP: Final = """#!/bin/sh
ulimit -d $((AWS_LAMBDA_FUNCTION_MEMORY_SIZE * 1024)) 2>/dev/null
exec {python} -m awslambdaric "$_HANDLER"
"""
"""Starts AWS's runtime client as the process of a function, with the function's memory as its limit."""

PASSED_ON: Final = ("PATH", "LANG", "TMPDIR")
"""What a function sees of this process's environment. No proxies: its only network is this machine."""


def install(*, python: Path, logs: Path) -> None:
    """Make the emulator run functions as AWS does, and take the properties of the template that it drops.

    Args:
        python: the interpreter that holds AWS's runtime client and boto3, and nothing else.
        logs: a folder; what a function prints is appended to `<its name>.log` in it, also when it is killed.
    """
    _run_functions_under_the_runtime_client(python, logs)
    _answer_without_waiting()
    _wrap("AWS::DynamoDB::Table", _create_table, _update_table)
    _wrap("AWS::ApiGatewayV2::Api", _create_api, _update_api)
    _treat_loopback_as_tls()
    read_ranges_of_versions()


def _run_functions_under_the_runtime_client(python: Path, logs: Path) -> None:
    """The emulator has a worker of its own for Python; its `provided` runtime speaks the real protocol."""
    unpack = lambda_svc._provided_runtime_code_dir
    pump = lambda_runtime.ProvidedWorker._pump_output
    bootstrap = BOOTSTRAP.format(python=shlex.quote(str(python)))

    def unpack_with_bootstrap(code_zip: bytes) -> str:
        folder = unpack(code_zip)
        path = Path(folder, "bootstrap")
        if not path.exists():
            path.write_text(bootstrap)
            path.chmod(0o755)
        return str(folder)

    def pump_to_file(self: Any, stream: IO[bytes], queue: Any) -> None:
        with (logs / f"{short_name(self.config)}.log").open("ab", buffering=0) as file:
            pump(self, _Tee(stream, file), queue)

    lambda_svc._provided_runtime_code_dir = unpack_with_bootstrap
    lambda_svc._provided_worker_env = _environment
    # The emulator would keep a log stream for each call in memory, and save them all.
    lambda_svc._emit_lambda_logs = lambda *_args, **_kwargs: None
    lambda_svc._execute_function_warm = lambda_svc._execute_function_provided_warm
    lambda_runtime._worker_class_for = lambda _config: lambda_runtime.ProvidedWorker
    lambda_runtime.ProvidedWorker._pump_output = pump_to_file


class _Tee:
    """A stream whose lines are written to a file as they are read."""

    def __init__(self, stream: IO[bytes], file: IO[bytes]) -> None:
        self._stream, self._file = stream, file

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._file.write(line)
        return line

    def close(self) -> None:
        self._stream.close()


def short_name(config: Mapping[str, Any]) -> str:
    """A function's name in this repository; its own name where it has none."""
    variables = (config.get("Environment") or {}).get("Variables") or {}
    return str(variables.get("POWERTOOLS_SERVICE_NAME") or config.get("FunctionName", "unknown"))


def _environment(config: Mapping[str, Any], code: str, port: int) -> dict[str, str]:
    """What a function's process sees: Lambda's variables, its role's credentials, its own settings."""
    region = get_region()
    folders = [code, *(str(Path(unpacked, "python")) for unpacked in _unpacked_layers(config))]
    own = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime')}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_FUNCTION_NAME": str(config.get("FunctionName")),
        "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.get('FunctionName')}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_REGION": region,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LAMBDA_TASK_ROOT": code,
        "PYTHONPATH": os.pathsep.join(folders),
        "TZ": ":UTC",
        "_HANDLER": str(config.get("Handler")),
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
    }
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **inherited,
        **lambda_svc._runtime_env_vars(config),
        **own,
        **lambda_runtime.execution_credentials(config),
    }


def _unpacked_layers(config: Mapping[str, Any]) -> list[str]:
    """The layers of a function, each unpacked once for all functions, the last one first as it wins on AWS."""
    zips = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or ()]
    return [lambda_svc._docker_extracted_dir(blob, "layer") for blob in reversed(zips) if blob]


def _answer_without_waiting() -> None:
    """Take 40 ms of Nagle and 50 ms of waiting for log lines off each call: the lines go to a file anyway."""
    build = lambda_runtime.ProvidedWorker._build_handler_class

    def build_buffered(self: Any, generation: int, pending: Any) -> Any:
        handler = build(self, generation, pending)
        handler.wbufsize = -1
        handler.disable_nagle_algorithm = True
        return handler

    lambda_runtime.ProvidedWorker._build_handler_class = build_buffered
    lambda_runtime.ProvidedWorker._drain_stderr_bounded = lambda self, **_waits: self._drain_stderr()


def _wrap(kind: str, create: Callable[..., Any], update: Callable[..., Any]) -> None:
    """Put functions around the emulator's own for a type of resource; each gets the original first."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    own_create, own_update = handlers["create"], handlers["update"]
    handlers["create"] = lambda *args, **kwargs: create(own_create, *args, **kwargs)
    handlers["update"] = lambda *args, **kwargs: update(own_update, *args, **kwargs)


def _create_table(own: Callable[..., Any], logical_id: str, props: dict[str, Any], stack: str) -> Any:
    name, attributes = own(logical_id, props, stack)
    _set_table_options(name, props)
    return name, attributes


def _update_table(
    own: Callable[..., Any], name: str, old: dict[str, Any], new: dict[str, Any], *args: Any, **kwargs: Any
) -> Any:
    result = own(name, old, new, *args, **kwargs)
    _set_table_options(result[0] if isinstance(result, tuple) else name, new)
    return result


def _set_table_options(name: str, props: Mapping[str, Any]) -> None:
    """Time to live and point-in-time recovery, which the emulator has but does not take from a template."""
    if ttl := props.get("TimeToLiveSpecification"):
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": _with_booleans(ttl)})
    if recovery := props.get("PointInTimeRecoverySpecification"):
        specification = _with_booleans(recovery)
        dynamodb._update_continuous_backups(
            {"TableName": name, "PointInTimeRecoverySpecification": specification}
        )


def _with_booleans(specification: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation may write truth as text."""
    return {
        key: value == "true" if value in ("true", "false") else value for key, value in specification.items()
    }


def _create_api(own: Callable[..., Any], logical_id: str, props: dict[str, Any], stack: str) -> Any:
    api_id, attributes = own(logical_id, props, stack)
    _set_cors(api_id, props)
    return api_id, attributes


def _update_api(
    own: Callable[..., Any], api_id: str, old: dict[str, Any], new: dict[str, Any], *args: Any, **kwargs: Any
) -> Any:
    result = own(api_id, old, new, *args, **kwargs)
    _set_cors(result[0] if isinstance(result, tuple) else api_id, new)
    return result


def _set_cors(api_id: str, props: Mapping[str, Any]) -> None:
    """The API's CORS settings: `AllowOrigins` in a template is `allowOrigins` in the service."""
    if cors := props.get("CorsConfiguration"):
        apigateway._apis[api_id]["corsConfiguration"] = {
            key[0].lower() + key[1:]: value for key, value in cors.items()
        }


def _treat_loopback_as_tls() -> None:
    """The bucket and the queues refuse plain HTTP, and plain HTTP never leaves this machine."""
    pin = iam_evaluator.pin_request_origin

    def pin_as_secure(source_ip: str, _secure_transport: bool) -> None:
        pin(source_ip, secure_transport=True)

    iam_evaluator.pin_request_origin = pin_as_secure
