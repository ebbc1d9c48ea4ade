"""The tables: schedule, status table, ledger, recording events, mailed faults."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from cdk.at_rest import AtRest
from cdk.names import FOLLOW_INDEX, MID_INDEX, TIME_INDEX, Names

TEXT = dynamodb.AttributeType.STRING
NUMBER = dynamodb.AttributeType.NUMBER
EXPIRATION = "expiration"
RECOVERY = dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)
"""Point-in-time recovery, only for the schedule and the ledger."""


class Tables(Construct):
    """The tables, which are deleted with the stack."""

    def __init__(self, scope: Construct, construct_id: str, names: Names, at_rest: AtRest) -> None:
        super().__init__(scope, construct_id)
        self._key = at_rest.key
        self.schedule = self._table(
            "Schedule", names.schedule_table, "zoom_series_id", recovery=RECOVERY
        )
        self.status = self._table("Status", names.status_table, "zip_id", ttl=EXPIRATION)
        self.status.add_global_secondary_index(
            index_name=MID_INDEX, partition_key=dynamodb.Attribute(name="meeting_id", type=NUMBER)
        )
        self.status.add_global_secondary_index(
            index_name=TIME_INDEX,
            partition_key=dynamodb.Attribute(name="update_date", type=TEXT),
            sort_key=dynamodb.Attribute(name="update_time", type=NUMBER),
        )
        self.recordings = self._table(
            "Recordings", names.recordings_table, "uuid", ttl=EXPIRATION, recovery=RECOVERY
        )
        # The index is sparse, because only records whose ingests are followed have these
        # attributes.
        self.recordings.add_global_secondary_index(
            index_name=FOLLOW_INDEX,
            partition_key=dynamodb.Attribute(name="follow", type=TEXT),
            sort_key=dynamodb.Attribute(name="follow_due", type=TEXT),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.events = self._table("Events", names.events_table, "zoom_uuid", ttl=EXPIRATION)
        self.faults = self._table("Faults", names.faults_table, "fault", ttl=EXPIRATION)

    def _table(
        self,
        construct_id: str,
        name: str,
        key: str,
        *,
        ttl: str | None = None,
        recovery: dynamodb.PointInTimeRecoverySpecification | None = None,
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            construct_id,
            table_name=name,
            partition_key=dynamodb.Attribute(name=key, type=TEXT),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=ttl,
            point_in_time_recovery_specification=recovery,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if self._key else None,
            encryption_key=self._key,
            removal_policy=RemovalPolicy.DESTROY,
        )
