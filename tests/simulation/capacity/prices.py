"""AWS's list prices, and the cost of a load."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ingester.metrics import Metric
from tests.simulation.capacity.measure import MB_OF, Measured

PRICES_OF = "2026-11-28"
"""Date on which the prices below were valid."""


@dataclass(frozen=True)
class Price:
    """A price of `dollars` for `per` units in us-east-1, without free tiers and discounts."""

    name: str
    dollars: float
    per: float
    unit: str

    def of(self, amount: float) -> float:
        return self.dollars * amount / self.per


LAMBDA_TIME = Price("Lambda, arm64, time", 0.0000133334, 1, "GB-s")
LAMBDA_REQUESTS = Price("Lambda, requests", 0.20, 1e6, "million requests")
GATEWAY = Price("API Gateway, REST", 3.50, 1e6, "million requests")
WRITES = Price("DynamoDB on demand, writes", 0.625, 1e6, "million write units (1 KB)")
READS = Price("DynamoDB on demand, reads", 0.125, 1e6, "million read units (4 KB)")
STANDARD = Price("SQS, standard queue", 0.40, 1e6, "million requests")
FIFO = Price("SQS, FIFO queue", 0.50, 1e6, "million requests")
PUTS = Price("S3, PUT, parts and LIST", 0.005, 1e3, "1,000 requests")
GETS = Price("S3, GET and HEAD", 0.0004, 1e3, "1,000 requests")
STORAGE = Price("S3 Standard, storage", 0.023, 1, "GB-month")
KMS = Price("KMS, decrypting parameters", 0.03, 1e4, "10,000 requests")
LOGS = Price("CloudWatch Logs, ingestion", 0.50, 1e9, "GB")
METRIC_DOLLARS, ALARM_DOLLARS, DASHBOARD_DOLLARS = 0.30, 0.10, 3.00
"""A month's price of a metric, an alarm and a dashboard in CloudWatch."""

ALARMS = 27
"""Number of a stack's alarms. `tests/infra/test_alarms.py` compares the number with the stack."""

METRICS_OF_GATEWAY = 10
POLLS = 657_000
"""A month's requests of an idle event source: five pollers with long polls of 20 s."""

PRICES = (
    LAMBDA_TIME,
    LAMBDA_REQUESTS,
    GATEWAY,
    WRITES,
    READS,
    STANDARD,
    FIFO,
    PUTS,
    GETS,
    STORAGE,
    KMS,
    LOGS,
)


def gigabyte_seconds(measured: Measured, function: str) -> float:
    """Return the GB-seconds that Lambda bills for a function."""
    return measured.functions[function].seconds * MB_OF[function] / 1024


def fixed_costs() -> dict[str, float]:
    """Return a month's dollars for a stack without any recording, by the name of the item."""
    metrics = len(Metric)
    return {
        f"two event sources asking their queues, {POLLS:,} requests each": STANDARD.of(POLLS)
        + FIFO.of(POLLS),
        f"{metrics} metrics of our own and {METRICS_OF_GATEWAY} of API Gateway, at most": (
            METRIC_DOLLARS * (metrics + METRICS_OF_GATEWAY)
        ),
        f"{ALARMS} alarms": ALARM_DOLLARS * ALARMS,
        "the dashboard, if the account has more than three": DASHBOARD_DOLLARS,
        "reconcile every hour, follow every minute if it is on": (
            LAMBDA_TIME.of(730 * 10 * 0.5 + 43_800 * 0.3 * 0.25) + LAMBDA_REQUESTS.of(44_530)
        ),
    }


def costs(measured: Measured) -> dict[str, float]:
    """Return the dollars for a load, by the name of the item on the bill."""
    functions = measured.functions
    requests = sum(functions[name].count for name in MB_OF)
    return {
        "S3, staged files": STORAGE.of(measured.staged_gb_months),
        "S3, requests": PUTS.of(measured.s3_puts) + GETS.of(measured.s3_gets),
        "downloader": LAMBDA_TIME.of(gigabyte_seconds(measured, "downloader")),
        "uploader": LAMBDA_TIME.of(gigabyte_seconds(measured, "uploader")),
        "follow": LAMBDA_TIME.of(gigabyte_seconds(measured, "follow")),
        "webhook, and API Gateway": LAMBDA_TIME.of(gigabyte_seconds(measured, "webhook"))
        + GATEWAY.of(functions["webhook"].count),
        "Lambda, requests": LAMBDA_REQUESTS.of(requests),
        "DynamoDB": WRITES.of(measured.write_units) + READS.of(measured.read_units),
        "SQS": STANDARD.of(measured.standard_requests) + FIFO.of(measured.fifo_requests),
        "KMS": KMS.of(measured.decryptions),
        "CloudWatch Logs": LOGS.of(measured.log_bytes),
    }


def without_release(measured: Measured) -> Measured:
    """Return the measurements as if every file stayed for STAGING_DAYS, and none were tagged."""
    return replace(
        measured,
        staged_gb_months=measured.unreleased_gb_months,
        s3_puts=measured.s3_puts - measured.s3_tags,
        s3_tags=0,
    )


def total(measured: Measured) -> float:
    """Return the cost of a load in dollars."""
    return sum(costs(measured).values())
