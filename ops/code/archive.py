"""The code bucket's archive: packages by hash, and backups of `$LATEST`.

See docs/decisions/0015-packages-are-kept.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cdk.names import Function, Names
from ops.code.release_index import NOT_THERE
from ops.code.releases import Code, Releases
from ops.command import OpsError
from ops.target import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class LatestBackup:
    """A backup of `$LATEST`: the key of the package in the code bucket, and the configuration."""

    key: str
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class Archive:
    """One stack's packages and backups in the code bucket."""

    s3: S3Client
    bucket: str
    names: Names

    def package_key(self, function: Function, code: Code) -> str:
        """Return the key of the package of `code`, which is a version or `$LATEST`.

        Raises:
            OpsError: The bucket doesn't hold the package, or refuses the request.
        """
        key = self.names.archive_key(function, code.sha256)
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            raise OpsError(
                f"{function.name} was left as it was: $LATEST isn't what runs, and the package of "
                f"version {code.version} isn't in s3://{self.bucket}/{key}. Deploy and release it "
                "again."
            ) from error
        return key

    def write_backup(self, function: Function, backup: LatestBackup | None) -> None:
        """Write the backup of `$LATEST`; None says that no backup has to be restored.

        Raises:
            ClientError: S3 refuses the request.
        """
        content = {"key": backup.key, "configuration": backup.configuration} if backup else None
        self.s3.put_object(
            Bucket=self.bucket,
            Key=self.names.backup_key(function),
            Body=json.dumps(content).encode(),
        )

    def backup(self, function: Function) -> LatestBackup | None:
        """Return the backup that has to be restored to `$LATEST`; None without a backup.

        Raises:
            ClientError: S3 answers with an error that isn't in NOT_THERE.
        """
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=self.names.backup_key(function))
        except ClientError as error:
            if error.response["Error"].get("Code") in NOT_THERE:
                return None
            raise
        content = json.load(found["Body"])
        return LatestBackup(content["key"], content["configuration"]) if content else None


def archive_of(target: Target) -> Archive:
    """Return the archive of a stack. For errors, see `Target.own_s3`."""
    return Archive(target.own_s3(), target.place.code_bucket, target.names)


def restore_latest(releases: Releases, function: Function, archive: Archive) -> bool:
    """Restore `$LATEST` from its backup, empty the backup, and return whether there was a backup.

    Raises:
        OpsError: Lambda got another package than that of the backup.
        ClientError: S3 or Lambda refuses a request.
        BotoCoreError: See `Releases.wait_until_updated`.
    """
    backup = archive.backup(function)
    if backup is None:
        return False
    releases.put_code(function, archive.bucket, backup.key)
    releases.reconfigure(function, backup.configuration)
    archive.write_backup(function, None)
    return True
