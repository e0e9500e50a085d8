"""What AWS charges: list prices of us-east-1 as known in 2026-11; each names the page to compare it with.

Dollars. Other regions differ, mostly by up to a third. Free tiers that do not end are named beside the price;
those of a new account's first year are left out.
"""

from dataclasses import dataclass

AS_OF = "2026-11"
REGION = "us-east-1"
MILLION = 1_000_000
MONTH_HOURS = 730
MONTH_MINUTES = MONTH_HOURS * 60
MONTH_SECONDS = MONTH_MINUTES * 60


@dataclass(frozen=True, slots=True)
class Price:
    """`dollars` for one `unit`; `free` units a month cost nothing, for good."""

    dollars: float
    unit: str
    page: str
    free: float = 0.0

    def of(self, units: float) -> float:
        """List price of that many units, free tier left aside."""
        return self.dollars * units

    def beyond_free(self, units: float) -> float:
        """What a bill says in an account that uses nothing else."""
        return self.dollars * max(0.0, units - self.free)


_AWS = "https://aws.amazon.com/"
GATEWAY_REQUEST = Price(1.00 / MILLION, "request, or 512 KB of a larger one", _AWS + "api-gateway/pricing/")
GATEWAY_UNIT_BYTES = 512 * 1024
LAMBDA_REQUEST = Price(0.20 / MILLION, "request", _AWS + "lambda/pricing/", free=1 * MILLION)
LAMBDA_ARM_GB_SECOND = Price(0.0000133334, "GB-second, arm64", _AWS + "lambda/pricing/", free=400_000)
DYNAMODB_WRITE = Price(0.625 / MILLION, "write request unit (1 KB)", _AWS + "dynamodb/pricing/on-demand/")
DYNAMODB_READ = Price(0.125 / MILLION, "read request unit (4 KB)", _AWS + "dynamodb/pricing/on-demand/")
DYNAMODB_GB_MONTH = Price(0.25, "GB-month", _AWS + "dynamodb/pricing/on-demand/", free=25)
DYNAMODB_PITR_GB_MONTH = Price(0.20, "GB-month of continuous backup", _AWS + "dynamodb/pricing/on-demand/")
S3_GB_MONTH = Price(0.023, "GB-month, Standard", _AWS + "s3/pricing/")
S3_PUT = Price(0.005 / 1000, "PUT", _AWS + "s3/pricing/")
S3_GET = Price(0.0004 / 1000, "GET", _AWS + "s3/pricing/")
SQS_REQUEST = Price(0.40 / MILLION, "request", _AWS + "sqs/pricing/", free=1 * MILLION)
ALARM_MONTH = Price(0.10, "alarm-month", _AWS + "cloudwatch/pricing/", free=10)
LOGS_GB = Price(0.50, "GB of logs taken in", _AWS + "cloudwatch/pricing/", free=5)
XRAY_TRACE = Price(5.00 / MILLION, "trace recorded", _AWS + "xray/pricing/", free=100_000)
TRANSFER_OUT_GB = Price(0.09, "GB to the internet", _AWS + "ec2/pricing/on-demand/#Data_Transfer", free=100)
